"""Planted faults and clean models: what the battery says of each, beside what three peers say.

A fault is caught where the check that should speaks, by an expectation of the right name. An alarm is unrelated where
a check speaks that the fault gives no reason to, and speaks again where the fault is planted in other tables; where it
does not, it was chance, which every check has its stated share of. A peer has caught a fault where it names an issue
that it names for none of the clean tables.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.peers import python_of, version_of
from benchmarks.results import Claim, write_results

PEERS, DOCS = Path(__file__).with_name("battery_peers"), Path(__file__).parent.parent / "docs" / "planted-faults.md"
SCRIPTS = {
    "giskard": "giskard_scan.py",
    "deepchecks": "deepchecks_suite.py",
    "evidently": "evidently_report.py",
}
SHOWN = ("onnxruntime", "scikit-learn", "numpy", "pandas")
BEGIN, END = "<!-- written by make bench-faults -->", "<!-- end -->"
# The share of checks that may speak of a clean model, as every tier states it.
STATED = 0.05
# Seeds that no limit was chosen on.
SEED, MODELS = 2000, 25
# So many other tables tell what a fault brings about from what came by chance.
AGAIN = 3


def tried(name: str, seed: int, folder: str) -> dict[str, Any]:
    """One fault, or one clean model, in a folder of its own: which checks speak, and by which expectations."""
    from planted.every import CLEAN, FAULTS
    from planted.run import against, findings_of, subject_of

    from benchmarks.battery_case import for_peers

    root = Path(folder)
    os.environ["SEATRIAL_HOME"] = str(root / "home")
    one = next(one for one in (*FAULTS, *CLEAN) if one.name == name)
    subject = subject_of(one, root, seed)
    for_peers(subject, root / "peers", one.train)
    found = against(findings_of(subject))
    spoke = sorted({f"{finding.step}: {finding.expectation}" for finding in found})
    caught = any(finding.step == one.caught_by and one.says in finding.expectation for finding in found)
    unrelated = sorted({finding.step for finding in found} - {one.caught_by, *one.related})
    told = {"name": name, "seed": seed, "caught_by": one.caught_by, "caught": caught, "unrelated": unrelated}
    return {
        **told,
        "spoke": spoke,
        "checks": len(subject.job.tier.checks),
        "classes": bool(subject.job.positive),
        "folder": str(root / "peers"),
    }


def main() -> None:
    """Writes the table into the docs, and the claims. `--ours` leaves the peers out: a quarter of the time."""
    from planted.every import CLEAN, FAULTS

    scripts = {} if "--ours" in sys.argv else SCRIPTS
    with tempfile.TemporaryDirectory() as name:
        faults = _tried([(one.name, SEED) for one in FAULTS], Path(name, "faults"))
        tell_chance(faults, _tried(others(faults), Path(name, "again")))
        seeds = range(SEED + 1, SEED + 1 + -(-MODELS // len(CLEAN)))
        clean = _tried([(one.name, seed) for one in CLEAN for seed in seeds], Path(name, "clean"))
        of_classes = [one for one in clean if one["classes"]]
        said = {peer: _peer(peer, [one["folder"] for one in (*faults, *of_classes)]) for peer in scripts}
    tell(faults, clean, said)


def tell(faults: list[dict[str, Any]], clean: list[dict[str, Any]], said: dict[str, dict[str, list[str]]]) -> None:
    """The table and the claims, of what was found and what each peer said by folder."""
    of_classes = [one for one in clean if one["classes"]]
    known = {peer: {issue for one in of_classes for issue in told[one["folder"]]} for peer, told in said.items()}
    for one in faults:
        one["peers"] = {peer: sorted(set(told[one["folder"]]) - known[peer]) for peer, told in said.items()}
    alarms = sum(len(one["unrelated"]) for one in clean)
    of_peers = {peer: sum(bool(told[one["folder"]]) for one in of_classes) for peer, told in said.items()}
    _write_docs(faults, clean, {peer: f"{count} of {len(of_classes)}" for peer, count in of_peers.items()})
    claims = [
        Claim(name="faults_planted", value=len(faults), unit="faults", goal=">= 25"),
        Claim(
            name="faults_caught_share", value=sum(one["caught"] for one in faults) / len(faults), unit="share", goal="1"
        ),
        Claim(name="unrelated_alarms", value=sum(len(one["unrelated"]) for one in faults), unit="alarms", goal="0"),
        Claim(
            name="chance_alarms",
            value=round(sum(len(one["by_chance"]) for one in faults) / sum(one["checks"] for one in faults), 4),
            unit="share of checks on models with a fault",
            goal=f"<= {STATED}",
        ),
        Claim(name="clean_models", value=len(clean), unit="models", goal=">= 20"),
        Claim(
            name="false_alarms",
            value=round(alarms / sum(one["checks"] for one in clean), 4),
            unit="share of checks on clean models",
            goal=f"<= {STATED}",
        ),
    ]
    print(write_results("faults", SHOWN, claims, {peer: version_of(PEERS, peer) for peer in said}))


def others(faults: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """The faults with an alarm that they give no reason to, and the seeds of other tables to plant them in."""
    return [(one["name"], SEED + 100 + at) for one in faults if one["unrelated"] for at in range(AGAIN)]


def tell_chance(faults: list[dict[str, Any]], again: list[dict[str, Any]]) -> None:
    """Of each fault's unrelated alarms, those that none of its other tables brought again are moved to `by_chance`."""
    for one in faults:
        told = {step for other in again if other["name"] == one["name"] for step in other["unrelated"]}
        one["by_chance"] = sorted({*one["unrelated"]} - told)
        one["unrelated"] = sorted({*one["unrelated"]} & told)


