"""What a release spec says of columns that are other models' outputs."""

from collections.abc import Iterable, Mapping

from pydantic import Field, field_validator

from expectations.parts import Name, Part, nearest
from expectations.state import Fed

# The outputs of a package that hold one value a record; of a classifier also the probability of one label.
OUTPUTS = ("prediction", "lower", "upper", "anomaly_score")
PROBABILITY = "probability:"


class Upstream(Part):
    """A column that is what another model answers of the same row."""

    model: Name
    column: str = Field(min_length=1, description="The feature that holds the answers")
    output: str = Field(
        default="prediction", description=f"{', '.join(OUTPUTS)}, or {PROBABILITY}LABEL of a classifier"
    )
    inputs: dict[str, str] = Field(
        default_factory=dict,
        description="Input of that model: column of this data; the others have the same name. The columns may be "
        "under data.ignore",
    )
    version: str | None = Field(default=None, description="The release that gave the answers; default: any that served")

    @field_validator("output")
    @classmethod
    def _known(cls, name: str) -> str:
        if name in OUTPUTS or (name.startswith(PROBABILITY) and name != PROBABILITY):
            return name
        raise ValueError(f"{name!r} is no output;{nearest(name, [*OUTPUTS, f'{PROBABILITY}LABEL'])}")


def consumed(upstream: Iterable[Upstream]) -> tuple[Fed, ...]:
    """What a spec declares as other models' outputs, as the ledger is told."""
    return tuple(
        Fed(one.model, one.column, one.output, tuple(sorted(one.inputs.items())), one.version) for one in upstream
    )


def misplaced(upstream: Iterable[Upstream], taken: Mapping[str, str]) -> list[str]:
    """Sentences about columns that cannot be features; `taken` says of a column what it is instead."""
    columns = [one.column for one in upstream]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    found = [f"data.upstream: {name} is named twice; a column holds the output of one model" for name in twice]
    return found + [
        f"data.upstream: {name} is {taken[name]}, and no feature" for name in dict.fromkeys(columns) if name in taken
    ]
