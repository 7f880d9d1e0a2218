"""`python tests/keeper.py FOLDER PLAN`: keeps small programs, and tells what happens to them, a line of JSON each.

Times are short, since the programs are small; the plan can set others.
"""

import json
import os
import sys
import time
from pathlib import Path

from expectations.errors import CannotAsk
from infra.processes import supervision
from infra.processes.program import Health, Program

FOLDER, PLAN = Path(sys.argv[1]), json.loads(sys.argv[2])
TIMES = {"SILENT": 1.0, "HUNG": 2.0, "PAUSE": 0.05, "LIVED": 0.0, "ONCE_IN_A_WHILE": 0.5, "ASK": 0.2}
BEATING = """
import os, pathlib, signal, subprocess, sys, threading, time
def beat():
    while True:
        pathlib.Path({beat!r}).touch()
        time.sleep(0.1)
"""


def say(*told):
    print(json.dumps(told), flush=True)


def program(name, code, needs=()):
    beat = FOLDER / f"{name}.beat"

    def ask(_):
        fresh = beat.exists() and time.time() - beat.stat().st_mtime < 1.0
        return Health(fresh, "beats" if fresh else "no beat")

    command = (sys.executable, "-c", BEATING.format(beat=str(beat)) + code)
    return Program(name, command, os.environ, FOLDER / f"{name}.log", ask, tuple(needs), start_s=5, stop_s=2)


def main():
    vars(supervision).update({**TIMES, **PLAN["times"]})
    programs = [program(*one) for one in PLAN["programs"]]
    ending = [one.name for one in reversed(programs)]

    def tell(told):
        say(told.process, told.event, told.words, list(told.lines))

    kept = supervision.Supervision(programs, ending, FOLDER / "running.json", tell, lambda: say("all", "ready", "", []))
    try:
        kept.run()
    except CannotAsk as error:
        say("all", "could not", str(error), [])
        sys.exit(2)


if __name__ == "__main__":
    main()
