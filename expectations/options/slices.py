"""What a release spec may say of the check `slices`."""

from typing import Literal

from pydantic import Field, model_validator

from expectations.parts import Part

Value = str | int | float | bool | None
# What the check must be able to find, by tier: a slice that holds this share of the records and is worse by so many
# standard deviations of the loss (Cohen: 0.5 is medium, 0.8 large). 1,000 test rows can tell it at each tier.
CARED = {1: (0.2, 0.8), 2: (0.2, 0.8), 3: (0.1, 0.6), 4: (0.1, 0.6)}


class Declared(Part):
    """A subpopulation that the team names."""

    name: str = Field(min_length=1)
    where: dict[str, Value | tuple[Value, ...]] = Field(
        min_length=1,
        description="By column, also one that the model is not given: a value; null for missing; a list of values; "
        "or of a number column [from, to], both included, null for an open end",
    )


class Slices(Part):
    """For whom is the model worse? Declared slices are tested on all test rows; others are found on one half of them
    and tested on the other."""

    declared: tuple[Declared, ...] = ()
    metric: Literal["error", "loss", "cost"] = Field(
        default="error",
        description="error: wrong labels, absolute errors; loss: log loss, squared errors; cost: by the spec's cost",
    )
    against: Literal["alike", "rest"] = Field(
        default="alike",
        description="alike: the rest with like answers, so that a slice near the decision line, hard for every "
        "model, is no fault; rest: simply all others",
    )
    conditions: int = Field(default=3, ge=1, le=3, description="How many a found slice may have")
    bands: int = Field(default=5, ge=2, le=20, description="Bands that a number column is cut into")
    tested: int = Field(default=10, ge=1, le=100, description="How many found slices are tested; each costs power")
    support: float = Field(default=0.04, gt=0, lt=0.5, description="Share of the records that a found slice holds")
    size_weight: float = Field(
        default=0.05, gt=0, lt=1, description="What a slice's size counts beside its loss; 1 - alpha of SliceLine"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "Slices":
        names = [one.name for one in self.declared]
        if len(set(names)) < len(names):
            raise ValueError(f"each declared slice has a name of its own, found {', '.join(names)}")
        return self
