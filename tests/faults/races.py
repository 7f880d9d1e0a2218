"""Many at once: two releases of one model, and sixteen who write a thousand records."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import people

from expectations.errors import CannotAsk
from faults import plants
from faults.campaign import Fault, Tried
from faults.ground import credentials
from faults.work import judged, start
from infra.keys import pipeline_key
from infra.ledger import Ledger
from infra.store import open_store
from tasks.decide import sign

PROCESSES, THREADS, RECORDS = 4, 4, 1000


def release_one(url, home, name, environment):
    """From started to promoted, as far as it comes: who was compared with a former champion is refused."""
    os.environ.update(environment)
    plants.plant_here()
    ledger = Ledger(open_store(url), home)
    ledger.decide_and_append(start(name))
    ledger.decide_and_append(lambda state: judged(state, name))
    try:
        sign(ledger, "m", name, "vera", "approve", "", people.signer("vera"))
    except CannotAsk as refused:
        if "serves now" not in str(refused):
            raise


def two_releases(ground, count):
    """`count` at once: one of them serves, each other one was compared with nothing and is told so."""
    place = ground.place()
    homes = [place.home, *(place.another_account() for _ in range(count - 1))]
    pipeline_key(place.home)
    people.found(place.ledger())
    names = [f"r{n}" for n in range(count)]
    _together(release_one, [(place.url, home, name) for home, name in zip(homes, names, strict=True)], place)
    ledger = place.ledger()
    state, records = ledger.state(), ledger.read()
    lost = [f"the record of {name}" for name in names if name not in state.releases]
    kinds = [record.kind for record in records]
    broken = ledger.problems()
    broken += [f"{kinds.count('promoted')} were promoted"] if kinds.count("promoted") < 1 else []
    broken += [f"{state.models} serves"] if state.releases.get(state.models.get("m"), None) is None else []
    serving = [release.id for release in state.releases.values() if release.status == "champion"]
    broken += [f"{serving} serve at once"] if len(serving) != 1 else []
    broken += [f"{name} was judged twice" for name in names if _judged(records, name) != 1]
    return Tried(tuple(lost), tuple(broken))


def _judged(records, name):
    return sum(record.kind == "release judged" and record.body["release"] == name for record in records)


def decision(release):
    """To start it; in it, how many releases there were when that was decided."""
    return lambda state: start(release, before=len(state.releases))(state)


def write(url, home, name, each, environment):
    """Threads that each append their own records."""
    os.environ.update(environment)
    plants.plant_here()

    def one(thread):
        ledger = Ledger(open_store(url), home)
        for n in range(each):
            ledger.decide_and_append(decision(f"{name}-{thread}-{n}"))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(THREADS)))


def sixteen_writers(ground, records=RECORDS):
    """One winner for each number, nobody's record lost, no gap; whoever lost a race decided again."""
    place = ground.place()
    homes = [place.home, *(place.another_account() for _ in range(PROCESSES - 1))]
    each = records // (PROCESSES * THREADS)
    _together(write, [(place.url, home, str(n), each) for n, home in enumerate(homes)], place)
    ledger = place.ledger()
    _, *found = ledger.read()
    expected = {f"{p}-{t}-{n}" for p in range(PROCESSES) for t in range(THREADS) for n in range(each)}
    names = [record.body["release"] for record in found]
    lost = sorted(expected - set(names))
    broken = ledger.problems()
    broken += [f"{len(names)} records, expected {len(expected)}"] if len(names) != len(expected) else []
    wrong = [r.seq for n, r in enumerate(found) if (r.seq, r.body["before"]) != (n + 1, n)]
    broken += [f"records {wrong[:5]} were not decided on all that stands before them"] if wrong else []
    return Tried(tuple(lost), tuple(broken))


def _together(work, arguments, place):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["infra.s3_store", "infra.local_store", "infra.ledger"])
    environment = credentials(place.folder)
    workers = [context.Process(target=work, args=(*given, environment)) for given in arguments]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ended = [worker.exitcode for worker in workers]
    assert not any(ended), f"the processes ended with {ended}"


def plan_releases(ground, random):
    return [partial(two_releases, ground, count) for count in (2, 2, 2, 2, 3, 4)]


def plan_writers(ground, _random):
    return [partial(sixteen_writers, ground)]


FAULTS = [
    Fault("two releases of one model at once", plan_releases),
]
CONTENTION = Fault("16 writers, 1,000 records", plan_writers)
