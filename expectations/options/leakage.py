"""What a release spec may say of the check `leakage`."""

from expectations.parts import Part


class Leakage(Part):
    """TODO."""
