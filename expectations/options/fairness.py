"""What a release spec may say of the check `fairness`."""

from typing import Literal

from pydantic import Field, FiniteFloat

from expectations.parts import Part

Criterion = Literal["equalized_odds", "equal_opportunity", "demographic_parity"]
# A gap that the check must be able to find between two groups, by tier. A group that is too small for that is named and
# not judged. A gap of 0.2 would take four hundred members of each; these take 40 to 100.
CARED = {1: 0.5, 2: 0.5, 3: 0.4, 4: 0.4}


class Fairness(Part):
    """Are people treated alike, whatever their protected attributes? These are the columns with the role `protected`;
    the model need not be given them."""

    criterion: Criterion = Field(
        default="equalized_odds",
        description="Binary models. equalized_odds: equal rates of right and of wrong yes (Hardt et al. 2016); "
        "equal_opportunity: of right yes alone; demographic_parity: equal rates of yes, by the four-fifths rule",
    )
    groups: dict[str, tuple[FiniteFloat, ...] | dict[str, tuple[str, ...]]] = Field(
        default_factory=dict,
        description="By column: the edges of its bands ([25, 40, 60]: under 25, 25 to under 40, ...), or groups of its "
        "values ({couple: [married, widowed]})",
    )
    bands: int = Field(default=3, ge=2, le=10, description="Bands of a number column that `groups` does not name")
    intersections: bool = Field(default=True, description="Also pairs of protected attributes")
    none_because: str | None = Field(
        default=None, min_length=10, description="Why no column is protected, in a sentence"
    )
