"""The release spec: what a team writes for one model."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, FiniteFloat, ModelWrapValidatorHandler, model_validator

from expectations.candidate_spec import Candidate
from expectations.checks_spec import Checks
from expectations.expectation import Expectation
from expectations.live import LiveLookup
from expectations.monitoring_spec import Monitoring
from expectations.pace import completed, too_fast
from expectations.parts import LITERAL_PASSWORD, Function, Name, Part, nearest
from expectations.risk import Risk, by_developers
from expectations.rollout_spec import Rollout
from expectations.serving_spec import Serving
from expectations.tiers import Tier
from expectations.upstream_spec import Upstream, misplaced

Task = Literal["regression", "binary", "multiclass"]
Role = Literal["protected", "actor_controlled", "lookup", "sensitive"]


class Model(Part):
    """What the model is, and whose."""

    name: Name
    task: Task
    owner: str = Field(min_length=1, description="The person who answers for the model")
    developers: tuple[str, ...] = Field(default=(), description="Who built it; none of them can approve it")
    positive: str | int | bool | None = Field(
        default=None, description="Binary only: the label that counts as positive"
    )
    description: str = ""
    intended_use: str = Field(default="", description="What its answers are for, in a sentence for those who use them")
    out_of_scope: str = Field(default="", description="What they are not to be used for")
    compress: Literal["off", "propose", "auto"] = Field(
        default="propose",
        description="Look for the simplest model that is good enough: not at all, to tell of it, or to release it",
    )


class Source(Part):
    """A table. Exactly one of path, url and function."""

    path: str | None = Field(default=None, description="CSV or Parquet file, relative to the spec")
    url: str | None = Field(default=None, description="SQLAlchemy URL; secrets as ${ENVIRONMENT_VARIABLE}")
    query: str | None = Field(default=None, description="SQL, with url")
    function: Function | None = Field(
        default=None, description="module:function beside the spec that returns a DataFrame"
    )
    null_values: tuple[str, ...] = Field(default=("",), description="CSV texts that mean missing")
    event_time: str | None = Field(default=None, description="When a row became known; later than as-of is not taken")
    fresh_within_days: float | None = Field(default=None, gt=0, description="The newest row may be this old at as-of")
    origin: str = ""
    licence: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("path", "url", "function") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"give exactly one of path, url, function; found {', '.join(given) or 'none'}")
        if bool(self.url) != bool(self.query):
            raise ValueError("url and query go together")
        if self.path and not self.path.endswith((".csv", ".csv.gz", ".parquet")):
            raise ValueError(f"path must end in .csv, .csv.gz or .parquet, found {self.path!r}")
        if self.url and LITERAL_PASSWORD.search(self.url):
            raise ValueError("the url holds a password in clear: write ${VARIABLE} and set it in the environment")
        return self


class Join(Part):
    """Columns of another source as they were known at each row's event time, never later."""

    source: str
    on: tuple[str, ...] = Field(min_length=1)
    max_age_days: float | None = Field(default=None, gt=0)


class Lookup(Part):
    """Numbers of another source, one row for each key, frozen inside the package: a caller sends the key alone."""

    source: str
    key: str = Field(description="A column of texts or of whole numbers, in the rows and in the source")
    columns: tuple[str, ...] = Field(min_length=1, description="Number columns of the source")
    default: dict[str, FiniteFloat] = Field(
        default_factory=dict, description="What an unknown key gets, by column; a column that is not named is missing"
    )
    live: LiveLookup | None = Field(default=None, description="Where served packages ask; the frozen table stands in")

    @model_validator(mode="after")
    def _defaults_are_columns(self) -> Self:
        if len(set(self.columns)) < len(self.columns) or self.key in self.columns:
            raise ValueError(f"key and columns are each named once, found {self.key}, {', '.join(self.columns)}")
        for name in self.default:
            if name not in self.columns:
                raise ValueError(f"default names the column {name!r};{nearest(name, self.columns)}")
        return self


class Split(Part):
    """Which rows training never sees: by a hash of the row (equal rows fall on one side), or the latest in time.

    The test part measures; the calibration part sets what the guards' thresholds are. By time it lies between.
    """

    test: float = Field(default=0.25, gt=0, lt=1)
    calibration: float = Field(default=0.15, gt=0, lt=1)
    by: Literal["hash", "time"] = "hash"
    group: str | None = Field(default=None, description="Rows with the same value stay on one side")
    seed: int = 0

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Self:
        if self.test + self.calibration >= 1:
            raise ValueError(
                f"test and calibration leave no rows to train on: together {self.test + self.calibration:g} of 1"
            )
        return self


