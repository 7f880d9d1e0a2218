"""A server that answers 503, half a body, too late, twice, or with what was true a while ago."""

from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

from fault_proxy import answer, between, flip, half_body, lose_answer, lose_request, wait

from expectations.errors import CannotAsk
from faults.campaign import Fault, Tried
from faults.work import lost_steps, start, step
from infra.ledger import Ledger
from infra.s3_place import ATTEMPTS
from infra.store import open_store

KINDS = {
    "503": answer(503, "SlowDown"),
    "409": answer(409, "ConditionalRequestConflict"),
    "half a body": half_body,
    "a flipped byte": flip,
    "a lost request": lose_request,
    "a lost answer": lose_answer,
    "a late answer": wait(0.7),
}
METHODS = ("GET", "PUT", "HEAD")
# Any request, or one for a record: else the first few of a step would use up all that goes wrong.
PARTS = ("", "/ledger/")
STEPS, MOST_ATTEMPTS = 4, 30


@contextmanager
def impatient():
    """Nothing is waited for long."""
    with ExitStack() as all_of_them:
        for name, value in {
            "infra.s3_write.PAUSES": (0.01, 0.01, 0.01),
            "infra.s3_store.PAUSES": (0.01, 0.01, 0.01),
            "infra.s3_place.READ_SECONDS": 0.5,
            "botocore.retries.standard.ExponentialBackoff.delay_amount": lambda *_: 0.01,
        }.items():
            all_of_them.enter_context(patch(name, value))
        yield


def disturbed(ground, seed, kind, random):
    """A ledger and blobs are written by two in turn while many of the answers go wrong."""
    with impatient(), between(ground.server) as proxy:
        place = ground.place(proxy.url)
        random.seed(seed)
        done, told = [], []
        for n in range(STEPS):
            for _ in range(random.randint(2, 8)):
                fault = KINDS[kind or random.choice(list(KINDS))]
                # Once, or as often as the client asks by itself: then it is told.
                times = random.choice((1, ATTEMPTS))
                proxy.order(random.choice(METHODS), *[fault] * times, part=random.choice(PARTS))
            done.append(_again(place, f"r{n}", told))
        proxy.orders.clear()
        lost = lost_steps(place, [name for name in done if name])
        broken = [*place.ledger().problems(), *(f"{kind}: {one}" for one in told)]
        broken += [f"{kind}: r{n} was never done" for n, name in enumerate(done) if name is None]
        count = len(place.ledger().state().releases)
        broken += [f"{count} releases, expected {STEPS}"] if count != STEPS else []
    return Tried(tuple(lost), tuple(broken))


def _again(place, name, told):
    """As a person does: the same command again, for as long as it is told to be asked again."""
    for _ in range(MOST_ATTEMPTS):
        try:
            return step(place, name)
        except CannotAsk as error:
            if "expected" not in str(error):
                told.append(f"no sentence: {error}")
    return None


def stale(ground, part, kept, random):
    """A list of some time ago is answered for a while, to one who knows the store and to one who comes new to it."""
    with impatient(), between(ground.server) as proxy:
        place = ground.place(proxy.url)
        for n in range(kept):
            step(place, f"r{n}")
        before = {}

        def remember(ask):
            before.setdefault("list", ask())
            return (*before["list"], 1.0)

        proxy.order("GET", remember, part=f"%2F{part}%2F&")
        place.store().keys(f"{part}/")
        done = [step(place, f"r{n}") for n in range(kept, kept + 3)]
        proxy.order("GET", *[lambda _ask: (*before["list"], 1.0)] * 40, part=f"%2F{part}%2F&")
        newcomer = Ledger(open_store(place.url), place.another_account())
        newcomer.decide_and_append(start("late"))
        problems = [*place.ledger().problems(), *newcomer.problems()]
        proxy.orders.clear()
        lost = lost_steps(place, [*(f"r{n}" for n in range(kept)), *done])
        records = [record.body.get("release") for record in place.ledger().read()[1:]]
    told = [f"a stale list of {part}: {problem}" for problem in problems]
    if records != [*(f"r{n}" for n in range(kept)), *done, "late"]:
        told.append(f"a stale list of {part}: the records are {records}")
    return Tried(tuple(lost), tuple(told))


def plan_disturbed(kind, ground, random):
    return [partial(disturbed, ground, random.random(), kind, random) for _ in range(6)]


def plan_stale(ground, random):
    parts = ("ledger", "blobs%2Fsha256", "steps", "checkpoints", "dossiers")
    return [partial(stale, ground, part, kept, random) for part in parts for kept in (0, 1, 3)]


FAULTS = [
    *(Fault(f"the server answers: {kind}", partial(plan_disturbed, kind), on=("SeaweedFS",)) for kind in KINDS),
    Fault("the server answers: any of these", partial(plan_disturbed, None), on=("SeaweedFS",)),
    Fault("the server answers: a stale list", plan_stale, on=("SeaweedFS",)),
]
