"""From a spec to a verdict: init, check, release, schema."""

import json
import shlex
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from expectations.errors import CannotAsk
from flows import settings
from flows.answering import (
    COULD_NOT_ASK,
    DONE,
    MARKS,
    NO,
    STATUS_WORDS,
    Command,
    answer,
    as_json,
    as_of_option,
    spec_argument,
    store_option,
)

if TYPE_CHECKING:
    from expectations.risk import Risk


@click.command(cls=Command)
@click.argument("name")
@click.option("--data", type=click.Path(path_type=Path), help="A CSV or Parquet file to release a model on.")
@click.option("--target", help="The column to predict.")
@click.option(
    "--task", type=click.Choice(["regression", "binary", "multiclass"]), help="Default: told from the target."
)
@as_json
def init(name: str, data: Path | None, target: str | None, task: str | None, json_: bool) -> None:
    """Write a commented release spec and the files around it.

    Example: seatrial init house-price --data houses.csv --target price
    """
    from infra.scaffold import write_project

    files = write_project(Path(name), Path(name).name, data, target, task)
    names = [str(file) for file in files]
    answer(json_, {"files": names}, f"Wrote {', '.join(names)}.\nNext: seatrial check {name}/release.yaml")


@click.command(cls=Command)
@spec_argument
@as_of_option
@as_json
def check(spec: Path, as_of: datetime | None, json_: bool) -> None:
    """Is the spec right, is the data reachable, can the candidate be converted? In seconds, changing nothing.

    Example: seatrial check examples/ames/release.yaml
    """
    import yaml

    from expectations.history import State
    from expectations.judge import unknown_types
    from infra import workshop
    from infra.spec_file import read_spec

    file = read_spec(spec)
    with settings.heavy_imports():
        if file.spec.candidate.functions:
            workshop.prepare()
        import great_expectations  # noqa: F401

        from tasks.access import measure_access
        from tasks.convert import CannotConvert
        from tasks.convertible import check_convertible
        from tasks.job import choose_as_of
    gates = file.spec.expectations
    unknown = unknown_types([one for name in type(gates).model_fields for one in getattr(gates, name)])
    if unknown:
        raise CannotAsk.all_of(
            f"{spec}: {name} is no expectation that Great Expectations knows.{near}" for name, near in unknown
        )
    completed = yaml.safe_dump(file.spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    if not json_:
        click.echo(f"# {spec} with its defaults\n{completed}")
    open_questions = _tell_risk(file.spec.risk, err=json_)
    moment = choose_as_of(file, State({}, {}), as_of)
    access = measure_access(file.spec.data, file.root, moment, workshop.table_reader())
    rows = access.records.to_dict("records")
    for row in rows:
        told = f"{row['source']}: {row['check']}: {row['found']}"
        click.echo(f"{MARKS[str(row['outcome'])]} {told} {row['remedy']}".rstrip(), err=json_)
    bad = [str(row["outcome"]) for row in rows if row["outcome"] in ("failed", "errored")]
    if bad:
        answer(json_, {"access": rows}, "The data is not ready; mend the lines marked ✗ or ?.")
        sys.exit(COULD_NOT_ASK if "errored" in bad else NO)
    try:
        facts = check_convertible(file, moment).facts
    except CannotConvert as error:
        refused = {"access": rows, "convertible": False, "reasons": list(error.problems)}
        answer(json_, refused, "\n".join(f"✗ {problem}" for problem in error.problems))
        sys.exit(NO)
    said = f"✓ the candidate converts ({facts['attempt']}, {facts['onnx_bytes']:,} bytes on a sample)"
    result = {
        "spec": file.spec.model_dump(mode="json"),
        "tier": file.spec.risk.told(),
        "unanswered": open_questions,
        "access": rows,
        "convertible": True,
        "conversion": dict(facts),
    }
    follow = "Answer the questions marked ✗; a release would stop at them." if open_questions else ""
    answer(json_, result, f"{said}\n{follow or f'Next: seatrial release {spec}'}")
    sys.exit(NO if open_questions else DONE)


def _tell_risk(risk: "Risk", err: bool) -> list[str]:
    """Says which tier holds and why, what each waiver is, and which questions are not answered; returns those."""
    from expectations.risk import tier_words
    from tasks.qualification.risk import unanswered

    click.echo(f"✓ risk: {tier_words(risk.told())}", err=err)
    for waiver in risk.waivers:
        told = f"{waiver.check}: {waiver.expectation} by {waiver.by} until {waiver.until}"
        click.echo(f"! risk.waivers: {told}{', which is over' if waiver.until < date.today() else ''}", err=err)
    found = unanswered(risk)
    for sentence in found:
        click.echo(f"✗ {sentence}", err=err)
    return found


@click.command(cls=Command)
@spec_argument
@store_option
@as_of_option
@as_json
def release(spec: Path, store_url: str, as_of: datetime | None, json_: bool) -> None:
    """Run, or resume, the pre-production pipeline, up to "waits for a decision".

    Example: seatrial release examples/ames/release.yaml --store ./store
    """
    from tasks.job import dossier_places, open_job

    job = open_job(spec, store_url, as_of)
    file, known = job.file, job.ledger().state().releases.get(job.release)
    if known is None or known.status == "started":
        if not json_:
            click.echo(
                f"Releasing {file.spec.model.name}, data as of {job.as_of:%Y-%m-%d %H:%M}: {job.release}", err=True
            )
        result = _run_flow(spec, store_url, job.as_of, trains=bool(file.spec.candidate.functions))
    else:
        result = {"release": known.id, "outcome": known.outcome, "findings": [], "dossier_digest": known.dossier_digest}
    state = job.ledger().state()
    status = state.releases[job.release].status
    result |= {"status": status, **dossier_places(job, state.releases[job.release])}
    answer(json_, result, _release_words(result, job.approvals, store_url, file.spec.model.name))
    sys.exit(DONE if status in ("waiting", "approved", "champion", "retired") else NO)


def _run_flow(spec: Path, store_url: str, as_of: datetime, trains: bool) -> dict[str, Any]:
    import warnings

    warnings.simplefilter("ignore")
    from infra import workshop

    with settings.heavy_imports():
        if trains:
            workshop.prepare()
        wait_for_server = settings.start_server_beside_imports()
        import great_expectations  # noqa: F401  Its seconds of import pass while server and workshop start.

        from flows.release import release as run
    settings.show_progress(lambda line: click.echo(line, err=True))
    wait_for_server()
    result: dict[str, Any] = run(str(spec), store_url, as_of.isoformat())
    return result


def _release_words(result: dict[str, Any], approvals: int, store_url: str, name: str) -> str:
    reasons = [f for f in result["findings"] if f["outcome"] not in ("passed", "not applicable")]
    stopping = [f for f in reasons if f["outcome"] != "warned"] or reasons
    lines = [f"  {MARKS[f['outcome']]} {f['step']}: {f['expected']} — found {f['found']}" for f in stopping[:10]]
    lines += [f"  … and {len(stopping) - 10} more in the dossier"] if len(stopping) > 10 else []
    store = shlex.quote(store_url)
    head = f"{result['release']} {STATUS_WORDS[result['status']]}. Verdict: {result['outcome']}."
    lines += [f"Simplest: {result['recommendation']}"] if result.get("recommendation") else []
    follow = {
        "waiting": f"Next: read it; {approvals} yes needed: seatrial approve {name} --store {store} --as NAME",
        "stopped": "Next: mend what the reasons name and release again.",
        "started": "Next: mend what the reasons name and run the same command again.",
    }.get(result["status"], f"Next: seatrial status {name} --store {store}")
    where = [f"Dossier: {result['dossier']}"] if result["dossier_digest"] else []
    where += [f"A copy to open: {result['dossier_copy']}"] if "dossier_copy" in result else []
    return "\n".join([head, *lines, *where, follow])


@click.command(cls=Command)
@click.option("--of", "what", type=click.Choice(["spec", "dossier"]), default="spec", help="Of which file.")
@as_json
def schema(what: str, json_: bool) -> None:
    """The JSON Schema of a release spec, for editors, or of a dossier, for programs.

    Example: seatrial schema > release.schema.json
    """
    from expectations.dossier import Dossier
    from expectations.spec import ReleaseSpec

    described = Dossier if what == "dossier" else ReleaseSpec
    click.echo(json.dumps(described.model_json_schema(), indent=2))
