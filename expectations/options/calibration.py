"""What a release spec may say of the check `calibration`."""

from expectations.parts import Part


class Calibration(Part):
    """TODO."""
