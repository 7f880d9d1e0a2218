"""The store is away for half a minute: its server is stopped, or killed and started again; its folder is not there."""

import os
import threading
import time
from functools import partial

import seaweed

from expectations.errors import CannotAsk
from faults.campaign import Fault, Tried
from faults.ground import Bucket
from faults.work import lost_steps, step

SECONDS = 30


def working(place, disturb, seconds):
    """Steps are done, each asked again until it is acknowledged, while `disturb` takes the store away and back."""
    step(place, "before")
    done, told, over = ["before"], [], threading.Event()

    def take_away():
        disturb(seconds)
        over.set()

    away = threading.Thread(target=take_away)
    away.start()
    try:
        n = 0
        while not over.is_set() or n < 3:
            try:
                done.append(step(place, f"r{n}"))
                n += 1
            except CannotAsk as error:
                told.append(str(error))
                time.sleep(0.3)
    finally:
        # However it ends, what was taken away comes back before the place is cleared.
        away.join()
    done.append(step(place, "after"))
    broken = [*place.ledger().problems(), *(f"no sentence: {one[:200]}" for one in told if "expected" not in one)]
    return Tried(tuple(lost_steps(place, done)), tuple(broken))


def folder_away(ground, seconds):
    """A disk that was unmounted: the folder is empty for a while, and what is written there is under the disk."""
    place = ground.place()

    def disturb(time_away):
        time.sleep(0.2)
        store, elsewhere, under = (place.folder / name for name in ("store", "elsewhere", "under"))
        os.rename(store, elsewhere)
        time.sleep(time_away)
        if store.exists():
            os.rename(store, under)
        os.rename(elsewhere, store)

    return working(place, disturb, seconds)


def folder_away_between_writes(ground):
    """The disk goes between two writes, and the empty folder that it was mounted on is there instead."""
    place = ground.place()
    store, (folder, elsewhere, under) = place.store(), (place.folder / name for name in ("store", "elsewhere", "under"))
    store.put_if_absent("told/first", b"1")
    os.rename(folder, elsewhere)
    folder.mkdir()
    told = []
    try:
        store.put_if_absent("told/second", b"2")
    except CannotAsk as error:
        told.append(str(error))
    os.rename(folder, under)
    os.rename(elsewhere, folder)
    lost = () if told or "told/second" in place.store().keys("told/") else ("a write that was acknowledged",)
    return Tried(lost, tuple(f"no sentence: {one[:200]}" for one in told if "expected" not in one))


def server_away(ground, how, seconds):
    """A server of its own, with one place on it."""
    folder = ground.folder / f"server-{how}-{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    with seaweed.running(folder) as server:
        place = Bucket(ground.folder, server.url).place()

        def disturb(time_away):
            time.sleep(0.2)
            getattr(server, {"stopped": "pause", "killed": "kill"}[how])()
            time.sleep(time_away)
            getattr(server, {"stopped": "go_on", "killed": "start"}[how])()

        return working(place, disturb, seconds)


def plan_folder(seconds, ground, _random):
    return [
        partial(folder_away_between_writes, ground),
        *(partial(folder_away, ground, seconds / 10 * n) for n in (1, 2, 10)),
    ]


def plan_server(how, seconds, ground, _random):
    return [partial(server_away, ground, how, seconds)]


def faults(seconds=SECONDS):
    words = f"away for {seconds} s"
    return [
        Fault(f"{words}: the disk", partial(plan_folder, seconds), on=("directory",)),
        Fault(f"{words}: the server stands still", partial(plan_server, "stopped", seconds), on=("SeaweedFS",)),
        Fault(f"{words}: the server is killed", partial(plan_server, "killed", seconds), on=("SeaweedFS",)),
    ]
