"""A model that serves, on one page: report."""

from pathlib import Path

import click

from flows.answering import Command, answer, as_json, store_option


@click.command(cls=Command)
@click.argument("model")
@store_option
@click.option("--out", type=click.Path(path_type=Path), help="Write the page here. Default: MODEL-report.html here.")
@as_json
def report(model: str, store_url: str, out: Path | None, json_: bool) -> None:
    """Write what monitoring has seen of a model as one page: alarms, figures over time, what was done about it.

    With --json the same as one document, and no page unless --out names one.

    Example: seatrial report ames-price --store ./store --out report.html
    """
    from infra.store import open_store
    from tasks.job import open_ledger
    from tasks.monitoring.report import build_report
    from tasks.rollout.drive import utc_now

    found = build_report(open_store(store_url), open_ledger(store_url), model, utc_now())
    path = out or (None if json_ else Path(f"{model}-report.html"))
    if path:
        path.write_text(found.page(), encoding="utf-8")
    answer(json_, found.values, f"Wrote {path}.")
