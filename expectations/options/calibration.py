"""What a release spec may say of the check `calibration`."""

from pydantic import Field

from expectations.parts import Part

# What the check must be able to find: an error of probabilities by so much overall, and in a group, by tier.
CARED = {1: 0.2, 2: 0.2, 3: 0.15, 4: 0.15}
CARED_IN_GROUP = {1: 0.4, 2: 0.4, 3: 0.3, 4: 0.3}


class Calibration(Part):
    """Does a probability of 0.8 mean eight of ten? Asked of all test rows, of the groups of every protected attribute
    and of guards.group, and of each declared slice."""

    groups: tuple[str, ...] = Field(default=(), description="More columns whose values are groups to be asked about")
    bands: int = Field(default=4, ge=2, le=10, description="Bands that a number column of `groups` is cut into")
    bins: int = Field(default=10, ge=2, le=50, description="Points of the reliability diagram")
