"""When a model is not trained anew though something asks for it: by what the ledger says already."""

from datetime import datetime, timedelta

from expectations.monitoring_spec import Retraining
from expectations.releases import check_champion
from expectations.state import Release, State


def standing_refusal(state: State, model: str, asked: Retraining, now: datetime) -> str | None:
    """Why nothing is trained anew now, as a sentence; None where nothing stands against it. `now` with its time zone.

    What is under way is no matter of this: whoever holds it goes on with it.
    """
    if model not in state.models:
        return f"nothing serves as {model}, so there is nothing to train anew. Release a first one."
    waiting = candidates(state, model)
    if waiting:
        stands = ", ".join(f"{one.id} ({one.status})" for one in waiting)
        return f"there is a candidate already: {stands}. Decide on it first; one more would only wait behind it."
    last = state.retrainings.get(model)
    if last is None:
        return None
    again = datetime.fromisoformat(last.began) + timedelta(hours=asked.cool_down_hours)
    if now < again:
        cool = f"{asked.cool_down_hours:g} hours (monitoring.retrain.cool_down_hours)"
        return f"the last one began at {last.began}, and {cool} must pass: not before {again:%Y-%m-%d %H:%M} UTC."
    return None


def candidates(state: State, model: str) -> list[Release]:
    """Releases of the model that can still come to serve in the place of what serves now."""
    open_ones = ("waiting", "approved", "rolling out")
    mine = [one for one in state.releases.values() if one.model == model and one.status in open_ones]
    return [one for one in mine if check_champion(state, one) is None]
