"""The whole battery of tier 4 beside Giskard's scan and Deepchecks' full suite, in one run: time and memory.

Every part runs in a process of its own, one after the other, so that none disturbs another; training is not counted.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import battery_case
from benchmarks.peers import python_of, version_of
from benchmarks.results import Claim, write_results

PEERS = Path(__file__).with_name("battery_peers")
SCRIPTS = {"giskard": "giskard_scan.py", "deepchecks": "deepchecks_suite.py"}
SHOWN = ("onnxruntime", "scikit-learn", "numpy", "pandas")
OURS = "import sys; from benchmarks.bench_battery import ours; ours(sys.argv[1])"


def main() -> None:
    """Prints a table and writes the claims."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SEATRIAL_HOME"] = str(folder / "home")
        battery_case.write(folder)
        case = battery_case.for_peers(battery_case.packaged(folder), folder / "peers", "forest")
        pythons = {peer: python_of(PEERS, peer) for peer in SCRIPTS}
        found = {"seatrial": _told([sys.executable, "-c", OURS, str(folder)])}
        for peer, script in SCRIPTS.items():
            found[peer] = _told([pythons[peer], str(PEERS / script), str(case)])
    for name, one in found.items():
        print(f"{name:<12}{one['wall_s']:>8.1f} s{one['cpu_s']:>8.1f} CPU s{one['peak_mb']:>8.0f} MB", flush=True)
        for step, seconds in sorted(one.get("steps", {}).items(), key=lambda item: -item[1]):
            print(f"    {step:<14}{seconds:>8.1f} s")
    wall = {name: one["wall_s"] for name, one in found.items()}
    over = wall["seatrial"] / (wall["giskard"] + wall["deepchecks"])
    claims = [
        Claim(name="over_peers", value=round(over, 3), unit="share of the peers' time", goal="<= 0.5"),
        Claim(name="battery_s", value=round(wall["seatrial"], 1), unit="s", goal="<= 180"),
        Claim(name="peak_mb", value=round(found["seatrial"]["peak_mb"]), unit="MB", goal="<= 2048"),
    ]
    print(f"\nof the peers' time: {over:.2f}")
    print(write_results("battery", SHOWN, claims, {peer: version_of(PEERS, peer) for peer in SCRIPTS}))


def _told(command: list[str]) -> dict[str, Any]:
    """What it prints, and the most memory that it and its processes had at one moment."""
    peak = 0.0
    with tempfile.TemporaryFile("w+") as out:
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, text=True)
        while running.poll() is None:
            peak = max(peak, _resident_mb(running.pid))
            time.sleep(0.1)
        out.seek(0)
        told: dict[str, Any] = json.loads(out.read().splitlines()[-1])
    if told.get("error"):
        raise RuntimeError(f"{command[0]}: {told['error']}")
    return {**told, "peak_mb": peak}


def _resident_mb(pid: int) -> float:
    """Of a process and all below it. What they share counts for each: never too little."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(_resident_mb(int(one)) for one in below)


def ours(folder: str) -> None:
    """Prints what the battery took, as the release flow runs it: latency undisturbed, the rest two at a time."""
    from flows.release import ALONE
    from tasks.qualification.registry import CHECKS

    subject = battery_case.packaged(Path(folder))
    spent: dict[str, float] = {}

    def measured(check: Any) -> None:
        began = time.monotonic()
        check.measure(subject)
        spent[check.step] = time.monotonic() - began

    wall, cpu = time.monotonic(), time.process_time()
    for check in ALONE:
        measured(check)
    with ThreadPoolExecutor(2) as side_by_side:
        list(side_by_side.map(measured, [check for check in CHECKS if check.step in subject.job.tier.checks]))
    told = {"wall_s": time.monotonic() - wall, "cpu_s": time.process_time() - cpu, "steps": spent}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
