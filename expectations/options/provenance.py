"""What a release spec may say of the check `provenance`."""

from expectations.parts import Part


class Provenance(Part):
    """TODO."""
