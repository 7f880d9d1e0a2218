"""What a release spec may say of the check `scenarios`."""

from expectations.parts import Part


class Scenarios(Part):
    """TODO."""
