"""What a release spec may say of the check `gaming`."""

from expectations.parts import Part


class Gaming(Part):
    """TODO."""
