"""What a release spec may say of the check `costs`."""

from expectations.parts import Part


class Costs(Part):
    """TODO."""
