"""The review flow, once a week: where a model's figures go since it began to serve, and whether it decays slowly."""

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.monitor import act_and_tell, asked, log, problems_of
from infra.store import open_store
from tasks.job import open_ledger
from tasks.monitoring.review import look_back
from tasks.monitoring.served import serving_models
from tasks.rollout.drive import utc_now


@flow(name="review", validate_parameters=False)
def review(store: str, model: str | None = None) -> list[dict[str, Any]]:
    """Looks back at each model that serves, or one of them. Raises CannotAsk, at the end, where one could not be asked.

    Returns of each: model, release, weeks, trends, decay, cost, unknown, report (its page in the store), changes.
    """
    ledger = open_ledger(store)
    done = [_look_back(store, name) for name in serving_models(ledger.state(), model)]
    for one in done:
        if not one["problems"]:
            create_markdown_artifact(_table(one), key="review", description=f"Review of {one['model']}")
    log(done)
    return asked(done)


def _look_back(store_url: str, model: str) -> dict[str, Any]:
    store, ledger, now = open_store(store_url), open_ledger(store_url), utc_now()
    try:
        told = look_back(store, ledger, model, now)
        told["changes"] += act_and_tell(store_url, store, ledger, model, now)
        return told
    except Exception as error:  # noqa: BLE001  Whatever is wrong with one, the others are looked at.
        return {"model": model, "changes": [], "problems": problems_of(error)}


def _table(told: dict[str, Any]) -> str:
    rows = [f"| {one['name']} | {one['answer']} | {one['words']} |" for one in told["trends"]]
    head = [f"- {line}" for line in told["changes"]] + [f"Cost: {told['cost']}", f"Page: {told['report']}"]
    return "\n\n".join(head) + "\n\n" + "\n".join(["| figure | answer | what was seen |", "|---|---|---|", *rows])
