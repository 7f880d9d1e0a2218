"""What a release spec may say of the check `scenarios`."""

from collections import Counter
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from expectations.parts import LITERAL_PASSWORD, Function, Part

SetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w .-]{0,62}$")]
Cell = str | bool | int | float | None


class Expected(Part):
    """What should come of a set's rows. `between` and `label` ask of the answer, whether or not it is trusted; with
    `answer: true` it must be trusted too."""

    between: tuple[float, float] | None = Field(
        default=None, description="The answer, or a class's chance, lies between these two, ends included"
    )
    label: str | int | bool | None = Field(default=None, description="The label that is said")
    refuse: bool = Field(default=False, description="The package must say that its answer is not to be trusted")
    answer: bool = Field(default=False, description="The package must say that its answer is to be trusted")
    share: float = Field(default=1.0, gt=0, le=1, description="Of at least so many of the rows, as a share")

    @model_validator(mode="after")
    def _asks_something_possible(self) -> Self:
        says = self.between is not None or self.label is not None
        if not (says or self.refuse or self.answer):
            raise ValueError("expect nothing, which always holds: give between, label, refuse or answer")
        if self.refuse and (says or self.answer):
            raise ValueError("refuse stands alone: what is refused has no answer to speak of")
        if self.between and not self.between[0] <= self.between[1]:
            raise ValueError(f"between is [least, greatest], found {list(self.between)}")
        return self


class ScenarioSet(Part):
    """Rows that somebody thought of, and what should come of them. Exactly one of path, url, function and rows."""

    name: SetName
    path: str | None = Field(default=None, description="CSV or Parquet file, relative to the spec")
    url: str | None = Field(default=None, description="SQLAlchemy URL, with query; secrets as ${ENVIRONMENT_VARIABLE}")
    query: str | None = Field(default=None, description="SQL, with url")
    function: Function | None = Field(
        default=None, description="module:function beside the spec that returns a DataFrame"
    )
    rows: tuple[dict[str, Cell], ...] = Field(default=(), description="The rows themselves, {column: value}")
    fill: bool = Field(
        default=False, description="Columns that the rows lack get training's typical value (median, most frequent)"
    )
    expect: Expected

    @field_validator("expect", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """`expect: refuse` and `expect: answer` are short for the same with true."""
        return {value: True} if value in ("refuse", "answer") else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("path", "url", "function", "rows") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"give exactly one of path, url, function, rows; found {', '.join(given) or 'none'}")
        if bool(self.url) != bool(self.query):
            raise ValueError("url and query go together")
        if self.url and LITERAL_PASSWORD.search(self.url):
            raise ValueError("the url holds a password in clear: write ${VARIABLE} and set it in the environment")
        if self.path and not self.path.endswith((".csv", ".csv.gz", ".parquet")):
            raise ValueError(f"path must end in .csv, .csv.gz or .parquet, found {self.path!r}")
        return self


class Scenarios(Part):
    """Records that were made to provoke the package, by the team and by the check itself."""

    sets: tuple[ScenarioSet, ...] = Field(default=(), description="The team's own scenarios")
    searched: int = Field(
        default=4000, ge=500, le=100_000, description="Random records in the search for a crash or a wild answer"
    )
    swapped: float = Field(
        default=0.05,
        gt=0,
        le=0.05,
        description="Of records with one number a thousand times too large, at most this share may be trusted and get "
        "an answer that differs by much",
    )

    @field_validator("sets")
    @classmethod
    def _named_once(cls, sets: tuple[ScenarioSet, ...]) -> tuple[ScenarioSet, ...]:
        twice = [name for name, count in Counter(one.name for one in sets).items() if count > 1]
        if twice:
            raise ValueError(f"each set has a name of its own, found twice: {', '.join(twice)}")
        return sets
