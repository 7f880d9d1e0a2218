"""What a release spec may say of the check `robustness`."""

from expectations.parts import Part


class Robustness(Part):
    """TODO."""
