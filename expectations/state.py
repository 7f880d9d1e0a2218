"""What the ledger adds up to: its records, and where each release, rollout and mode stands after them."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

Body = dict[str, Any]
MODES = ("normal", "warn", "fallback", "refuse", "off")
# By whose word a mode is that alarms asked for.
MONITOR = "monitor"


@dataclass(frozen=True)
class Record:
    """One line of the ledger. `previous` is the digest of the record before it, `digest` its own."""

    seq: int
    previous: str
    time: str
    kind: str
    model: str
    body: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with, as securesystemslib names its parts."""

    keyid: str
    keytype: str
    scheme: str
    public: str


@dataclass(frozen=True)
class Person:
    """Somebody with a part in releases. `version` counts how often roles and keys were set.

    `code_step` is the time step of the last one-time code that was taken; `locked` until a new secret is enrolled.
    """

    name: str
    roles: tuple[str, ...] = ()
    keys: tuple[PublicKey, ...] = ()
    version: int = 0
    code_step: int = -1
    locked: bool = False


@dataclass(frozen=True)
class Approval:
    """A yes. `signed` by the person's own key, or attested by the pipeline's; it counts until `expires`."""

    person: str
    signed: bool
    time: str
    expires: str


@dataclass(frozen=True)
class Fed:
    """A column of a release that is another model's output; `inputs` are (that model's input, column here) where the
    names differ; `version` is the release that gave the answers, None for any that served.
    """

    model: str
    column: str
    output: str = "prediction"
    inputs: tuple[tuple[str, str], ...] = ()
    version: str | None = None


@dataclass(frozen=True)
class Release:
    """Where one release stands: started, waiting, stopped, approved, rejected, rolling out, rolled back, champion,
    retired or imported.

    It needs so many approvals, each needed role among who approves, and so many of them signed by a person's own key.
    `judged_at` is the number of the record that holds its verdict, figures and blobs; `replaced` is the champion
    before it. `owner` answers for it; it `consumes` what other models answer.
    `downstream_asked` are the models downstream, and which release of each was asked what becomes of it.
    """

    id: str
    model: str
    as_of: str
    spec_digest: str
    developers: tuple[str, ...]
    approvals_needed: int
    started_at: str
    roles_needed: tuple[str, ...] = ()
    signatures_needed: int = 0
    valid_days: float = 30.0
    status: str = "started"
    outcome: str = ""
    dossier_digest: str = ""
    package_digest: str = ""
    document_digest: str = ""
    snapshot_digest: str = ""
    package_signature: str = ""
    champion_compared: str | None = None
    approvals: tuple[Approval, ...] = ()
    rejected_by: str | None = None
    judged_at: int | None = None
    replaced: str | None = None
    owner: str = ""
    consumes: tuple[Fed, ...] = ()
    downstream_asked: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Group:
    """Records whose `column` is one of `values`, as text."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """One stage of a rollout. In `shadow` the challenger is scored and answers nobody; else it answers the `groups`,
    and a `share` of what is in none of them. `go_ahead`: a person says when it begins.
    """

    share: float = 0.0
    shadow: bool = False
    go_ahead: bool = False
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class Moved:
    """When a rollout came to a stage (-1: withdrawn), why, and the digest of what was measured until then."""

    time: str
    stage: int
    why: str
    evidence: str | None = None


@dataclass(frozen=True)
class Rollout:
    """How far the traffic of one model has moved from champion to challenger; `stage` is -1 before the first.

    `status` is running, finished or rolled back. `holder` renews the lease; when it has run out, another may take over.
    `evidence` is the digest of what was measured last.
    """

    release: str
    champion: str
    salt: str
    stages: tuple[Stage, ...]
    holder: str
    lease_until: str
    started_at: str
    stage: int = -1
    go_aheads: tuple[int, ...] = ()
    status: str = "running"
    timeline: tuple[Moved, ...] = ()
    evidence: str | None = None

    def moved(self, time: str, stage: int, body: Body, status: str = "running") -> "Rollout":
        """With one more line in the timeline."""
        line = Moved(time, stage, str(body.get("why", "")), evidence_of(body))
        kept = line.evidence or self.evidence
        return replace(self, stage=stage, status=status, timeline=(*self.timeline, line), evidence=kept)


@dataclass(frozen=True)
class Mode:
    """How a model is served: normal, warn, fallback, refuse or off, since when, why and by whose word; `fallback` names
    a release. `person`: what a person had set, where monitoring set this one.
    """

    name: str = "normal"
    fallback: str | None = None
    since: str = ""
    why: str = ""
    by: str = ""
    person: "Mode | None" = None

    def persons(self) -> "Mode":
        """What a person set last: this one, or what monitoring made stricter."""
        return self if self.by != MONITOR else self.person or Mode()


@dataclass(frozen=True)
class Report:
    """What somebody said of a model that serves; `seq` is the number of its record."""

    seq: int
    time: str
    by: str
    words: str


@dataclass(frozen=True)
class Alarm:
    """Something that monitoring saw of the release that serves, and that lasts.

    `seq` is the number of its first record; it is surely beyond so many `times` the tolerance.
    """

    seq: int
    name: str
    release: str
    since: str
    words: str
    times: float = 1.0
    evidence: str | None = None


@dataclass(frozen=True)
class Retraining:
    """The last time that a model was trained anew: why, when it began, until when another may not begin, and of data
    as of when. `status` is begun or ended; `candidate` the release that came of it. `release` served then; `since` is
    when the alarm began that asked for it.
    """

    cause: str
    began: str
    until: str
    as_of: str
    status: str = "begun"
    candidate: str | None = None
    why: str = ""
    ended: str = ""
    release: str = ""
    since: str = ""


@dataclass(frozen=True)
class Refusal:
    """The last time that a model was not trained anew though something asked for it; `seq` is its record's number."""

    seq: int
    time: str
    cause: str
    why: str