class Data(Part):
    """Where the data is and what its columns mean. The first source holds the rows."""

    sources: dict[str, Source] = Field(min_length=1)
    target: str
    joins: tuple[Join, ...] = ()
    lookups: tuple[Lookup, ...] = Field(default=(), description="Tables frozen inside the package")
    upstream: tuple[Upstream, ...] = Field(default=(), description="Columns that are other models' outputs")
    ignore: tuple[str, ...] = Field(default=(), description="Columns that are no features")
    roles: dict[str, tuple[Role, ...]] = Field(default_factory=dict, description="Roles of columns")
    as_of: datetime | None = Field(default=None, description="Data known after this moment is not taken; default: now")
    split: Split = Split()

    @model_validator(mode="after")
    def _joins_name_sources(self) -> Self:
        for join in self.joins:
            if join.source not in self.sources:
                raise ValueError(f"join names the source {join.source!r}; there are {', '.join(self.sources)}")
            if self.sources[join.source].event_time is None or self.rows.event_time is None:
                raise ValueError(f"the join with {join.source!r} is point-in-time: both sources need event_time")
        if self.split.by == "time" and self.rows.event_time is None:
            raise ValueError("split by time needs event_time in the first source")
        return self

    @model_validator(mode="after")
    def _lookups_are_tables_of_their_own(self) -> Self:
        for lookup in self.lookups:
            if lookup.source not in self.sources:
                raise ValueError(f"lookup names the source {lookup.source!r};{nearest(lookup.source, self.sources)}")
        others = [next(iter(self.sources)), *(join.source for join in self.joins)]
        held = [*others, *(lookup.source for lookup in self.lookups)]
        if self.lookups and len(set(held)) < len(held):
            raise ValueError(f"a lookup's source has no other part, found {', '.join(held)}")
        found = [*(column for lookup in self.lookups for column in lookup.columns), self.target]
        if len(set(found)) < len(found):
            raise ValueError(f"looked-up columns are new ones, and not the target; found {', '.join(found)}")
        for lookup in self.lookups:
            if lookup.key in found:
                raise ValueError(f"the lookup's key {lookup.key!r} is no column that a caller sends")
        return self

    @model_validator(mode="after")
    def _upstream_columns_are_features(self) -> Self:
        taken = {**dict.fromkeys(self.looked_up, "looked up"), **dict.fromkeys(self.ignore, "under data.ignore")}
        taken |= {str(self.rows.event_time): "the event time", self.target: "the target"}
        if wrong := misplaced(self.upstream, taken):
            raise ValueError("; ".join(wrong))
        return self

    @property
    def looked_up(self) -> tuple[str, ...]:
        """The columns that no caller sends."""
        return tuple(column for lookup in self.lookups for column in lookup.columns)

    @property
    def rows(self) -> Source:
        """The source whose rows are predicted."""
        return next(iter(self.sources.values()))


class Gates(Part):
    """What must hold: of the data, and of the evidence that each step measures."""

    data: tuple[Expectation, ...] = ()
    quality: tuple[Expectation, ...] = ()
    guards: tuple[Expectation, ...] = ()
    latency: tuple[Expectation, ...] = ()
    comparison: tuple[Expectation, ...] = ()
    compression: tuple[Expectation, ...] = ()
    scenarios: tuple[Expectation, ...] = ()
    stability: tuple[Expectation, ...] = ()
    slices: tuple[Expectation, ...] = ()
    fairness: tuple[Expectation, ...] = ()
    explanations: tuple[Expectation, ...] = ()
    calibration: tuple[Expectation, ...] = ()
    robustness: tuple[Expectation, ...] = ()
    gaming: tuple[Expectation, ...] = ()
    poisoning: tuple[Expectation, ...] = ()
    leakage: tuple[Expectation, ...] = ()
    production: tuple[Expectation, ...] = ()
    provenance: tuple[Expectation, ...] = ()
    costs: tuple[Expectation, ...] = ()
    interactions: tuple[Expectation, ...] = ()
    risk: tuple[Expectation, ...] = ()


class Cost(Part):
    """What errors cost: a matrix {actual: {predicted: cost}}, per unit under and over for numbers, or a function."""

    function: Function | None = Field(
        default=None,
        description="module:function beside the spec; called with the records (features, actual, predicted), "
        "returns one cost each",
    )

    matrix: dict[str, dict[str, float]] | None = None
    under: float = Field(default=1, ge=0, description="Per unit that the prediction is too low")
    over: float = Field(default=1, ge=0, description="Per unit that the prediction is too high")
    unit: str = ""

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if self.function and self.matrix:
            raise ValueError("give one of matrix and function, not both")
        return self


class Comparison(Part):
    """Challenger against champion, on the same records."""

    metric: str | None = Field(default=None, description="Default: rmse, log_loss")
    margin: float = Field(default=0.02, ge=0, description="Share of the champion's value that counts as equivalent")
    must_be_better: bool = Field(
        default=False, description="Surely better than the champion, and not only no worse; retraining always asks it"
    )


class Compression(Part):
    """When a simpler model is good enough, and what predictions cost. Watts and prices are estimates: set your own."""

    tolerance: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="Skill that may be lost, as a share of what guessing loses; for rmse it is R²",
    )
    prefer: Literal["size", "cpu"] = Field(
        default="size", description="Simplest is the smallest file, or the least CPU"
    )
    cpu_seconds: float = Field(
        default=10, gt=0, description="Budget for making and measuring; what it leaves out is told"
    )
    windows: int = Field(default=3, ge=0, le=50, description="Back-tests over event_time; 0 for none")
    watts_per_core: float = Field(default=10, ge=0, description="Drawn by one busy core")
    price_per_core_hour: float = Field(default=0.04, ge=0)
    price_per_kwh: float = Field(default=0, ge=0, description="0 where the core's price holds its power")
    currency: str = "USD"


