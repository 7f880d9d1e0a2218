"""The gateway follows the ledger, and stands where it stood whatever becomes of the store."""

import json
import os
import shutil

import pandas as pd
import pytest
from served import GOOD, price_graph
from test_desk import Bench, price

from infra.envelopes import record_key
from infra.gateway.contract import Turned
from infra.gateway.desk import following
from infra.packages import golden_records, keep_package
from infra.runtime import Scorer
from infra.store import blob_key


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return Bench(tmp_path)


@pytest.fixture
def at_once(monkeypatch):
    """What was refused is looked at again at once."""
    monkeypatch.setattr(following, "AGAIN", 0.0)


def again(bench):
    """Another gateway of the same account, as after a kill -9."""
    return Bench(bench.folder)


def lose(bench, digest):
    """A blob in the store has other bytes, and this account has no copy of it."""
    bench.store.blob_path(digest).write_bytes(b"other bytes")
    shutil.rmtree(bench.folder / "home" / "cache", ignore_errors=True)


def test_a_promotion_a_rollout_and_a_rollback_are_followed(bench, caplog):
    caplog.set_level("INFO")
    bench.promoted("r1", price_graph())
    assert bench.follow().ask().release == "r1"
    bench.approved("r2", price_graph(factor=2.0))
    bench.rolled_out("r2", {"share": 1.0})
    assert bench.follow().ask().release == "r2"
    bench.rolled_back("r2")
    assert bench.follow().ask().release == "r1"
    told = [words for words in caplog.messages if words.startswith("cars: ")]
    assert told == ["cars: r1 serves", "cars: r1 serves; challenger r2, 100%", "cars: r1 serves"]


def test_every_model_is_served_where_none_is_named(bench):
    bench.promoted("r1", price_graph())
    bench.following._models = ()
    assert not bench.desk.ready()
    assert bench.follow().desk.models() == ("cars",)
    assert bench.desk.ready()


def test_a_package_that_is_not_what_was_signed_is_refused_and_the_old_one_goes_on(bench, caplog, at_once):
    bench.promoted("r1", price_graph())
    bench.follow()
    package = bench.promoted("r2", price_graph(factor=2.0))
    lose(bench, package)
    assert bench.follow().ask().release == "r1"
    assert "r2 is not served: blob sha256:" in caplog.text
    assert "r2 is not served" in bench.desk.health()["problems"][0]
    assert bench.counted("package_refusals") == 1
    refused = len(caplog.messages)
    bench.follow()
    assert len(caplog.messages) == refused
    bench.store.remove(blob_key(package))
    keep_again(bench)
    assert bench.follow().ask().release == "r2"
    assert bench.desk.health()["problems"] == []


def keep_again(bench):
    """Brings the package of r2 back, as from a copy of the store."""
    graph = price_graph(factor=2.0)
    keep_package(bench.store, graph, golden_records(Scorer(graph), pd.DataFrame([GOOD] * 10)))


def test_a_gateway_that_starts_with_a_bad_champion_serves_the_one_before(bench, at_once):
    bench.promoted("r1", price_graph())
    lose(bench, bench.promoted("r2", price_graph(factor=2.0)))
    assert again(bench).follow().follow().ask().release == "r1"


def test_a_bad_champion_with_none_before_it_serves_nothing_and_says_why(bench):
    lose(bench, bench.promoted("r1", price_graph()))
    with pytest.raises(Turned, match=r"cars is not served yet: r1 is not served: blob sha256:"):
        bench.follow().ask()
    assert not bench.desk.ready()


def test_a_bad_challenger_is_left_out(bench):
    bench.promoted("r1", price_graph())
    lose(bench, bench.approved("r2", price_graph(factor=2.0)))
    bench.rolled_out("r2", {"share": 1.0})
    assert bench.follow().ask().release == "r1"
    assert "r2 is not served" in bench.desk.health()["problems"][0]


