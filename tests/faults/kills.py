"""`kill -9` inside each write, before every call by which it touches the world: files, folders, locks, sockets."""

import multiprocessing
import os
import signal
import sys
from functools import partial
from pathlib import Path

from expectations.records import digest_of
from faults import plants
from faults.campaign import Fault, Tried
from faults.ground import credentials
from faults.work import start
from infra import checkpoints, s3_write
from infra.store import Missing

TOUCHES = {"open", "write", "flush", "fsync", "link", "unlink", "mkdir", "utime", "replace", "flock"}
SENDS = {"connect", "send", "sendall", "recv_into", "close"}
EACH = 3


def content(n, size=40_000):
    """Other bytes for each `n`, more than one buffer full."""
    return (f"{n:07d}".encode() * (size // 7 + 1))[:size]


def put_key(place, n):
    place.store().put_if_absent(f"keys/{n}", content(n))


def put_blob(place, n):
    place.store().put_blob(content(n))


def put_large_blob(place, n):
    file = place.folder / f"large-{n}"
    file.write_bytes(content(n, 11 << 20))
    place.store().put_blob(file)


def append(place, n):
    place.ledger().decide_and_append(start(f"r{n}"))


def key_lies(place, n):
    return place.store().get(f"keys/{n}") == content(n)


def blob_lies(place, n):
    return place.store().get_blob(digest_of(content(n))) == content(n)


def large_blob_lies(place, n):
    return place.store().get_blob(digest_of(content(n, 11 << 20))) == content(n, 11 << 20)


def record_lies(place, n):
    if f"r{n}" not in place.ledger().state().releases:
        raise Missing(f"r{n}")
    return True


WORKS = {
    "put_if_absent": (put_key, key_lies),
    "put_blob": (put_blob, blob_lies),
    "put_blob, in parts": (put_large_blob, large_blob_lies),
    "append": (append, record_lies),
}


def victim(work, place, told, event, environment):
    """Does the work `EACH` times, telling of each that was acknowledged; is killed before its `event`-th touch."""
    os.environ.update(environment)
    plants.plant_here()
    s3_write.PART, checkpoints.EVERY = 5 << 20, 2
    count = 0

    def watch(_frame, kind, called):
        nonlocal count
        if kind == "c_call" and called.__name__ in TOUCHES | SENDS:
            count += 1
            if count == event:
                os.kill(os.getpid(), signal.SIGKILL)

    with open(told, "ab", buffering=0) as telling:
        sys.setprofile(watch)
        for n in range(EACH):
            WORKS[work][0](place, n)
            telling.write(f"{n}\n".encode())
        sys.setprofile(None)
        telling.write(f"touches {count}\n".encode())


def killed_at(work, place, event):
    """(what was acknowledged, how many touches there were if it was not killed before)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["infra.s3_store", "infra.local_store", "infra.ledger"])
    told = place.folder / f"told-{event}"
    process = context.Process(target=victim, args=(work, place, told, event, credentials(place.folder)))
    process.start()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise AssertionError(f"{work}: its process ended with {process.exitcode}")
    lines = Path(told).read_text().splitlines() if told.exists() else []
    touches = [int(one.split()[1]) for one in lines if one.startswith("touches")]
    return [int(one) for one in lines if one.isdigit()], touches[0] if touches else 0


def trial(work, ground, event):
    place = ground.place()
    acknowledged, _ = killed_at(work, place, event)
    do, lies = WORKS[work]
    lost = tuple(f"{work} {n}, killed at touch {event}" for n in acknowledged if not _lies(lies, place, n))
    broken = []
    for n in range(EACH):
        # Whole or not at all, and then it can be done again.
        if n not in acknowledged and _half(lies, place, n):
            broken.append(f"{work} {n} is there in part, killed at touch {event}")
        do(place, n)
        broken += [] if lies(place, n) else [f"{work} {n} cannot be done again, killed at touch {event}"]
    keys = place.store().keys("")
    broken += [f"{key} is a key" for key in keys if ".writing-" in key]
    broken += place.ledger().problems() if work == "append" else []
    return Tried(lost, tuple(broken))


def _lies(lies, place, n):
    try:
        return lies(place, n)
    except Missing:
        return False


def _half(lies, place, n):
    try:
        return not lies(place, n)
    except Missing:
        return False


def plan(work, ground, _random):
    """A trial for every touch of the work, as counted where nothing kills it."""
    _, touches = killed_at(work, ground.place(), -1)
    return [partial(trial, work, ground, event) for event in range(1, touches + 1)]


FAULTS = [
    Fault(f"kill -9 inside {work}", partial(plan, work), on=("SeaweedFS",) if "parts" in work else Fault.on)
    for work in WORKS
]
