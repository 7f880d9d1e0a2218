"""What a release spec may say of the check `poisoning`."""

from expectations.parts import Part


class Poisoning(Part):
    """TODO."""
