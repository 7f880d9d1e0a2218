"""The gateway benchmark's claims, and the table of docs/gateway-benchmark.md that is made of them."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.gateway_load import Load
from benchmarks.gateway_servers import PEER_NAMES
from benchmarks.results import FOLDER, Claim

DOCS = Path(__file__).parents[1] / "docs" / "gateway-benchmark.md"
BEGIN, END = "<!-- the table below is written by make bench-gateway -->", "<!-- end of the table -->"
KINDS = ("onnx", "sklearn")
# How many times our CPU a request of one record costs each peer, at least; and one of a hundred the best of them.
GOALS = {"mlserver": 8, "kserve": 10, "bentoml": 10, "mlflow": 8}
SHARE_GOAL, BATCH_GOAL = 0.4, 4
NAMES = {"seatrial": "**Seatrial**, guards and all outputs", "hello": "hello: a fixed answer on the same uvicorn"}
NAMES |= {"seatrial prediction": "Seatrial, asked for the prediction alone"}
NAMES |= {"seatrial bare": "Seatrial, the bare graph, as the peers"}
NAMES |= {"seatrial binary": "Seatrial, binary tensors both ways"}
PEERS = {"mlserver": "MLServer", "kserve": "KServe SDK", "bentoml": "BentoML", "mlflow": "mlflow"}
HOW = {"onnx": "the bare graph", "sklearn": "the estimator"}
ORDER = (*NAMES, *(f"{peer} {kind}" for kind in KINDS for peer in PEER_NAMES))


def claims_of(found: Mapping[str, Load], memory: Mapping[str, float]) -> list[Claim]:
    """The ratios that were aimed at, against the estimators as the peers' docs serve them and, harder, against the
    bare graph; then every figure."""
    spent = {name: load.cpu_us for name, load in found.items()}
    ratios = [_claim("share_of_hello", spent["hello 1"] / spent["seatrial 1"], SHARE_GOAL, "hello's CPU over ours")]
    for kind, ending in (("sklearn", ""), ("onnx", "_graph")):
        unit = f"× our CPU, {{}}, where peers serve {HOW[kind]}"
        for peer, goal in GOALS.items():
            over = spent[f"{peer} {kind} 1"] / spent["seatrial 1"]
            ratios.append(_claim(f"over_{peer}{ending}", over, goal, unit.format("1 record")))
        best = min(spent[f"{peer} {kind} 100"] for peer in PEER_NAMES) / spent["seatrial 100"]
        ratios.append(_claim(f"batch100_over_best_peer{ending}", best, BATCH_GOAL, unit.format("100 records")))
    return [*ratios, *_figures(found, memory)]


def _claim(name: str, value: float, goal: float | None, unit: str) -> Claim:
    wanted = "stated" if goal is None else f">= {goal:g}"
    return {"name": name, "value": round(value, 3), "unit": unit, "goal": wanted}


def _figures(found: Mapping[str, Load], memory: Mapping[str, float]) -> list[Claim]:
    figures = []
    for name, load in found.items():
        key = name.replace(" ", "_")
        figures += [
            _claim(f"{key}_cpu_us", load.cpu_us, None, "µs of CPU a request"),
            _claim(f"{key}_per_second", load.per_second, None, "requests a second, 16 connections"),
            _claim(f"{key}_p50_ms", load.latency_ms(0.5), None, "ms"),
            _claim(f"{key}_p99_ms", load.latency_ms(0.99), None, "ms"),
        ]
    return figures + [_claim(f"{name.replace(' ', '_')}_mb", mb, None, "MB of memory") for name, mb in memory.items()]


def table(results: Path) -> str:
    """The table, in Markdown, of what a run left in `benchmarks/results/gateway.json`."""
    told = json.loads(results.read_text())
    value = {claim["name"]: claim["value"] for claim in told["claims"]}
    versions = {peer: told["versions"][peer] for peer in PEER_NAMES}
    head = "| | CPU µs, 1 record | × ours | a second | p50 / p99 ms | CPU µs, 100 records | × ours | MB |"
    lines = [_line(name, value, versions) for name in ORDER]
    return "\n".join([aims(told["claims"]), "", head, "|---|--:|--:|--:|--:|--:|--:|--:|", *lines])


def aims(claims: list[Claim]) -> str:
    """What was aimed at and what was reached."""
    rows = [claim for claim in claims if claim["goal"] != "stated"]
    lines = [f"| `{claim['name']}` | {claim['goal']} | {claim['value']:.2f} | {claim['unit']} |" for claim in rows]
    return "\n".join(["| claim | aim | found | what |", "|---|--:|--:|---|", *lines])


def _line(name: str, value: Mapping[str, float], versions: Mapping[str, str]) -> str:
    peer, _, kind = name.partition(" ")
    shown = NAMES.get(name) or f"{PEERS[peer]} {versions[peer]}, {HOW[kind]}"
    key, mine = name.replace(" ", "_"), "seatrial"
    one, many = value[f"{key}_1_cpu_us"], value[f"{key}_100_cpu_us"]
    cells = (
        f"{one:,.0f}",
        f"{one / value[f'{mine}_1_cpu_us']:.2f}",
        f"{value[f'{key}_1_per_second']:,.0f}",
        f"{value[f'{key}_1_p50_ms']:.1f} / {value[f'{key}_1_p99_ms']:.1f}",
        f"{many:,.0f}",
        f"{many / value[f'{mine}_100_cpu_us']:.2f}",
        f"{value[f'{key}_mb']:,.0f}" if f"{key}_mb" in value else "",
    )
    return f"| {shown} | {' | '.join(cells)} |"


def write_table() -> None:
    """Puts it between its marks in the docs."""
    text = DOCS.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    DOCS.write_text(f"{before}{BEGIN}\n\n{table(FOLDER / 'gateway.json')}\n\n{END}{after}")