class Budgets(Part):
    """How often each guard may say no to rows that are like those of training, as a share."""

    domain: float = Field(default=0.05, gt=0, lt=1, description="A column missing, outside its interval or unknown")
    anomaly: float = Field(default=0.02, gt=0, lt=1, description="Each column inside its interval, the combination odd")
    range: float = Field(default=0.01, gt=0, lt=1, description="The prediction is implausible")
    confidence: float = Field(default=0.05, gt=0, lt=1, description="Too improbable, or its interval too wide")
    disagreement: float = Field(default=0.02, gt=0, lt=1, description="Ensembles: the members are too far apart")


class Guards(Part):
    """What travels with the model, inside its graph."""

    coverage: float = Field(default=0.9, gt=0, lt=1, description="How often interval or set must hold the truth")
    interval: Literal["auto", "absolute", "normalised"] = Field(
        default="auto", description="Regression: one width for all, or wider where the model errs more"
    )
    group: str | None = Field(
        default=None, description="Coverage within each value of this column; it becomes an input"
    )
    budgets: Budgets = Budgets()
    plausible: tuple[float, float] | None = Field(default=None, description="Regression: least and greatest answer")
    confidence: float | None = Field(default=None, gt=0, le=1, description="Classes: least probability, not by budget")
    widest: float | None = Field(default=None, gt=0, description="Regression: widest interval, not by budget")
    disagreement: float | None = Field(
        default=None,
        ge=0,
        description="Ensembles: how far apart members may be, in the target's unit or as a share, not by budget",
    )

    @model_validator(mode="after")
    def _plausible_grows(self) -> Self:
        if self.plausible and self.plausible[0] >= self.plausible[1]:
            raise ValueError(f"plausible is [least, greatest], found {list(self.plausible)}")
        return self


class Decisions(Part):
    """Who must say yes. A spec can ask for more than its tier does, never for less."""

    approvals: int | None = Field(default=None, ge=1, description="How many people; default by tier")
    roles: tuple[Literal["owner", "validator", "risk officer"], ...] = Field(
        default=(), description="Each of which one of those who approve holds, beside those of the tier"
    )
    signatures: int = Field(default=0, ge=0, description="How many of them sign with a key of their own")
    valid_days: float = Field(default=30, gt=0, le=3650, description="An approval counts so long")


class ReleaseSpec(Part):
    """One model's release, from data to decision."""

    model: Model
    candidate: Candidate
    data: Data
    expectations: Gates = Gates()
    cost: Cost = Cost()
    comparison: Comparison = Comparison()
    compression: Compression = Compression()
    guards: Guards = Guards()
    checks: Checks = Checks()
    risk: Risk = Risk()
    decisions: Decisions = Decisions()
    rollout: Rollout = Rollout()
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()
    seed: int = 0

    @model_validator(mode="after")
    def _task_fits(self) -> Self:
        if self.model.task == "binary" and self.model.positive is None:
            raise ValueError("model.positive is missing: a binary model names the label that counts as positive")
        if self.model.task != "binary" and self.model.positive is not None:
            raise ValueError(f"model.positive is for binary models; this one is {self.model.task}")
        if self.guards.group in self.data.looked_up:
            raise ValueError(f"guards.group: {self.guards.group} is looked up, and no input of the package")
        if self.model.task == "regression" and self.cost.matrix:
            raise ValueError("cost.matrix is for classes; a regression has cost.under and cost.over")
        if self.model.task == "regression" and self.guards.confidence:
            raise ValueError("guards.confidence is for classes; a regression has guards.widest")
        if self.model.task != "regression" and (self.guards.plausible or self.guards.widest):
            raise ValueError("guards.plausible and guards.widest are for a regression; classes have guards.confidence")
        return self

    @model_validator(mode="after")
    def _production_is_a_source(self) -> Self:
        name = self.checks.production.source
        if name is not None and name not in self.data.sources:
            raise ValueError(f"checks.production.source: {name!r} is no source;{nearest(name, self.data.sources)}")
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _as_its_tier_asks(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """What the spec leaves open is what its tier says; what it says may not be less than that."""
        spec = handler(values)
        wrong = [*too_fast(spec.rollout, spec.tier), *by_developers(spec.risk.waivers, spec.model.developers)]
        if wrong:
            raise ValueError("; ".join(wrong))
        rollout, serving = completed(spec.rollout, spec.serving, spec.tier)
        return spec.model_copy(update={"rollout": rollout, "serving": serving})

    @property
    def tier(self) -> Tier:
        """How strict this release is held: its declared tier, raised by what amplifies its risk."""
        return self.risk.held_to