@dataclass(frozen=True)
class AttachedSuite:
    """Expectations that a person attached to a model, as the canonical JSON of the gates of a spec."""

    name: str
    person: str
    text: str
    version: int


@dataclass(frozen=True)
class State:
    """The champion of each model, every release, each model's last rollout and mode; people by name, the suites that
    they attached by model and name, the last reports of misbehaviour, the alarms that are on, each model's last
    retraining, and the last one that was refused.
    """

    models: dict[str, str] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)
    rollouts: dict[str, Rollout] = field(default_factory=dict)
    modes: dict[str, Mode] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    suites: dict[str, dict[str, AttachedSuite]] = field(default_factory=dict)
    reports: dict[str, tuple[Report, ...]] = field(default_factory=dict)
    alarms: dict[str, tuple[Alarm, ...]] = field(default_factory=dict)
    retrainings: dict[str, Retraining] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; `expectations.state_json` reads them back."""
        return {
            "models": self.models,
            "releases": [asdict(release) for release in self.releases.values()],
            "rollouts": {model: asdict(rollout) for model, rollout in self.rollouts.items()},
            "modes": {model: asdict(mode) for model, mode in self.modes.items()},
            "people": [asdict(person) for person in self.people.values()],
            "reports": {model: [asdict(one) for one in told] for model, told in self.reports.items()},
            "alarms": {model: [asdict(one) for one in on] for model, on in self.alarms.items()},
            "retrainings": {model: asdict(one) for model, one in self.retrainings.items()},
            "refusals": {model: asdict(one) for model, one in self.refusals.items()},
            "suites": {model: [asdict(one) for one in named.values()] for model, named in self.suites.items()},
        }

    def copy(self) -> "State":
        """One that can be changed without changing this one."""
        return State(**{name: dict(value) for name, value in vars(self).items()})

    def keep(self, release: Release, **changed: Any) -> None:
        """Puts a release, with some fields changed, in its place."""
        self.releases[release.id] = replace(release, **changed)

    def person(self, name: str) -> Person | None:
        """Who is known by that name, however it is spaced or capitalised."""
        return self.people.get(name_of(name))

    def running(self, model: str) -> Rollout | None:
        """The model's rollout, while it runs."""
        rollout = self.rollouts.get(model)
        return rollout if rollout and rollout.status == "running" else None


def name_of(person: str) -> str:
    """One person, however their name is spaced or capitalised: else one would be two approvers."""
    return " ".join(str(person).split()).casefold()


def evidence_of(body: Body) -> str | None:
    """The digest that a record names as what it was decided on."""
    digest = body.get("evidence")
    return digest if isinstance(digest, str) else None
