"""The run under full load counts what failed, and looks for every answer in the prediction log."""

import json
import shutil
import socket
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from served import Written, price_graph

from benchmarks import wrk
from benchmarks.bench_under_load import is_met
from benchmarks.log_account import Kill, account, pid_of, rows_of
from benchmarks.under_load import MODEL, Stand, gateway, kill_one, promote
from expectations.errors import CannotAsk

pytestmark = pytest.mark.xdist_group("serve")
HAS_WRK = pytest.mark.skipif(not shutil.which("wrk"), reason="no wrk here: apt-get install wrk")


def seen(*answers):
    return pl.DataFrame(answers, schema=wrk.ANSWERS, orient="row")


def rows(*found):
    about = {"request_id": pl.String, "time": pl.Float64, "pid": pl.Int32}
    frame = pl.DataFrame(found, schema=about, orient="row")
    return frame.with_columns(pl.from_epoch(pl.col("time") * 1e6, time_unit="us").dt.replace_time_zone("UTC"))


# Then one was asked that was never answered, and the connection was made anew.
FOUR = seen(*((f"a-1-{number}", 200, 100.0 + number) for number in (0, 1, 2, 5)))


def test_every_answer_that_is_logged_once_is_accounted_for():
    told = account(FOUR, rows(*((f"a-1-{number}", 100.0 + number, 7) for number in (0, 1, 2, 5))), [])
    assert (told.answered, told.logged, told.killed, told.missing, told.twice, told.unseen) == (4, 4, 0, 0, 0, 0)


def test_an_answer_that_is_not_logged_is_missing_and_one_that_was_told_as_dropped_is_not():
    logged = rows(("a-1-0", 100.0, 7), ("a-1-1", 101.0, 7), ("a-1-5", 105.0, 7))
    assert account(FOUR, logged, []).missing == 1
    assert account(FOUR, logged, [], dropped=1).missing == 0


def test_a_killed_process_accounts_only_for_what_it_had_not_written_yet():
    five = ("a-1-5", 105.0, 8)
    told = account(FOUR, rows(("a-1-0", 100.0, 7), five), [Kill(7, 103.5)])
    assert (told.killed, told.missing, told.window_s) == (2, 0, 2.5)
    # It had written what came later.
    assert account(FOUR, rows(("a-1-0", 100.0, 7), ("a-1-2", 102.0, 7), five), [Kill(7, 103.5)]).missing == 1
    # The connection was not lost then.
    assert account(FOUR, rows(five), [Kill(7, 107.0)]).missing == 3


def test_a_killed_process_accounts_for_nothing_on_a_connection_that_held():
    held = seen(*((f"a-2-{number}", 200, 100.0 + number) for number in range(6)))
    logged = rows(*((f"a-2-{number}", 100.0 + number, 7 + (number > 0)) for number in range(6) if number != 3))
    assert account(held, logged, [Kill(7, 103.5)]).missing == 1
    # Behind a proxy every connection does.
    assert account(held, logged, [Kill(7, 103.5, behind_proxy=True)]).missing == 0


def test_rows_that_are_there_twice_or_that_nobody_waited_for_are_told_and_others_callers_are_not_counted():
    logged = rows(*((f"a-1-{number}", 100.0, 7) for number in (0, 1, 1, 2, 5, 6)), ("somebody's", 100.0, 7))
    told = account(FOUR, logged, [])
    assert (told.logged, told.twice, told.unseen) == (4, 1, 1)


def test_answers_that_are_no_200_need_not_be_logged():
    told = account(seen(("a-1-0", 503, 100.0)), rows(), [])
    assert (told.answered, told.missing) == (0, 0)


def test_a_files_name_says_which_process_wrote_it():
    assert pid_of("predictions/cars/2026-11-26/101000-4711-0a1b2c3d4e5f-000002.parquet") == 4711


@pytest.mark.parametrize(("goal", "value", "met"), [("stated", 9, True), ("<= 0", 0, True), ("<= 0", 1, False)])
def test_a_claim_is_met_or_not(goal, value, met):
    assert is_met({"name": "n", "value": value, "unit": "", "goal": goal}) == met


def test_without_wrk_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotAsk, match="apt-get install wrk"):
        wrk.during("http://127.0.0.1:9", {}, "n", tmp_path, lambda: None)


def test_a_file_of_answers_that_is_not_whole_is_no_result(tmp_path):
    told = tmp_path / "told"
    Path(f"{told}.1").write_text("a-1-1\t200\t100.5\n")
    said = {"seconds": 1.0, "answered": 2, "refused": 0, "connect": 0, "read": 0, "write": 0, "late": 0}
    with pytest.raises(CannotAsk, match="expected the 2 answers that wrk counted, found 1"):
        wrk.read(json.dumps(said), told)


@HAS_WRK
def test_a_server_that_refuses_and_hangs_up_is_seen_to_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(wrk, "QUIET_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        turns = iter(range(10**9))

        def answer():
            while True:
                one, _ = server.accept()
                with one:
                    one.recv(10_000)
                    if next(turns) % 2:
                        one.sendall(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        load = wrk.during(url, {"year": 1}, "n", tmp_path, lambda: None)
    assert load.answered == 0
    assert load.refused > 0
    assert load.broken["read"] > 0


@HAS_WRK
def test_promotions_fail_nothing_a_kill_fails_what_it_held_and_all_answers_are_accounted_for(tmp_path, monkeypatch):
    monkeypatch.setattr(wrk, "QUIET_S", 0.3)
    began, stand = datetime.now(UTC), Stand(Written(tmp_path), tmp_path)
    stand.written.promoted("r0", price_graph())
    with gateway(stand, 2) as running:
        good = stand.under_load("a promotion", partial(promote, stand, running, [price_graph(factor=2.0)]))
        bad = stand.under_load("a kill", partial(kill_one, stand, running, "killed"))
    assert (good.failed, good.answered > 100) == (0, True)
    assert 0 < bad.failed <= stand.held["killed"]
    answers = pl.concat([good.answers, bad.answers])
    told = account(answers, rows_of(stand.written.store, MODEL, began), stand.kills, stand.dropped)
    assert (told.missing, told.twice, told.answered) == (0, 0, good.answered + bad.answered)
    assert told.killed > 0
    # A row of the process that lived, just before the kill.
    whole, [kill] = rows_of(stand.written.store, MODEL, began), stand.kills
    before = whole.filter(pl.col("time") < datetime.fromtimestamp(kill.at - 0.2, UTC), pl.col("pid") != kill.pid)
    lost = whole.filter(pl.col("request_id") != before.sort("time")["request_id"][-1])
    assert account(answers, lost, stand.kills, stand.dropped).missing == 1


def test_the_script_and_its_reader_lie_side_by_side():
    assert Path(wrk.__file__).with_suffix(".lua").exists()
