"""How the gateway serves a release, and what it writes down: a part of the release spec."""

from typing import Literal

from pydantic import Field

from expectations.parts import Part


class PredictionLog(Part):
    """What the gateway writes down of each prediction.

    The values of columns whose role is protected or sensitive are never written in clear.
    """

    protected: Literal["hash", "leave out"] = Field(
        default="hash", description="Hashed, equal values stay equal, so that groups can be told apart"
    )
    sensitive: Literal["hash", "leave out"] = Field(
        default="leave out", description="Where a column is protected too, leaving out goes before"
    )
    leave_out: tuple[str, ...] = Field(default=(), description="Further inputs that are not written down")
    inputs: bool = Field(default=True, description="With false no input is: drift cannot be seen then")


class Serving(Part):
    """How the gateway serves a release; part of what is approved.

    While a challenger is rolled out, the champion's says who answers; each release's own says how it answers.
    """

    key: str | None = Field(
        default=None,
        description="A value that a caller sends, such as customer: the same one gets the same release. A key in the "
        "request's header goes before; without either, chance decides",
    )
    timeout_ms: float = Field(default=1000, gt=0, description="A challenger that takes longer: the champion answers")
    on_distrust: Literal["flag", "refuse", "fallback"] = Field(
        default="flag",
        description="Records that the guards do not trust: answered with a flag, left empty, or answered by the "
        "fallback (empty where there is none). Default by tier: flag at 1 and 2, fallback at 3, refuse at 4",
    )
    outputs: Literal["all", "rounded", "label"] = Field(
        default="all", description="What callers get; with label the prediction alone, and whether it is trusted"
    )
    decimals: int = Field(default=2, ge=0, le=12, description="Of rounded outputs, and of a prediction that goes alone")
    full_outputs_for: tuple[str, ...] = Field(default=(), description="Callers, by name, who get all outputs unrounded")
    records_per_minute: float | None = Field(default=None, gt=0, description="Of one caller; default: no limit")
    burst: int = Field(
        default=100, ge=1, description="So many may come at once; a larger batch is answered, and waited for afterwards"
    )
    boundary: float = Field(
        default=0.02,
        ge=0,
        lt=1,
        description="An answer this near to a limit, as a share, hugs it: a class to the next one, a confidence or an "
        "interval's width to what the guards allow",
    )
    boundary_share: float = Field(
        default=0.5, gt=0, le=1, description="A caller is warned of where more of the last 100 records or so hug one"
    )
    log: PredictionLog = PredictionLog()
    cpus: int = Field(default=1, ge=1, description="Processors of one process; the trial before approval has as many")
    memory_mb: int = Field(default=2048, ge=256, description="Memory of one process; the trial has no more")
