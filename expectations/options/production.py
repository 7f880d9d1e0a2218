"""What a release spec may say of the check `production`."""

from expectations.parts import Part


class Production(Part):
    """TODO."""
