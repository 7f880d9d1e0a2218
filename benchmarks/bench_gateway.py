"""Our scoring server beside its peers, in one run. `make bench-gateway`; four minutes, twice that the first time.

All serve the same model on this machine, one worker and one thread each, and are asked over 16 kept-alive connections
in turn, several rounds. First all must give the estimator's predictions. The figure is CPU time of the server's
processes for a request, the median of the rounds: whatever else runs here moves it less than it moves a clock.
"""

import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.gateway_case import BARE, MODEL, Case, make_case, prediction_json, released, v2_binary
from benchmarks.gateway_load import Load, http_request, load, memory_mb
from benchmarks.gateway_servers import PEER_NAMES, PEERS, Running, Server, hello, ours, peers, running
from benchmarks.gateway_table import claims_of, write_table
from benchmarks.peers import version_of
from benchmarks.results import write_results

SHOWN = ("uvicorn", "onnxruntime", "msgspec", "scikit-learn", "numpy", "pandas")
ROUNDS, ROUND_S, WARM_UP, FEWEST, MOST = 5, 0.5, 64, 48, 20_000
BODIES = {1: 64, 100: 8}
NEAR = 1e-9


@dataclass(frozen=True)
class Arm:
    """A server that runs, and what it is asked: so many records a request, in one of several bodies."""

    name: str
    running: Running
    requests: Sequence[bytes]

    def ask(self, total: int) -> Load:
        """Asks so often."""
        return load(self.running.pid, self.running.port, self.requests, total)


def main() -> None:
    """Measures, prints and writes the claims and the table."""
    # Whoever ends the run ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        case = make_case(Path(name))
        up = [stack.enter_context(running(server, Path(name), case.rows[:1])) for server in servers(case)]
        for one in up:
            check(one, case)
        arms = [arm for rows in BODIES for arm in arms_of(up, case, rows)]
        found = measure(arms)
        memory = {one.server.name: memory_mb(one.pid) for one in up}
    told = claims_of(found, memory)
    for claim in told:
        print(f"{claim['name']:<40}{claim['value']:>12.3f}  {claim['goal']:<8}{claim['unit']}")
    print(write_results("gateway", SHOWN, told, {peer: version_of(PEERS, peer) for peer in PEER_NAMES}))
    write_table()


def servers(case: Case) -> list[Server]:
    """All of them, ready to be started."""
    return [hello(), ours(released(case)), *peers(case.folder)]


def check(one: Running, case: Case) -> None:
    """Raises SystemExit where a server's predictions are not the estimator's, for one record and for a hundred."""
    if not one.server.predicts:
        return
    for start, end in ((0, 1), (1, 2), (0, 100), (100, 200)):
        said, expected = one.predict(case.rows[start:end]), case.expected[start:end]
        if said.shape != expected.shape or not np.allclose(said, expected, rtol=NEAR, atol=0):
            raise SystemExit(f"{one.server.name} gives other predictions: expected {expected[:3]}, found {said[:3]}.")


def arms_of(up: Sequence[Running], case: Case, rows: int) -> list[Arm]:
    """Each server with JSON of so many records; ours also asked for the prediction alone, and in binary."""
    parts = [case.rows[at * rows : (at + 1) * rows] for at in range(BODIES[rows])]
    arms = [Arm(one.server.name, one, [one.server.request(part) for part in parts]) for one in up]
    mine = next(one for one in up if one.server.name == "seatrial")
    alone = replace(mine.server, name="seatrial prediction", write=prediction_json)
    bare = replace(mine.server, name="seatrial bare", path=mine.server.path.replace(MODEL, BARE))
    for server in (alone, bare):
        check(replace(mine, server=server), case)
        arms.append(Arm(server.name, mine, [server.request(part) for part in parts]))
    arms.append(Arm("seatrial binary", mine, [_binary(mine.server.path, *v2_binary(part)) for part in parts]))
    return [replace(arm, name=f"{arm.name} {rows}") for arm in arms]


def _binary(path: str, body: bytes, head: int) -> bytes:
    kind = "Content-Type: application/octet-stream"
    return http_request(path, body, (kind, f"Inference-Header-Content-Length: {head}"))


def measure(arms: Sequence[Arm]) -> dict[str, Load]:
    """By arm, medians over the rounds; the arms take turns."""
    totals = {arm.name: _enough(arm) for arm in arms}
    rounds: dict[str, list[Load]] = {arm.name: [] for arm in arms}
    for at in range(ROUNDS):
        for arm in arms:
            sys.stderr.write(f"\rround {at + 1} of {ROUNDS}: {arm.name:<30}")
            rounds[arm.name].append(arm.ask(totals[arm.name]))
    sys.stderr.write("\n")
    return {name: _median(loads) for name, loads in rounds.items()}


def _enough(arm: Arm) -> int:
    """So many requests that the clock of CPU time, which ticks a hundred times a second, tells them well."""
    arm.ask(WARM_UP)
    spent = max(arm.ask(WARM_UP).cpu_us, 20.0)
    return int(min(max(ROUND_S / (spent / 1e6), FEWEST), MOST))


def _median(loads: Sequence[Load]) -> Load:
    together = sorted(one for load in loads for one in load.latencies_ms)
    spent, fast = ([getattr(load, name) for load in loads] for name in ("cpu_us", "per_second"))
    return Load(statistics.median(spent), statistics.median(fast), together)


if __name__ == "__main__":
    main()
