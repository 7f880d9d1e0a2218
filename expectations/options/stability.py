"""What a release spec may say of the check `stability`."""

from expectations.parts import Part


class Stability(Part):
    """TODO."""
