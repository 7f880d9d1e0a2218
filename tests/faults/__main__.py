"""`make faults`: every fault on every ground, and the table; then every planted defect, and whether it was seen.

The exit code is 1 if anything was lost, did not survive or was not found, or if a planted defect was not seen.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import seaweed

from faults import catalogue
from faults.campaign import HEAD, line, run
from faults.ground import Bucket, Directory, credentials
from faults.plants import DEFECTS, planted

TOLD_EVERY_SECONDS, MOST_WORDS = 20, 10


def main():
    asked = _arguments()
    out = sys.stderr if asked.json_ else sys.stdout
    with grounds() as places:
        rows = [] if asked.planted else campaign(places, asked, out)
        seen = [] if asked.few and not asked.planted else defects(places, asked, out)
    told = {"seed": asked.seed, **totals(rows), "faults": [row.as_json() for row in rows], "planted": seen}
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
    parser.add_argument("--json", dest="json_", action="store_true", help="one JSON document; the table goes to stderr")
    return parser.parse_args()


@contextmanager
def grounds():
    """A directory and a bucket of a server of its own, and this process an account that may use them."""
    with tempfile.TemporaryDirectory() as name, seaweed.serve(_made(Path(name, "weed"))) as server:
        os.environ.update(credentials(_made(Path(name, "account"))))
        yield {
            ground.name: ground for ground in (Directory(Path(name, "places")), Bucket(Path(name, "places"), server))
        }


def campaign(places, asked, out):
    """The row of each fault on each ground."""
    print(f"seed {asked.seed}\n{HEAD}", file=out, flush=True)
    chosen = [
        (fault, places[name])
        for fault in catalogue.everything()
        for name in fault.on
        if asked.only in f"{fault.name}, {name}"
    ]
    return [_told(run(fault, ground, asked.seed, asked.few, shower(out)), out) for fault, ground in chosen]


def defects(places, asked, out):
    """Each planted defect on each fault that must see it; tried until it is seen."""
    print(f"\n{'planted defect':<58}{'seen by':<58}{'after':>8}", file=out, flush=True)
    faults = {f"{fault.name}, {name}": (fault, places[name]) for fault in catalogue.everything() for name in fault.on}
    return [
        see(defect, where, *faults[where], asked.seed, out)
        for defect in DEFECTS
        for where in defect.seen_by
        if asked.only in where
    ]


def see(defect, where, fault, ground, seed, out=sys.stderr):
    """{defect, fault, seen, tried, words}; `seen` is None where this machine cannot make the fault."""
    with planted(defect):
        row = run(fault, ground, seed, show=shower(out), until=lambda row: not row.is_well)
    seen = not row.is_well if row.tried else None
    after = {True: f"{row.tried} tried", False: "NOT SEEN", None: "–"}[seen]
    _clear(out)
    print(f"{defect.name[:56]:<58}{where[:56]:<58}{after:>8}", file=out, flush=True)
    return {"defect": defect.name, "fault": where, "seen": seen, "tried": row.tried, "words": row.words[:MOST_WORDS]}


def totals(rows):
    """Sums over the rows, and whether all is well."""
    names = ("tried", "survived", "lost", "damages", "found")
    not_here = [f"{row.fault}, {row.store}" for row in rows if not row.tried]
    sums = {name: sum(getattr(row, name) for row in rows) for name in names}
    return {**sums, "not_tried": not_here, "is_well": all(row.is_well for row in rows)}


def words(told):
    """The last sentences."""
    faults, seen = told["faults"], [one for one in told["planted"] if one["seen"] is not None]
    lines = []
    if faults:
        lines.append(
            f"{told['tried']} tried, {told['survived']} survived, {told['lost']} lost; "
            f"verify found {told['found']} of {told['damages']} damages."
        )
    lines += [f"Not tried on this machine: {'; '.join(told['not_tried'])}."] if told["not_tried"] else []
    lines += [f"{sum(one['seen'] for one in seen)} of {len(seen)} planted defects were seen."] if seen else []
    return "\n".join(lines)


def shower(out):
    """Shows a row as it grows: on a terminal at once, else a line now and then."""
    last = [time.monotonic()]

    def show(row):
        if out.isatty():
            print(f"\r{line(row)}", end="", file=out, flush=True)
        elif time.monotonic() - last[0] > TOLD_EVERY_SECONDS:
            last[0] = time.monotonic()
            print(f"{line(row)} …", file=out, flush=True)

    return show


def _clear(out):
    if out.isatty():
        print("\r\x1b[K", end="", file=out)


def _made(folder):
    folder.mkdir()
    return folder


def _told(row, out):
    _clear(out)
    print(line(row), file=out, flush=True)
    for word in row.words[:MOST_WORDS]:
        print(f"    {word}", file=out, flush=True)
    return row


if __name__ == "__main__":
    main()
