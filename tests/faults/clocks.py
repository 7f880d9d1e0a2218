"""The clock jumps: a record's time is told and never believed; what is old is garbage only if nothing will name it."""

import time
from contextlib import ExitStack, contextmanager
from datetime import datetime as real
from datetime import timedelta
from functools import partial
from unittest.mock import patch

from expectations.errors import CannotAsk
from faults.campaign import Fault, Tried
from faults.work import lost_steps, start, step
from infra.answers import once
from infra.garbage import OLD, garbage, remove_garbage
from infra.store import Missing

READS_A_CLOCK = ("infra.ledger.datetime", "infra.s3_write.datetime", "infra.s3_lock.datetime")
JUMPS = [timedelta(seconds=-1), timedelta(minutes=-5), timedelta(days=-1), timedelta(days=-3650), timedelta(days=3650)]


@contextmanager
def clock(jump):
    """This process's clock is off by `jump`, for all that Seatrial and the S3 client ask it."""
    now = time.time

    class Moved(real):
        @classmethod
        def now(cls, tz=None):
            return real.now(tz) + jump

    moved = {**dict.fromkeys(READS_A_CLOCK, Moved), "time.time": lambda: now() + jump.total_seconds()}
    moved["botocore.auth.get_current_datetime"] = lambda remove_tzinfo=True: (
        real.utcfromtimestamp(now()) + jump if remove_tzinfo else real.now().astimezone() + jump
    )
    with ExitStack() as all_of_them:
        for name, value in moved.items():
            all_of_them.enter_context(patch(name, value))
        yield


def jumping(ground, jumps):
    """Steps are done while the clock jumps; a bucket may refuse a clock that is far off, and says so."""
    place = ground.place()
    step(place, "before")
    done, broken = ["before"], []
    for n, jump in enumerate(jumps):
        with clock(jump):
            try:
                done.append(step(place, f"r{n}"))
            except CannotAsk as refused:
                broken += [] if "too far from its own" in str(refused) else [str(refused)]
                broken += [f"refused at {jump}"] if ground.name == "directory" or abs(jump) < timedelta(hours=1) else []
    done.append(step(place, "after"))
    records = [record.body["release"] for record in place.ledger().read()[1:]]
    broken += [f"the records are {records}, expected {done}"] if records != done else []
    return Tried(tuple(lost_steps(place, done)), (*broken, *place.ledger().problems()))


def collected(ground, jump, old=OLD):
    """What is older than `old` is collected with a clock that jumped, between a step's blob and its answer."""
    place = ground.place()
    step(place, "before")
    store, broken = place.store(), []

    def compute():
        digest = store.put_blob(b"named in a moment")
        with clock(jump):
            remove_garbage(store, garbage(store, old), old)
        return {"blobs": {"data": digest}}

    def again():
        return {"blobs": {"data": store.put_blob(b"named in a moment")}}

    try:
        answer = once(store, place.home, "step", {"release": "r"}, compute)
    except Missing:
        answer = once(store, place.home, "step", {"release": "r"}, again)
    except CannotAsk as refused:
        broken += [] if "too far from its own" in str(refused) else [str(refused)]
        answer = once(store, place.home, "step", {"release": "r"}, again)
    place.ledger().decide_and_append(start("r", **answer))
    lost = [*lost_steps(place, ["before"]), *(p for p in place.ledger().problems())]
    return Tried(tuple(lost), tuple(broken))


def plan(ground, random):
    several = [[jump] for jump in JUMPS] + [random.choices(JUMPS, k=4) for _ in range(5)]
    gone = [timedelta(days=days) for days in (-400, -2, 2, 400)]
    # So far a server lets a clock be off.
    near = [partial(collected, ground, timedelta(minutes=minutes), timedelta(minutes=5)) for minutes in (-10, 10)]
    return [
        *(partial(jumping, ground, jumps) for jumps in several),
        *(partial(collected, ground, j) for j in gone),
        *near,
    ]


FAULTS = [Fault("the clock jumps", plan)]
