"""The `seatrial` command. Heavy libraries are imported only by the commands that need them."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from expectations.errors import CannotAsk
from flows import settings

DONE, NO, COULD_NOT_ASK = 0, 1, 2
MARKS = {"passed": "✓", "warned": "!", "failed": "✗", "errored": "?", "inconclusive": "~", "not applicable": "–"}
STATUS_WORDS = {
    "waiting": "waits for a decision",
    "stopped": "was stopped by its gates",
    "champion": "serves",
    "retired": "served before",
    "rejected": "was rejected",
    "started": "was begun and not finished: run the same command again",
    "approved": "is approved",
}

as_json = click.option("--json", "json_", is_flag=True, help="Answer with one JSON document.")
store_option = click.option(
    "--store", "store_url", default="./store", show_default=True, help="Where everything is kept: a directory."
)
spec_argument = click.argument("spec", type=click.Path(path_type=Path))
as_of_option = click.option(
    "--as-of",
    type=click.DateTime(),
    help="Take no data that became known later. Default: the spec's, else the last run's.",
)


class Command(click.Command):
    """A command that answers bad input with sentences and exit code 2, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except CannotAsk as error:
            tell_problems(error, bool(ctx.params.get("json_")))


def tell_problems(error: CannotAsk, json_: bool) -> NoReturn:
    """All sentences at once, and exit code 2."""
    if json_:
        click.echo(json.dumps({"outcome": "could not ask", "problems": list(error.problems)}, indent=2))
    for problem in error.problems:
        click.echo(f"✗ {problem}", err=True)
    sys.exit(COULD_NOT_ASK)


def answer(json_: bool, value: Any, text: str) -> None:
    """The one answer of a command, for a program or for a person."""
    click.echo(json.dumps(value, indent=2, default=str) if json_ else text)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="seatrial", prog_name="seatrial")
def main() -> None:
    """Takes a trained scikit-learn model into production, or says, with evidence, why not.

    Exit codes: 0 done or waiting, 1 a gate or a person said no, 2 the question could not be asked.

    Example: seatrial release examples/ames/release.yaml --store ./store
    """
    settings.set_defaults()


@main.command(cls=Command)
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


