"""What a release spec may say of the check `fairness`."""

from expectations.parts import Part


class Fairness(Part):
    """TODO."""
