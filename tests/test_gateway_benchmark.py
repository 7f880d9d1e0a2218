"""The gateway's benchmark: its table is what a run gave, its load counts what it says, and wrong answers stop it."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import gateway_case as case
from benchmarks.bench_gateway import check
from benchmarks.gateway_load import Load, cpu_s, http_request, load
from benchmarks.gateway_servers import PEER_NAMES, PEERS, Server, running
from benchmarks.gateway_table import BATCH_GOAL, BEGIN, DOCS, END, GOALS, ORDER, claims_of, table
from benchmarks.results import FOLDER

# Answers what it was sent; says 500 to "wrong"; works hard for "work".
ECHO = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"work":
            sum(range(200_000))
        self.send_response(500 if body == b"wrong" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
"""
ROWS = pd.DataFrame({"Gr_Liv_Area": [1500.0, 900.0], "Neighborhood": ["Gilbert", "Sawyer ü"]})


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    server = Server("echo", (sys.executable, "-c", ECHO, "{port}"), "/")
    with running(server, tmp_path_factory.mktemp("echo"), ROWS) as up:
        yield up


def test_every_request_is_answered_and_counted(echo):
    found = load(echo.pid, echo.port, [http_request("/", b"a"), http_request("/", b"b" * 300_000)], 101)
    assert len(found.latencies_ms) == 101
    assert found.latency_ms(0) <= found.latency_ms(0.5) <= found.latency_ms(1) == found.latencies_ms[-1]


def test_what_the_server_works_is_told_and_what_the_generator_works_is_not(echo):
    idle = load(echo.pid, echo.port, [http_request("/", b"rest")], 60)
    busy = load(echo.pid, echo.port, [http_request("/", b"work")], 60)
    assert busy.cpu_us > idle.cpu_us + 1000
    before = cpu_s(echo.pid)
    sum(range(10_000_000))
    assert cpu_s(echo.pid) - before < 0.05


def test_processes_below_a_server_count_too():
    command = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    process = subprocess.Popen([sys.executable, "-c", command], start_new_session=True)
    try:
        while cpu_s(process.pid) < 0.3:
            assert process.poll() is None
    finally:
        subprocess.run(["kill", "-9", "--", f"-{process.pid}"], check=True)
        process.wait()


def test_an_answer_that_is_no_200_stops_the_run(echo):
    with pytest.raises(SystemExit, match=r"expected 200 of a server, found .*500"):
        load(echo.pid, echo.port, [http_request("/", b"wrong")], 5)


def test_a_server_that_ends_at_once_is_told_with_its_last_words(tmp_path):
    gone = Server("gone", (sys.executable, "-c", "raise SystemExit('no such model')"), "/")
    with (
        pytest.raises(SystemExit, match=r"gone did not start .*no such model"),
        running(gone, tmp_path, ROWS),
    ):
        pass


@pytest.mark.parametrize(("factor", "stops"), [(1.0, False), (1 + 1e-10, False), (1 + 1e-8, True), (np.nan, True)])
def test_other_predictions_than_the_estimators_stop_the_run(echo, factor, stops):
    expected = np.array([100.0, 200.0])
    answers = SimpleNamespace(rows=ROWS, expected=expected)
    one = SimpleNamespace(server=echo.server, predict=lambda rows: (expected * factor)[rows.index])
    if not stops:
        check(one, answers)
        return
    with pytest.raises(SystemExit, match="echo gives other predictions"):
        check(one, answers)


def test_the_bodies_say_the_same_rows():
    sent = {item["name"]: item["data"] for item in json.loads(case.v2_json(ROWS))["inputs"]}
    body, length = case.v2_binary(ROWS)
    head, rest = json.loads(body[:length]), body[length:]
    first, second = (item["parameters"]["binary_data_size"] for item in head["inputs"])
    assert sent == {"Gr_Liv_Area": [1500.0, 900.0], "Neighborhood": ["Gilbert", "Sawyer ü"]}
    assert np.frombuffer(rest[:first]).tolist() == [1500.0, 900.0]
    assert rest[first:] == b"\x07\0\0\0Gilbert\x09\0\0\0Sawyer \xc3\xbc"
    assert first + second == len(rest)


def figures(**spent):
    return {name.replace("_", " "): Load(cpu, 1.0, [1.0]) for name, cpu in spent.items()}


def test_a_ratio_is_the_peers_time_over_ours_and_hellos_share_the_other_way_round():
    found = figures(hello_1=40.0, seatrial_1=100.0, hello_100=40.0, seatrial_100=500.0)
    for peer in PEER_NAMES:
        found |= figures(**{f"{peer}_sklearn_1": 900.0, f"{peer}_onnx_1": 300.0})
        found |= figures(**{f"{peer}_sklearn_100": 5000.0, f"{peer}_onnx_100": 1500.0})
    found |= figures(kserve_sklearn_100=2000.0)
    told = {claim["name"]: claim for claim in claims_of(found, {"hello": 10.0})}
    assert told["share_of_hello"]["value"] == 0.4
    assert {told[f"over_{peer}"]["value"] for peer in GOALS} == {9.0}
    assert {told[f"over_{peer}_graph"]["value"] for peer in GOALS} == {3.0}
    assert (told["batch100_over_best_peer"]["value"], told["batch100_over_best_peer_graph"]["value"]) == (4.0, 3.0)
    assert told["batch100_over_best_peer"]["goal"] == f">= {BATCH_GOAL}"


def test_the_docs_have_the_table_of_the_last_run():
    shown = DOCS.read_text().split(BEGIN)[1].split(END)[0].strip()
    assert shown == table(FOLDER / "gateway.json")
    assert len(shown.splitlines()) == 4 + 2 * len(GOALS) + 2 + 2 + len(ORDER)


def test_every_package_of_a_peer_is_pinned_with_hashes():
    for peer in PEER_NAMES:
        packages = (PEERS / f"{peer}.txt").read_text().replace("\\\n", "").splitlines()
        assert len(packages) > 50
        assert all("==" in line and "--hash=sha256:" in line for line in packages), peer
        assert any(line.startswith("scikit-learn==1.9.1 ") for line in packages)
