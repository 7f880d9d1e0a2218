"""`kill -9` inside each write, at every place where it touches the world: files, folders, locks, sockets.

A place is a call and the lines of code that led to it. A write comes by some of them many times (a body is sent in
hundreds of pieces, each write is done more than once): it is killed there the first time, the last time and once
between.
"""

import hashlib
import io
import json
import multiprocessing
import os
import signal
import sys
from collections import Counter
from datetime import datetime
from functools import partial
from pathlib import Path

from expectations.records import digest_of
from faults import plants
from faults.campaign import At, Fault, Tried
from faults.ground import credentials
from faults.work import start
from infra import checkpoints, s3_write
from infra.store import Missing

TOUCHES = {"open", "write", "flush", "fsync", "link", "unlink", "mkdir", "utime", "replace", "flock"}
SENDS = {"connect", "send", "sendall", "recv_into", "close"}
# They have methods of the same names.
IN_MEMORY = (str, bytes, bytearray, io.BytesIO, io.StringIO, datetime)
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


def victim(work, place, told, at, time, environment):
    """Does the work `EACH` times, telling of each that was acknowledged; is killed before it touches `at` that often.

    Where it is not killed it tells how often it came by each place.
    """
    os.environ.update(environment)
    plants.plant_here()
    s3_write.PART, checkpoints.EVERY = 5 << 20, 2
    came = Counter()

    def watch(frame, kind, called):
        if kind == "c_call" and called.__name__ in TOUCHES | SENDS and not isinstance(called.__self__, IN_MEMORY):
            here = place_of(frame, called.__name__)
            came[here] += 1
            if here == at and came[here] == time:
                os.kill(os.getpid(), signal.SIGKILL)

    with open(told, "ab", buffering=0) as telling:
        sys.setprofile(watch)
        for n in range(EACH):
            WORKS[work][0](place, n)
            telling.write(f"{n}\n".encode())
        sys.setprofile(None)
        telling.write(json.dumps(came).encode())


def place_of(frame, called):
    """What is called, the line that calls it, the last line of ours before it, and a digest of all lines before."""
    digest, first, ours = hashlib.sha256(called.encode()), _line(frame), ""
    while frame.f_code is not victim.__code__:
        digest.update(_line(frame).encode())
        ours = ours or (_line(frame) if "/infra/" in frame.f_code.co_filename else "")
        frame = frame.f_back
    return f"{called}, {first}, {ours}, {digest.hexdigest()[:8]}"


def _line(frame):
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])}:{frame.f_lineno}"


def killed_at(work, place, at="", time=0):
    """(what was acknowledged, how often it came by each place if it was not killed)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["infra.s3_store", "infra.local_store", "infra.ledger", "faults.kills"])
    told = place.folder / "told"
    process = context.Process(target=victim, args=(work, place, told, at, time, credentials(place.folder)))
    process.start()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise AssertionError(f"{work}: its process ended with {process.exitcode}")
    lines = Path(told).read_text().splitlines() if told.exists() else []
    came = [json.loads(one) for one in lines if one.startswith("{")]
    return [int(one) for one in lines if one.isdigit()], came[0] if came else {}


def trial(work, ground, at, time):
    """Kills it there, and does the rest of the work. Where it came by less often than counted, it is the first time."""
    for nth in (time, 1):
        place = ground.place()
        acknowledged, came = killed_at(work, place, at, nth)
        if not came:
            break
    found = judged(work, place, acknowledged, f"killed at {at}, time {nth}")
    return Tried(found.lost, (*found.broken, *([f"{work} never came to {at}"] if came else [])))


def judged(work, place, acknowledged, words):
    """Whether all that was acknowledged is there, nothing in part, and the rest can be done now."""
    do, lies = WORKS[work]
    lost = tuple(f"{work} {n}, {words}" for n in acknowledged if not _lies(lies, place, n))
    broken = []
    for n in range(EACH):
        # Whole or not at all, and then it can be done again.
        if n not in acknowledged and _half(lies, place, n):
            broken.append(f"{work} {n} is there in part, {words}")
        do(place, n)
        broken += [] if lies(place, n) else [f"{work} {n} cannot be done again, {words}"]
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


def plan(work, ground, random):
    """Up to three trials for every place that the work comes by where nothing kills it."""
    # What is cached, compiled or made once is so after the first time, in whatever order trials are tried.
    for _ in range(2):
        _, came = killed_at(work, ground.place())
    return [
        At(at, partial(trial, work, ground, at, time)) for at, count in came.items() for time in times(count, random)
    ]


def times(count, random):
    """The first time, the last one and one between, as far as there are so many."""
    between = random.randrange(2, count) if count > 2 else 1
    return sorted({1, between, count})


FAULTS = [
    Fault(f"kill -9 inside {work}", partial(plan, work), on=("SeaweedFS",) if "parts" in work else Fault.on)
    for work in WORKS
]
