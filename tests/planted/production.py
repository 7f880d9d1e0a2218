"""Production that is another world: in another unit, of other people, with a field that nobody fills in."""

from planted.base import Planted


def asked(function):
    """Production rows come from a function of `models`."""
    sources = {"production": {"function": f"train:{function}", "origin": "made for a test", "licence": "CC0-1.0"}}
    return {"data": {"sources": sources}, "checks": {"production": {"source": "production"}}}


LIKE_TRAINING = Planted("clean", "production", "", spec=asked("recent"))
FAULTS: tuple[Planted, ...] = (
    Planted("production sends thousands", "production", "drifted:income", spec=asked("recent_in_thousands")),
    Planted("production is older", "production", "drifted:age", spec=asked("recent_of_the_old")),
    Planted("production comes from a new town", "production", "never_seen:town", spec=asked("recent_of_the_old")),
    Planted("production lost a field", "production", "more_missing:job", spec=asked("recent_without_jobs")),
)
