"""What a person is asked in the Prefect UI: the form, and the page above it that says what they decide on."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from prefect.input import RunInput
from pydantic import Field, SecretStr, create_model

from expectations.approvals import missing
from expectations.history import Release, State
from expectations.records import digest_of
from expectations.verdicts import Finding, Outcome, worst
from infra.store import Store

MOST_TOLD = 20
SIGNS = {"passed": "✓", "warned": "!", "failed": "✕", "inconclusive": "?", "errored": "↯", "not applicable": "–"}
# What would be taken for a link, a picture, HTML or the end of a cell.
SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>()#|!~&"} | {"\n": " ", "\r": " "})


class Answer(RunInput):
    """The form. It is only a request: the flow finds out whether it is that person's, and whether it holds."""

    decision: Literal["approve", "reject"] = Field(description="One no is enough to stop a release.")
    name: str = Field(max_length=200, description="Your name, as in the list of identities.")
    one_time_code: SecretStr = Field(max_length=40, description="The six digits that your authenticator app shows now.")
    comment: str = Field(default="", max_length=2000, description="Why. It is kept for good.")
    dossier: str = Field(max_length=100, description="The digest of what you decide on. Leave it as it is.")


def form(release: Release, page: str) -> type[Answer]:
    """The form on a release's dossier, below this page."""
    digest = Field(release.dossier_digest, max_length=100, description=str(Answer.model_fields["dossier"].description))
    made: type[Answer] = create_model("Answer", __base__=Answer, dossier=(str, digest))
    made._description = page
    return made


def waits(state: State, release: Release, now: str) -> bool:
    """Whether decisions on a release are asked for: it waits, or its approvals do not suffice any more."""
    lapsed = release.status == "approved" and missing(state, release, now) is not None
    return release.status == "waiting" or lapsed


def question(store: Store, state: State, release: Release, reason: str, now: str) -> str:
    """The page above the form, as markdown; `reason` says why it is asked again. Raises Missing or Corrupt."""
    document = json.loads(store.get_blob(release.document_digest))
    place = store.place(f"dossiers/{release.id}.html")
    return build_question(release, document, place, missing(state, release, now) or "nothing", reason)


def build_question(release: Release, document: Mapping[str, Any], place: str, needed: str, reason: str = "") -> str:
    """Markdown: the verdict, the gates, the comparison with the champion, and where the dossier is.

    The texts of a dossier can come from data: none of them is markdown or HTML here.
    """
    findings = [Finding.from_json(item) for item in document["findings"]]
    outcome = str(document["outcome"])
    return "\n\n".join(
        [
            *([f"> **Asked again:** {_plain(reason)}"] if reason else []),
            f"## May {_plain(release.id)} go to production?",
            f"**Verdict: {SIGNS[outcome]} {outcome}.** {_plain(document['sentence'])} Needed: **{_plain(needed)}**.",
            "This page is easier to read among the artifacts of the run, as `question`.",
            _not_known(document.get("unknown") or []),
            "### Gates\n\n" + _gates(findings),
            *_not_passed(findings),
            "### Beside what serves\n\n" + _comparison(document["evidence"].get("comparison"), findings),
            "### What is decided on\n\n" + _subject(release, place),
        ]
    ).replace("\n\n\n\n", "\n\n")


def _gates(findings: Iterable[Finding]) -> str:
    """One row for each step, in their order."""
    steps: dict[str, list[Finding]] = {}
    for finding in findings:
        steps.setdefault(finding.step, []).append(finding)
    rows = []
    for step, mine in steps.items():
        outcome, counted = worst(one.outcome for one in mine), Counter(one.outcome for one in mine)
        told = ", ".join(f"{counted[one]} {one}" for one in Outcome if counted[one])
        rows.append((step, f"{SIGNS[outcome]} {outcome}", told))
    return _table(("gate", "outcome", "expectations"), rows)


def _not_passed(findings: Iterable[Finding]) -> list[str]:
    fine = (Outcome.PASSED, Outcome.NOT_APPLICABLE)
    told = [one for one in findings if one.outcome not in fine]
    if not told:
        return []
    rows = [(f"{SIGNS[one.outcome]} {one.outcome}", one.step, one.expected, one.found) for one in told[:MOST_TOLD]]
    more = [f"… and {len(told) - MOST_TOLD} more in the dossier."] if len(told) > MOST_TOLD else []
    return ["### Read these first", _table(("outcome", "gate", "expected", "found"), rows), *more]


def _comparison(evidence: Mapping[str, Any] | None, findings: Iterable[Finding]) -> str:
    """The figure that both were held against, and what the gate said of it."""
    facts = (evidence or {}).get("facts") or {}
    if not evidence or not evidence["metrics"]:
        return _plain(facts.get("not_applicable") or "Not measured: the release did not come so far.")
    metric = str(facts.get("metric", "figure"))
    rows = [(f"{metric} of {facts.get('champion')}, which serves", number(facts.get("champion_value")), "")]
    rows += [(f"{metric} of this release", number(facts.get("candidate_value")), "")]
    for row in evidence["metrics"]:
        interval = f"{number(row['lower'])} to {number(row['upper'])}, on {row['n']:,} records"
        rows.append((str(row["metric"]), number(row["value"]), interval))
    said = [f"{SIGNS[one.outcome]} {one.expected}; found {one.found}" for one in findings if one.step == "comparison"]
    return _table(("", "value", "95 % interval"), rows) + "".join(f"\n\n{_plain(line)}" for line in said)


def _subject(release: Release, place: str) -> str:
    link = f"[{_plain(place)}]({place})" if place.startswith(("http://", "https://")) else f"`{place}`"
    rows = [
        ("dossier, to read first", link),
        ("its digest", f"`{release.dossier_digest}`"),
        ("package", f"`{release.package_digest}`"),
        ("data as of", f"`{release.as_of}`"),
    ]
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines) + "\n\nA decision is on these digests. A changed byte makes it void."


def _not_known(unknown: Iterable[str]) -> str:
    return "\n".join(f"- Not known: {_plain(one)}" for one in unknown)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _plain(text: Any) -> str:
    """Text that markdown shows as it is."""
    return str(text)[:500].translate(SPECIAL)


def number(value: float | None) -> str:
    """Four figures, or a dash for what is not known."""
    return "–" if value is None else f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def question_id(run: str, at: int, answer: Answer) -> str:
    """The name of one answer: the same answer read again has the same, any other answer another.

    The code is no part of it: of an answer in which only the code is changed afterwards the verdict stays.
    """
    told = [answer.decision, answer.name, answer.comment, answer.dossier]
    return f"{run}/{at}/{digest_of(told)[7:23]}"
