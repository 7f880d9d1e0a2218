"""Where the model that asks to be released comes from."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from expectations.parts import Function, Part, nearest

SKOPS = ".skops"
SkopsFile = Annotated[str, StringConstraints(pattern=r"^[^:]+\.skops$")]
# As scikit-learn names members: no double underscore, and no option of its voting models.
Member = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*$")]
OPTIONS = ("estimators", "weights", "voting", "verbose")


class Candidate(Part):
    """The trained estimator, or the function that trains it, or the members of an ensemble. Exactly one of the four."""

    train: Function | None = Field(
        default=None,
        description="module:function beside the spec; called with (features, target), returns an estimator",
    )
    skops: str | None = Field(default=None, description="A skops file, relative to the spec")
    pickle: str | None = Field(default=None, description="A joblib or pickle file; opened only with trust: true")
    members: dict[Member, Function | SkopsFile] = Field(
        default_factory=dict,
        description="An ensemble's members by name, each a module:function as train, or a skops file; at least two",
    )
    vote: Literal["soft", "majority"] = Field(
        default="soft", description="Classes: by the mean probability or by the most votes; numbers vote by their mean"
    )
    weights: dict[str, float] = Field(default_factory=dict, description="What members weigh in the vote; default: 1")
    trust: bool = Field(default=False, description="Yes, this pickle may execute code when it is opened")
    trusted_types: tuple[str, ...] = Field(default=(), description="Types in the skops file that are allowed by name")
    timeout_minutes: float = Field(default=60, gt=0)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("train", "skops", "pickle", "members") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"give exactly one of train, skops, pickle, members; found {', '.join(given) or 'none'}")
        if self.pickle and not self.trust:
            raise ValueError("a pickle can run any code when it is opened: use skops, or say trust: true")
        return self

    @model_validator(mode="after")
    def _members_can_vote(self) -> Self:
        if len(self.members) == 1:
            raise ValueError("members: one alone has nobody to disagree with; give two or more, or train")
        for name in self.members:
            if name in OPTIONS:
                raise ValueError(f"a member cannot be called {name}: it is an option of scikit-learn's voting models")
        for name, weight in self.weights.items():
            if name not in self.members:
                raise ValueError(f"weights name the member {name!r};{nearest(name, self.members)}")
            if not 0 <= weight < float("inf"):
                raise ValueError(f"the weight of {name} is a number from 0 on, found {weight:g}")
        if self.weights and not any(self.weights.get(name, 1) for name in self.members):
            raise ValueError("weights: one member at least weighs more than 0")
        return self

    @property
    def functions(self) -> tuple[str, ...]:
        """What is called to train: one function, or one for each member that is no file."""
        members = [one for one in self.members.values() if not one.endswith(SKOPS)]
        return (self.train,) if self.train else tuple(members)

    @property
    def files(self) -> tuple[str, ...]:
        """The model files, relative to the spec."""
        members = [one for one in self.members.values() if one.endswith(SKOPS)]
        return tuple(one for one in (self.skops, self.pickle, *members) if one)

    @property
    def origin(self) -> str:
        """Where it comes from, in a few words."""
        given = self.train or self.skops or self.pickle
        return given or "ensemble of " + ", ".join(f"{name} ({of})" for name, of in self.members.items())
