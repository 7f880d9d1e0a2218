"""What a release spec may say of the check `explanations`."""

from expectations.parts import Part


class Explanations(Part):
    """TODO."""
