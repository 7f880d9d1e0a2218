"""What a release spec may say of the check `slices`."""

from expectations.parts import Part


class Slices(Part):
    """TODO."""
