"""What is kept: status, history, verify."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from expectations.errors import CannotAsk
from expectations.state import Mode, Release, State
from flows.answering import DONE, NO, STATUS_WORDS, Command, answer, as_json, store_option

# Of a record's body, in this order.
TOLD = (
    *("release", "outcome", "person", "by", "decision", "mode", "stage"),
    *("alarm", "cause", "candidate", "why", "comment", "words"),
)


@click.command(cls=Command)
@click.argument("model")
@store_option
@as_json
def status(model: str, store_url: str, json_: bool) -> None:
    """What serves, what wants to, and what waits for whom.

    Example: seatrial status ames-price --store ./store
    """
    from flows.graph_command import relation_words
    from tasks.job import open_ledger

    state = open_ledger(store_url).state()
    mine = [item for item in state.releases.values() if item.model == model]
    if not mine:
        known = ", ".join(sorted({item.model for item in state.releases.values()})) or "none"
        raise CannotAsk(f"{model}: no such model in {store_url}. Models there: {known}.")
    lines = [f"{item.id}  {_since(item)}  {STATUS_WORDS[item.status]}{_who(state, item)}" for item in mine]
    value = {
        "model": model,
        "champion": state.models.get(model),
        "releases": [{"id": i.id, "status": i.status} for i in mine],
        "mode": asdict(state.modes.get(model, Mode())),
        "rollout": asdict(state.rollouts[model]) if model in state.rollouts else None,
        "alarms": [asdict(one) for one in state.alarms.get(model, ())],
        "retraining": asdict(state.retrainings[model]) if model in state.retrainings else None,
    }
    answer(
        json_,
        value,
        "\n".join([*_traffic_words(state, model), *_watch_words(state, model), *relation_words(state, model), *lines]),
    )


def _traffic_words(state: State, model: str) -> list[str]:
    """Who answers, and how far a rollout is."""
    from expectations.traffic import route

    now, running = route(state, model), state.running(model)
    if now is None:
        return [f"{model}: nothing serves."]
    mode = (
        "" if now.mode == "normal" else f" Mode {now.mode} since {state.modes[model].since}: {state.modes[model].why}"
    )
    lines = [f"{model}: {now.champion} serves.{mode}"]
    if running:
        stage = running.stages[running.stage] if running.stage >= 0 else None
        part = (
            "no traffic yet" if stage is None else "in shadow" if stage.shadow else f"{stage.share:.4g} of the traffic"
        )
        told = f"stage {running.stage + 1} of {len(running.stages)}, {part}, lease until {running.lease_until[:19]}"
        lines.append(f"Rolling out {running.release}: {told}, held by {running.holder}.")
    return lines


def _watch_words(state: State, model: str) -> list[str]:
    """The alarms that are on, and the last retraining."""
    lines = [f"Alarm {one.name} since {one.since[:19]}: {one.words}" for one in state.alarms.get(model, ())]
    last = state.retrainings.get(model)
    if last and last.status == "begun":
        lines.append(f"Being trained anew since {last.began[:19]}: {last.cause}")
    elif last:
        lines.append(f"Last trained anew {last.ended[:19]}, because of {last.cause}: {last.why}")
    return lines


def _since(item: Release) -> str:
    return f"as of {item.as_of[:10]}" if item.as_of else "of another store"


def _who(state: State, item: Release) -> str:
    from expectations.approvals import missing
    from infra.ledger import now

    if item.status == "waiting":
        lacks = missing(state, item, now())
        return f": needed is {lacks}, and not from {', '.join(item.developers) or 'its developers'}"
    return f" by {item.rejected_by}" if item.rejected_by else ""


@click.command(cls=Command)
@click.argument("model")
@store_option
@as_json
def history(model: str, store_url: str, json_: bool) -> None:
    """Everything that happened to a model, as the ledger has it.

    Example: seatrial history ames-price --store ./store
    """
    from tasks.job import open_ledger

    records = [item for item in open_ledger(store_url).read() if item.model == model]
    if not records:
        raise CannotAsk(f"{model}: the ledger in {store_url} has no record of it.")
    lines = [f"{r.seq:>5}  {r.time[:19]}  {r.kind:<18} {_record_words(r.body)}" for r in records]
    answer(json_, [asdict(item) for item in records], "\n".join(lines))


def _record_words(body: dict[str, Any]) -> str:
    return "  ".join(str(body[key]) for key in TOLD if body.get(key) not in (None, ""))


@click.command(cls=Command)
@click.argument("archive", required=False, type=click.Path(path_type=Path))
@store_option
@click.option(
    "--trust", multiple=True, type=click.Path(path_type=Path), help="Public keys that may sign. Default: one's own."
)
@click.option("--restore", is_flag=True, help="Also bring back what serves, elsewhere, and ask it its golden records.")
@as_json
def verify(archive: Path | None, store_url: str, trust: tuple[Path, ...], restore: bool, json_: bool) -> None:
    """Walk the hash chain, every signature and every blob's digest: of a store, or of one exported ARCHIVE.

    Example: seatrial verify --store ./store --restore
    """
    if archive:
        from infra.archive import Archive

        opened = Archive(archive)
        problems, key = opened.problems(), opened.public_key["keyid"]
        sound = f"{archive}: sound. {opened.release}, signed by the key {key[:16]}: compare that with the store's."
    else:
        from infra.trust import read_public_key
        from tasks.auditing import measure_audit

        found = measure_audit(store_url, [read_public_key(path) for path in trust], restore)
        problems, sound = list(found.problems), "\n".join(found.sound)
    answer(json_, {"sound": not problems, "problems": problems}, "\n".join(f"✗ {p}" for p in problems) or sound)
    sys.exit(NO if problems else DONE)