def _tried(asked: Iterable[tuple[str, int]], folder: Path) -> list[dict[str, Any]]:
    told = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        running = []
        for at, (name, seed) in enumerate(asked):
            place = folder / str(at)
            place.mkdir(parents=True)
            running.append(pool.submit(tried, name, seed, str(place)))
        for one in running:
            told.append(one.result())
            words = "caught" if told[-1]["caught"] else "spoke of" if told[-1]["spoke"] else "silent"
            print(f"{words:<9}{told[-1]['name']}: {'; '.join(told[-1]['spoke'])}"[:300], flush=True)
    return told


def _peer(peer: str, folders: list[str]) -> dict[str, list[str]]:
    python = python_of(PEERS, peer)
    done = subprocess.run([python, PEERS / SCRIPTS[peer], *folders], capture_output=True, text=True, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    if len(told) < len(folders):
        print(f"{peer}: answered {len(told)} of {len(folders)}. {done.stderr[-500:]}", file=sys.stderr)
    for one in told:
        if one["error"]:
            print(f"{peer}: {one['folder']}: {one['error']}", file=sys.stderr)
    return {folder: [] for folder in folders} | {one["folder"]: one["issues"] for one in told}


def _write_docs(faults: list[dict[str, Any]], clean: list[dict[str, Any]], of_peers: dict[str, str]) -> None:
    columns = ["fault", "check", "caught", "unrelated", *(peer.capitalize() for peer in of_peers)]
    rows = [f"| {' | '.join(columns)} |", f"| {' | '.join(['---'] * len(columns))} |"]
    for one in faults:
        peers = [("yes" if one["peers"][peer] else "no") for peer in of_peers]
        caught = "yes" if one["caught"] else "**no**"
        alarms = ", ".join([*one["unrelated"], *(f"({step}, by chance)" for step in one["by_chance"])]) or "–"
        rows.append(f"| {' | '.join([one['name'], one['caught_by'], caught, alarms, *peers])} |")
    spoke = sum(bool(one["unrelated"]) for one in clean)
    caught = {peer: sum(bool(one["peers"][peer]) for one in faults) for peer in of_peers}
    counted = f"{sum(one['caught'] for one in faults)} of {len(faults)} caught"
    ours = f"Seatrial: {counted}, {spoke} of {len(clean)} clean models with an alarm"
    theirs = [
        f"{peer.capitalize()}: {caught[peer]} caught, {of_peers[peer]} clean classifiers with an issue"
        for peer in of_peers
    ]
    table = "\n".join([*rows, "", "; ".join([ours, *theirs]) + "."])
    before, rest = DOCS.read_text().split(BEGIN)
    DOCS.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
