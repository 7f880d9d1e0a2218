"""A rollout as a page: how far it is, what is known of each metric, what happened. No scripts, nothing from outside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from expectations.state import Rollout, Stage

# The drawing's inner edges, in the units of its 320 × 150.
LEFT, RIGHT, TOP, BOTTOM = 44.0, 316.0, 8.0, 128.0


def build_rollout_page(model: str, rollout: Rollout, evidence: Mapping[str, Any] | None) -> str:
    """One self-contained HTML page; while the rollout runs it loads itself again every five seconds.

    `evidence` is what the last record names: `time`, and `answers` with `metric`, `kind`, `words` and `points`.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    answers = evidence["answers"] if evidence else []
    return environment.get_template("rollout_page.html.j2").render(
        model=model,
        rollout=rollout,
        headline=_headline(rollout),
        stages=[{"words": stage_words(stage), "place": _place(at, rollout)} for at, stage in enumerate(rollout.stages)],
        charts=[_chart(answer) for answer in answers],
        kept=evidence["time"] if evidence else "",
        timeline=[_line(line.time, line.stage, line.why, rollout) for line in reversed(rollout.timeline)],
    )


def stage_words(stage: Stage) -> str:
    """What a stage is called: shadow, 5 %, or the groups that it moves."""
    if stage.shadow:
        return "shadow"
    groups = [f"{group.column}: {', '.join(group.values)}" for group in stage.groups]
    return " + ".join([*groups, *([f"{100 * stage.share:.3g} %"] if stage.share or not groups else [])])


def _headline(rollout: Rollout) -> str:
    if rollout.status != "running":
        return {"finished": "promoted", "rolled back": "rolled back"}[rollout.status]
    return stage_words(rollout.stages[rollout.stage]) if rollout.stage >= 0 else "no traffic"


def _place(at: int, rollout: Rollout) -> str:
    if rollout.status == "finished" or at < rollout.stage:
        return "done"
    return "now" if at == rollout.stage and rollout.status == "running" else "ahead"


def _line(time: str, stage: int, why: str, rollout: Rollout) -> dict[str, str]:
    last = rollout.timeline[-1]
    ended = rollout.status != "running" and (time, stage, why) == (last.time, last.stage, last.why)
    words = stage_words(rollout.stages[stage]) if stage >= 0 else "withdrawn"
    return {"time": time, "words": _headline(rollout) if ended else words, "why": why}


def _chart(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The places of band and line in the drawing; no band without points."""
    told = {key: answer[key] for key in ("metric", "kind", "words")}
    points = answer["points"]
    if not points:
        return {**told, "band": ""}
    low = min(0.0, *(point["lower"] for point in points))
    high = max(0.0, *(point["upper"] for point in points))
    first, last = points[0]["n"], points[-1]["n"]

    def at(n: float, value: float) -> str:
        across = (n - first) / (last - first) if last > first else 1.0
        return f"{LEFT + (RIGHT - LEFT) * across:.1f},{_height(value, low, high):.1f}"

    upper = [at(point["n"], point["upper"]) for point in points]
    lower = [at(point["n"], point["lower"]) for point in reversed(points)]
    return {
        **told,
        "band": " ".join([*upper, *lower]),
        "line": " ".join(at(point["n"], point["estimate"]) for point in points),
        "zero": round(_height(0.0, low, high), 1),
        "top": f"{high:.3g}",
        "bottom": f"{low:.3g}",
        "first": f"{first:,}",
        "last": f"{last:,}",
    }


def _height(value: float, low: float, high: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * ((value - low) / (high - low) if high > low else 0.5)