def test_golden_records_that_get_another_answer_are_refused(bench, monkeypatch):
    monkeypatch.setattr("infra.gateway.desk.loading.replay", lambda scorer, golden: [3])
    bench.promoted("r1", price_graph())
    assert not bench.follow().desk.ready()
    assert "the first is number 3" in bench.desk.health()["problems"][0]


def test_a_graph_that_cannot_be_loaded_is_refused_in_words(bench, monkeypatch):
    def fail(*_):
        raise RuntimeError("no such operator")

    bench.promoted("r1", price_graph())
    monkeypatch.setattr("infra.gateway.desk.loading.open_package", fail)
    bench.follow()
    assert bench.desk.health()["problems"] == ["r1 is not served: RuntimeError: no such operator"]


def test_while_the_store_is_away_everything_goes_on_and_it_is_told(bench, caplog):
    caplog.set_level("INFO")
    bench.promoted("r1", price_graph())
    before = price(bench.follow())
    os.rename(bench.url, f"{bench.url}.away")
    assert price(bench.follow()) == before
    [problem] = bench.desk.health()["problems"]
    assert problem.startswith("the ledger cannot be read; what it said up to record 8 holds")
    os.rename(f"{bench.url}.away", bench.url)
    assert bench.follow().desk.health()["problems"] == []
    assert "the ledger is read again, up to record 8" in caplog.messages


def test_a_gateway_that_starts_while_the_store_is_away_stands_where_it_stood(bench):
    bench.promoted("r1", price_graph())
    bench.approved("r2", price_graph(factor=2.0))
    bench.rolled_out("r2", {"share": 1.0})
    bench.follow()
    os.rename(bench.url, f"{bench.url}.away")
    other = again(bench)
    other.following.start()
    assert other.ask().release == "r2"
    assert other.desk.health()["record"] == bench.desk.health()["record"]


def test_a_gateway_never_goes_back_behind_a_record_that_it_has_seen(bench):
    bench.promoted("r1", price_graph())
    bench.promoted("r2", price_graph(factor=2.0))
    bench.follow()
    (bench.folder / "store" / record_key(bench.following.known.seq)).unlink()
    for gateway in (bench, again(bench)):
        gateway.following.start()
        assert gateway.ask().release == "r2"
        assert "its end was cut off" in gateway.desk.health()["problems"][0]


def test_not_even_where_only_its_own_file_says_so(bench):
    bench.promoted("r1", price_graph())
    bench.promoted("r2", price_graph(factor=2.0))
    bench.follow()
    (bench.folder / "store" / record_key(bench.following.known.seq)).unlink()
    shutil.rmtree(bench.folder / "home" / "stores")
    other = again(bench)
    other.following.start()
    assert other.ask().release == "r2"
    assert "record 12 was seen before" in other.desk.health()["problems"][0]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seq": 1}', '{"seq": 1, "head": "x", "state": {}}'])
def test_a_file_of_what_was_seen_that_is_broken_is_as_good_as_none(bench, content):
    bench.promoted("r1", price_graph())
    bench.follow()
    [path] = (bench.folder / "home" / "gateway").glob("*.json")
    path.write_text(content)
    other = again(bench)
    other.following.start()
    assert other.ask().release == "r1"
    assert json.loads(path.read_text())["seq"] == 8


def test_two_gateways_say_the_same_after_each_look(bench):
    other = Bench(bench.folder, "another")
    bench.promoted("r1", price_graph())
    for number in range(2, 5):
        bench.promoted(f"r{number}", price_graph(factor=float(number)))
        assert price(bench.follow()) == price(other.follow())
        assert bench.ask().release == other.ask().release == f"r{number}"


def test_what_is_served_goes_on_whatever_goes_wrong(bench, caplog, monkeypatch):
    bench.promoted("r1", price_graph())
    bench.follow()
    monkeypatch.setattr(following, "make_post", lambda *_: 1 / 0)
    assert bench.follow().ask().release == "r1"
    assert "the ledger could not be followed" in caplog.text