@main.command(cls=Command)
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
    from tasks.access import measure_access
    from tasks.convert import CannotConvert
    from tasks.convertible import check_convertible
    from tasks.job import choose_as_of

    file = read_spec(spec)
    gates = file.spec.expectations
    unknown = unknown_types([*gates.data, *gates.quality, *gates.latency, *gates.comparison])
    if unknown:
        raise CannotAsk.all_of(
            f"{spec}: {name} is no expectation that Great Expectations knows.{near}" for name, near in unknown
        )
    completed = yaml.safe_dump(file.spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    if not json_:
        click.echo(f"# {spec} with its defaults\n{completed}")
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
        answer(json_, {"access": rows, "convertible": False, "reason": str(error)}, f"✗ {error}")
        sys.exit(NO)
    said = f"✓ the candidate converts ({facts['attempt']}, {facts['onnx_bytes']:,} bytes on a sample)"
    result = {"spec": file.spec.model_dump(mode="json"), "access": rows, "convertible": True, "conversion": dict(facts)}
    answer(json_, result, f"{said}\nNext: seatrial release {spec}")


@main.command(cls=Command)
@spec_argument
@store_option
@as_of_option
@as_json
def release(spec: Path, store_url: str, as_of: datetime | None, json_: bool) -> None:
    """Run, or resume, the pre-production pipeline, up to "waits for a decision".

    Example: seatrial release examples/ames/release.yaml --store ./store
    """
    from infra.spec_file import read_spec
    from tasks.job import Job, choose_as_of

    file = read_spec(spec)
    job = Job(file, store_url, datetime.min)
    state = job.ledger().state()
    job = Job(file, store_url, choose_as_of(file, state, as_of))
    known = state.releases.get(job.release)
    if known is None or known.status == "started":
        if not json_:
            click.echo(
                f"Releasing {file.spec.model.name}, data as of {job.as_of:%Y-%m-%d %H:%M}: {job.release}", err=True
            )
        result = _run_flow(spec, store_url, job.as_of)
    else:
        result = {"release": known.id, "outcome": known.outcome, "findings": [], "dossier_digest": known.dossier_digest}
    state = job.ledger().state()
    status = state.releases[job.release].status
    result |= {"status": status, "dossier": f"{store_url.rstrip('/')}/dossiers/{job.release}.html"}
    answer(json_, result, _release_words(result, job.approvals, store_url, file.spec.model.name))
    sys.exit(DONE if status in ("waiting", "approved", "champion", "retired") else NO)


def _run_flow(spec: Path, store_url: str, as_of: datetime) -> dict[str, Any]:
    import warnings

    warnings.simplefilter("ignore")
    wait_for_server = settings.start_server_beside_imports()
    import great_expectations  # noqa: F401  Its seconds of import pass while the server starts.

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
    head = f"{result['release']} {STATUS_WORDS[result['status']]}. Verdict: {result['outcome']}."
    follow = {
        "waiting": f"Next: read it; {approvals} yes needed: seatrial approve {name} --store {store_url} --as NAME",
        "stopped": "Next: mend what the reasons name and release again.",
        "started": "Next: mend what the reasons name and run the same command again.",
    }.get(result["status"], f"Next: seatrial status {name} --store {store_url}")
    where = [f"Dossier: {result['dossier']}"] if result["dossier_digest"] else []
    return "\n".join([head, *lines, *where, follow])


def _decide(
    decision: str, model: str, store_url: str, person: str, release_: str | None, comment: str, json_: bool
) -> None:
    from tasks.decide import decide
    from tasks.job import open_ledger

    done = decide(open_ledger(store_url), model, release_, person, decision, comment)
    missing = done.approvals_needed - len(done.approvals)
    said = f"{done.id} {STATUS_WORDS[done.status]}." + (f" {missing} more needed." if done.status == "waiting" else "")
    result = {"release": done.id, "status": done.status, "approvals": list(done.approvals)}
    answer(json_, result, f"{person}: {decision}. {said}\nNext: seatrial status {model} --store {store_url}")


person_option = click.option("--as", "person", required=True, help="Your name, as in the release spec.")
one_release = click.option("--release", "release_", help="Which release, if several wait.")


@main.command(cls=Command)
@click.argument("model")
@store_option
@person_option
@one_release
@click.option("--comment", default="", help="Why.")
@as_json
def approve(model: str, store_url: str, person: str, release_: str | None, comment: str, json_: bool) -> None:
    """Say yes to the dossier of the release that waits.

    Example: seatrial approve ames-price --store ./store --as vera@example.com --comment "read it all"
    """
    _decide("approve", model, store_url, person, release_, comment, json_)


@main.command(cls=Command)
@click.argument("model")
@store_option
@person_option
@one_release
@click.option("--comment", default="", help="Why.")
@as_json
def reject(model: str, store_url: str, person: str, release_: str | None, comment: str, json_: bool) -> None:
    """Say no to the release that waits. One no is enough.

    Example: seatrial reject ames-price --store ./store --as vera@example.com --comment "too dear for old houses"
    """
    _decide("reject", model, store_url, person, release_, comment, json_)


@main.command(cls=Command)
@click.argument("model")
@store_option
@as_json
def status(model: str, store_url: str, json_: bool) -> None:
    """What serves, what wants to, and what waits for whom.

    Example: seatrial status ames-price --store ./store
    """
    from tasks.job import open_ledger

    state = open_ledger(store_url).state()
    mine = [item for item in state.releases.values() if item.model == model]
    if not mine:
        known = ", ".join(sorted({item.model for item in state.releases.values()})) or "none"
        raise CannotAsk(f"{model}: no such model in {store_url}. Models there: {known}.")
    lines = [f"{item.id}  as of {item.as_of[:10]}  {STATUS_WORDS[item.status]}{_who(item)}" for item in mine]
    value = {
        "model": model,
        "champion": state.models.get(model),
        "releases": [{"id": i.id, "status": i.status} for i in mine],
    }
    serves = f"{model}: {state.models.get(model) or 'nothing'} serves."
    answer(json_, value, "\n".join([serves, *lines]))


def _who(item: Any) -> str:
    if item.status == "waiting":
        missing = item.approvals_needed - len(item.approvals)
        return f": {missing} more needed, and not from {', '.join(item.developers) or 'its developers'}"
    return f" by {item.rejected_by}" if item.rejected_by else ""


@main.command(cls=Command)
@click.argument("model")
@store_option
@as_json
def history(model: str, store_url: str, json_: bool) -> None:
    """Everything that happened to a model, as the ledger has it.

    Example: seatrial history ames-price --store ./store
    """
    from dataclasses import asdict

    from tasks.job import open_ledger

    records = [item for item in open_ledger(store_url).read() if item.model == model]
    if not records:
        raise CannotAsk(f"{model}: the ledger in {store_url} has no record of it.")
    lines = [f"{r.seq:>5}  {r.time[:19]}  {r.kind:<16} {_record_words(r.body)}" for r in records]
    answer(json_, [asdict(item) for item in records], "\n".join(lines))


def _record_words(body: dict[str, Any]) -> str:
    keys = ("release", "outcome", "person", "decision", "comment")
    return "  ".join(str(body[key]) for key in keys if body.get(key))


@main.command(cls=Command)
@store_option
@as_json
def verify(store_url: str, json_: bool) -> None:
    """Walk the hash chain, every signature and every blob's digest.

    Example: seatrial verify --store ./store
    """
    from tasks.job import open_ledger

    problems = open_ledger(store_url).problems()
    sound = f"{store_url}: sound. Every record is in its place and signed, every blob is what its digest says."
    answer(json_, {"sound": not problems, "problems": problems}, "\n".join(f"✗ {p}" for p in problems) or sound)
    sys.exit(NO if problems else DONE)


@main.command(cls=Command)
@as_json
def schema(json_: bool) -> None:
    """The JSON Schema of a release spec, for editors.

    Example: seatrial schema > release.schema.json
    """
    from expectations.spec import ReleaseSpec

    click.echo(json.dumps(ReleaseSpec.model_json_schema(), indent=2))
