"""What each risk tier asks for, and what one spec is held to."""

from pathlib import Path
from typing import Any

import click

from flows.answering import Command, answer, as_json

ROWS = {
    "records": "min_records",
    "whole interval must hold": "strict",
    "power": "power",
    "alpha": "alpha",
    "approvals": "approvals",
    "roles among them": "roles",
    "signed by a key of their own": "signatures",
    "parity": "parity_tolerance",
    "sudden drop": "sudden_drop",
    "untrusted records": "on_distrust",
    "may be waived": "waivable",
    "questions answered": "answers",
    "every origin covered": "coverage",
    "known origin and licence": "origin",
}
LONG = {"rollout": "pace", "checks": "checks"}


@click.command(cls=Command)
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@as_json
def tiers(spec: Path | None, json_: bool) -> None:
    """What each risk tier asks for; with SPEC, what that one is held to, why, and what it leaves open.

    Example: seatrial tiers examples/ames/release.yaml
    """
    from expectations.tiers import TIERS

    table = {level: _told(tier) for level, tier in TIERS.items()}
    if spec is None:
        answer(json_, {"tiers": table, "origins": _origins()}, f"{_table(table)}\n\n{_origin_words()}")
        return
    _tell_one(spec, json_)


def _told(tier: Any) -> dict[str, Any]:
    """A tier as JSON values."""
    from dataclasses import asdict

    from expectations.tiers import ANSWERS_FROM, NOTHING_OPEN_FROM

    stops = "stops" if tier.level >= NOTHING_OPEN_FROM else "warns"
    asked = "stops" if tier.level >= ANSWERS_FROM else "no"
    return {**asdict(tier), "answers": asked, "coverage": stops, "origin": stops}


def _table(table: dict[int, dict[str, Any]]) -> str:
    """One row a rule, one column a tier; what is too long for a column stands below."""
    head = ["", *(f"tier {level}" for level in table)]
    short = [[name, *(_cell(key, told[key]) for told in table.values())] for name, key in ROWS.items()]
    below = [
        f"{name}, tier {level}: {_cell(key, told[key])}" for name, key in LONG.items() for level, told in table.items()
    ]
    return "\n".join([_columns([head, *short]), *below])


def _columns(rows: list[list[str]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _cell(key: str, value: Any) -> str:
    if key == "pace":
        told = f"shadow {value['shadow_minutes']:g} min, first {value['first_share']:.0%}"
        return f"{told}, {value['step_minutes']:g} min a step, {'at least' if value['floor'] else 'by default'}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "–"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _origins() -> list[dict[str, Any]]:
    from dataclasses import asdict

    from expectations.coverage import ORIGINS

    return [asdict(origin) for origin in ORIGINS]


def _origin_words() -> str:
    lines = [f"  {one['title']}: {', '.join(one['checks'])}" for one in _origins()]
    return "\n".join(["Origins of risk, and the checks that cover them:", *lines])


def _tell_one(path: Path, json_: bool) -> None:
    from expectations.risk import tier_words
    from infra.spec_file import read_spec
    from tasks.qualification.risk import unanswered

    spec = read_spec(path).spec
    told = {**_told(spec.tier), **spec.risk.told()}
    rows = [[name, _cell(key, told[key])] for name, key in {**ROWS, **LONG}.items()]
    rollout, waivers = spec.rollout, [one.model_dump(mode="json") for one in spec.risk.waivers]
    plan = ", ".join(f"{step.share:.0%} for {step.minutes:g} min" for step in rollout.steps)
    left = unanswered(spec.risk)
    lines = [f"{path}: {tier_words(spec.risk.told())}", _columns(rows)]
    lines += [f"its rollout: shadow {rollout.shadow_minutes:g} min, {plan}"]
    lines += [f"✗ {sentence}" for sentence in left]
    lines += [f"! waived: {w['check']}: {w['expectation']} by {w['by']} until {w['until']}" for w in waivers]
    answer(json_, {**told, "unanswered": left, "waivers": waivers}, "\n".join(lines))
