"""`make faults`: every fault on every ground, and the table; then every planted defect, and whether it was seen.

Each row is tried by a process of its own, with a directory and a server of its own: one row for each core at a time.
The exit code is 1 if anything was lost, did not survive or was not found, or if a planted defect was not seen.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import seaweed

from faults import catalogue
from faults.campaign import HEAD, line, run
from faults.ground import Bucket, Directory, credentials
from faults.plants import DEFECTS, planted

TOLD_EVERY_SECONDS, MOST_WORDS = 60, 10


def main():
    asked = _arguments()
    out, began = _out(asked), time.monotonic()
    with ProcessPoolExecutor(asked.jobs, get_context("fork")) as pool:
        rows = [] if asked.planted else campaign(pool, asked, out)
        seen = [] if asked.few and not asked.planted else defects(pool, asked, out)
    told = {"seed": asked.seed, **totals(rows), "faults": [row.as_json() for row in rows], "planted": seen}
    told["minutes"] = round((time.monotonic() - began) / 60, 1)
    print(f"\n{words(told)}", file=out)
    if asked.json_:
        print(json.dumps(told, indent=2))
    sys.exit(0 if told["is_well"] and (rows or seen) and all(one["seen"] is not False for one in seen) else 1)


def _arguments():
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--few", type=int, help="at most so many trials of each fault on each ground; no planted defects"
    )
    parser.add_argument("--only", default="", help="faults and stores with this in their name: `release, SeaweedFS`")
    parser.add_argument("--planted", action="store_true", help="the planted defects only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="so many rows at a time; one for each core")
    parser.add_argument("--json", dest="json_", action="store_true", help="one JSON document; the table goes to stderr")
    return parser.parse_args()


@contextmanager
def ground(name):
    """A directory, or a bucket of a server of its own; and this process an account that may use it."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        os.environ.update(credentials(_made(folder / "account")))
        if name == Directory.name:
            yield Directory(folder / "places")
        else:
            with seaweed.serve(_made(folder / "weed")) as server:
                yield Bucket(folder / "places", server)


def campaign(pool, asked, out):
    """The row of each fault on each ground."""
    print(f"seed {asked.seed}\n{HEAD}", file=out, flush=True)
    chosen = [(fault.name, name) for fault, name in everything() if asked.only in f"{fault.name}, {name}"]
    return [_told(row, out) for row in pool.map(partial(tried, asked), *zip(*chosen, strict=True))] if chosen else []


def tried(asked, fault, name):
    """One row; by name, since what a fault plans cannot be handed to another process."""
    with ground(name) as here:
        return run(_named(fault, name), here, asked.seed, asked.few, shower(_out(asked)))


def defects(pool, asked, out):
    """Each planted defect on each fault that must see it; tried until it is seen."""
    print(f"\n{'planted defect':<58}{'seen by':<58}{'after':>8}", file=out, flush=True)
    chosen = [(defect.name, where) for defect in DEFECTS for where in defect.seen_by if asked.only in where]
    found = pool.map(partial(looked_for, asked), *zip(*chosen, strict=True)) if chosen else []
    return [_shown(one, out) for one in found]


def looked_for(asked, name, where):
    """One planted defect, and whether a fault saw it."""
    [defect] = [one for one in DEFECTS if one.name == name]
    fault, store = where.rsplit(", ", 1)
    with ground(store) as here:
        return see(defect, where, _named(fault, store), here, asked.seed, shower(_out(asked)))


def everything():
    """Every fault with each ground that can have it."""
    return [(fault, name) for fault in catalogue.everything() for name in fault.on]


def _named(fault, name):
    return next(one for one, store in everything() if (one.name, store) == (fault, name))


def _out(asked):
    return sys.stderr if asked.json_ else sys.stdout


def see(defect, where, fault, ground, seed, show=lambda _row: None):
    """{defect, fault, seen, tried, words}; `seen` is None where this machine cannot make the fault."""
    with planted(defect):
        row = run(fault, ground, seed, show=show, until=lambda row: not row.is_well)
    seen = not row.is_well if row.tried else None
    return {"defect": defect.name, "fault": where, "seen": seen, "tried": row.tried, "words": row.words[:MOST_WORDS]}


def totals(rows):
    """Sums over the rows, and whether all is well."""
    names = ("places", "struck", "trials", "tried", "survived", "lost", "damages", "found")
    not_here = [f"{row.fault}, {row.store}" for row in rows if not row.tried]
    sums = {name: sum(getattr(row, name) for row in rows) for name in names}
    return {**sums, "not_tried": not_here, "is_well": all(row.is_well for row in rows)}


def words(told):
    """The last sentences."""
    faults, seen = told["faults"], [one for one in told["planted"] if one["seen"] is not None]
    lines = []
    if faults:
        lines.append(
            f"{told['tried']} tried, {told['survived']} survived, {told['lost']} lost; of {told['trials']} trials, "
            f"at {told['struck']} of {told['places']} places in the code; "
            f"verify found {told['found']} of {told['damages']} damages."
        )
    lines += [f"Not tried on this machine: {'; '.join(told['not_tried'])}."] if told["not_tried"] else []
    lines += [f"{sum(one['seen'] for one in seen)} of {len(seen)} planted defects were seen."] if seen else []
    return "\n".join(lines)


def shower(out):
    """Shows a row that takes long now and then: others grow beside it."""
    last = [time.monotonic()]

    def show(row):
        if time.monotonic() - last[0] > TOLD_EVERY_SECONDS:
            last[0] = time.monotonic()
            print(f"{line(row)} …", file=out, flush=True)

    return show


def _made(folder):
    folder.mkdir()
    return folder


def _told(row, out):
    print(line(row), file=out, flush=True)
    for word in row.words[:MOST_WORDS]:
        print(f"    {word}", file=out, flush=True)
    return row


def _shown(one, out):
    after = {True: f"{one['tried']} tried", False: "NOT SEEN", None: "–"}[one["seen"]]
    print(f"{one['defect'][:56]:<58}{one['fault'][:56]:<58}{after:>8}", file=out, flush=True)
    return one


if __name__ == "__main__":
    main()
