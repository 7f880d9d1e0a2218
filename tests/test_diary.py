"""What is noted in passing is read back once, whatever goes wrong in between."""

import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from diaries import CLEAR, LONG_AGO, Flaky, answered, asked, diary, metrics, note, read
from fault_proxy import lose_answer, lose_request
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from expectations.errors import CannotAsk
from expectations.serving_spec import PredictionLog
from infra.garbage import garbage
from infra.gateway.diary.columns import Columns, Hashing, Input, columns_of
from infra.gateway.diary.diary import Limits
from infra.gateway.diary.metrics import Metrics
from infra.gateway.diary.spool import Spool
from infra.gateway.diary.spool import read as read_spooled
from infra.gateway.diary.truths import Truth
from infra.keys import store_secret
from infra.ledger import Ledger
from infra.prediction_log import LogReader, read_predictions
from infra.store import open_store

SIGNATURE = {
    "inputs": [
        {"column": "age", "input": "age", "type": "double"},
        {"column": "town", "input": "in_town", "type": "string"},
        {"column": "iban", "input": "iban", "type": "string"},
    ],
    "reasons": {"bits": ["missing", "outside", "unknown"]},
}


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def counts(tmp_path):
    return metrics(tmp_path)


@pytest.fixture
def book(store, tmp_path, counts):
    return diary(store, tmp_path / "home", counts)


@pytest.fixture
def one_stretch(monkeypatch):
    """All that is noted falls into the same ten minutes, so into one file."""
    now = time.time()
    monkeypatch.setattr("infra.gateway.diary.diary.time", lambda: now)


def kept(book):
    """Flushed and brought, as the two threads do."""
    book.flush()
    book._spool.close()
    book.bring(book._spool.bring)


def sample(counts, text):
    """The value of one line of the metrics; None where there is none."""
    lines = [line for line in counts.text()[0].decode().splitlines() if line.startswith(text)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines) if lines else None


def test_what_was_asked_and_answered_is_read_back_row_by_row(book, store):
    before = datetime.now(UTC)
    note(book, asked("a", (30.0, np.nan), key="customer 7"), stage=2)
    kept(book)
    first, second = read(store).to_dicts()
    assert first["time"] >= before - timedelta(milliseconds=1)
    assert first["key_hash"] == second["key_hash"] != "customer 7"
    assert 0 <= first["latency_ms"] < 1000
    same = {"request_id": "a", "model": "m", "arm": "champion", "release": "r1", "stage": 2, "caller": "web"}
    same |= {"answered_by": "champion", "answered_release": "r1", "refused": False, "shadow": False, "error": None}
    assert first | same | {"row": 0, "input.age": 30.0, "input.town": "Ulm", "output.prediction": 0.0} == first
    assert second | same | {"row": 1, "output.prediction": 1.0, "output.probabilities": [0.25, 0.75]} == second
    assert np.isnan(second["input.age"])


def test_a_challenger_that_failed_is_a_row_with_what_the_champion_answered(book, store):
    one = asked("a")
    book.record(one, answered(), time.perf_counter(), fell_to=("challenger", "r2"), error="it took too long", stage=1)
    book.record(one, None, time.perf_counter(), fell_to=("champion", "r1"), error="x" * 900)
    kept(book)
    failed, nobody = read(store).to_dicts()
    assert (failed["arm"], failed["release"], failed["error"]) == ("challenger", "r2", "it took too long")
    assert (failed["answered_by"], failed["answered_release"]) == ("champion", "r1")
    assert (nobody["answered_by"], nobody["output.prediction"], len(nobody["error"])) == (None, None, 300)
    assert nobody["input.age"] == 30.0


def test_a_scoring_in_the_shadow_is_a_row_of_its_own(book, store):
    book.know("r2", CLEAR)
    note(book, asked("a"))
    book.record(asked("a"), answered(release="r2", arm="challenger"), time.perf_counter(), shadow=True)
    kept(book)
    assert read(store).select("arm", "release", "shadow").rows() == [
        ("champion", "r1", False),
        ("challenger", "r2", True),
    ]


def test_rows_that_were_refused_or_that_the_fallback_answered_are_told_apart(book, store):
    book.record(asked("a", (1.0, 2.0)), answered(2, refused=(1,)), time.perf_counter())
    book.record(asked("b", (1.0, 2.0, 3.0)), answered(3, fell_back=(0, 2)), time.perf_counter())
    kept(book)
    assert read(store).select("answered_by", "refused").rows() == [
        ("champion", False),
        ("champion", True),
        ("fallback", False),
        ("champion", False),
        ("fallback", False),
    ]


def test_releases_with_other_inputs_are_read_together(book, store):
    book.know("r2", Columns((Input("age", "age", "int64", "clear"), Input("size", "size", "double", "clear"))))
    book.know("r3", Columns((Input("age", "age", "string", "clear"),)))
    note(book, asked("a"))
    other = asked("b")
    other = type(other)("m", {"age": np.array([7]), "size": np.array([1.5])}, 1, "b")
    book.record(other, answered(release="r2"), time.perf_counter())
    kept(book)
    assert read(store).select("input.age", "input.town", "input.size").rows() == [(30.0, "Ulm", None), (7.0, None, 1.5)]
    third = type(other)("m", {"age": np.array(["old"], dtype=object)}, 1, "c")
    book.record(third, answered(release="r3"), time.perf_counter())
    kept(book)
    assert read(store)["input.age"].to_list() == ["30.0", "7", "old"]
    assert read(store, columns=["input.size"]).columns == ["time", "request_id", "row", "input.size"]


def test_what_cannot_be_written_is_null_and_spoils_no_other_row(book, store):
    odd = type(asked("b"))("m", {"age": np.array(["x"], dtype=object), "town": np.array([1.0])}, 1, "b\ud800")
    note(book, asked("a"), odd, asked("c"))
    kept(book)
    assert read(store).select("request_id", "input.age", "input.town").rows() == [
        ("a", 30.0, "Ulm"),
        ("b?", None, None),
        ("c", 30.0, "Ulm"),
    ]


def test_inputs_of_a_release_that_nobody_told_of_are_not_written(book, store):
    book.record(asked("a"), answered(release="unknown"), time.perf_counter())
    kept(book)
    assert not [name for name in read(store).columns if name.startswith(("input.", "hashed."))]


def roles(**given):
    return {"roles": {name: [role] for name, role in given.items()}}


@pytest.mark.parametrize(
    ("data", "log", "ways"),
    [
        ({}, PredictionLog(), {"age": "clear", "town": "clear", "iban": "clear"}),
        (roles(age="protected"), PredictionLog(), {"age": "hash", "town": "clear", "iban": "clear"}),
        (roles(iban="sensitive", town="lookup"), PredictionLog(), {"age": "clear", "town": "clear"}),
        (
            roles(iban="sensitive"),
            PredictionLog(sensitive="hash", leave_out=("age",)),
            {"town": "clear", "iban": "hash"},
        ),
        ({"roles": {"iban": ["protected", "sensitive"]}}, PredictionLog(), {"age": "clear", "town": "clear"}),
        ({}, PredictionLog(inputs=False), {}),
    ],
)
def test_the_roles_of_a_column_say_how_it_is_written(data, log, ways):
    assert {one.column: one.way for one in columns_of(SIGNATURE, data, log).inputs} == ways


def test_what_a_hidden_lookup_says_is_left_out():
    data = {"lookups": [{"source": "s", "key": "town", "columns": ["income"]}]}
    assert columns_of(SIGNATURE, data, PredictionLog()).left_out_outputs == frozenset()
    hidden = data | roles(income="protected")
    assert columns_of(SIGNATURE, hidden, PredictionLog()).left_out_outputs == {"looked_up"}


def test_a_hidden_value_is_in_no_file_in_clear(store, tmp_path, counts):
    columns = Columns((Input("age", "age", "double", "clear"), Input("town", "town", "string", "hash")))
    book = diary(store, tmp_path / "home", counts, r1=columns)
    note(book, asked("a", town="Niederstotzingen"), asked("b", town="Niederstotzingen"), asked("c", town=""))
    book.flush()
    spooled = b"".join(path.read_bytes() for path in book._spool.folder.iterdir())
    kept(book)
    found = read(store)
    assert b"Niederstotzingen" not in spooled
    assert not any("Niederstotzingen" in str(value) for row in found.rows() for value in row)
    assert found["hashed.town"][0] == found["hashed.town"][1]
    assert found["hashed.town"][2] is None
    assert "input.town" not in found.columns


def test_a_hash_tells_nothing_without_the_secret_of_its_store(tmp_path):
    one, other = (Hashing(store_secret(tmp_path, url)) for url in ("/here", "/there"))
    (found,) = one.texts("town", ["Ulm"]).to_pylist()
    guesses = {hashlib.blake2b(text, digest_size=16).hexdigest() for text in (b"Ulm", b"townUlm")}
    assert found not in guesses | set(other.texts("town", ["Ulm"]).to_pylist()) | set(
        one.texts("city", ["Ulm"]).to_pylist()
    )
    assert one.texts("age", np.array([7.0, np.nan])).to_pylist() == one.texts("age", [7, None]).to_pylist()
    assert Hashing(store_secret(tmp_path, "/here")).texts("town", ["Ulm"]).to_pylist() == [found]
    assert "secret" not in repr(one)


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    store_secret(tmp_path, "/here")
    (path,) = (tmp_path / "stores").glob("*.secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(CannotAsk, match="expected mode 0600"):
        store_secret(tmp_path, "/here")


def test_a_full_queue_drops_and_counts(store, tmp_path, counts):
    book = diary(store, tmp_path / "home", counts, Limits(waiting_rows=3, waiting_bytes=100))
    note(book, asked("a", (1.0, 2.0)), asked("b", (1.0, 2.0)), asked("c", (1.0, 2.0)), asked("d"))
    kept(book)
    assert read(store)["request_id"].to_list() == ["a", "a", "b", "b"]
    assert sample(counts, 'seatrial_gateway_log_dropped_rows_total{kind="predictions",why="queue full"}') == 3
    note(book, asked("e", size=99), asked("f", size=1), asked("g"))
    kept(book)
    assert read(store)["request_id"].to_list() == ["a", "a", "b", "b", "e", "f"]


def test_while_the_store_is_away_rows_wait_on_the_disk_up_to_a_bound(store, tmp_path, counts):
    away = Flaky(store)
    away.fails = "before"
    book = diary(away, tmp_path / "home", counts, Limits(spool_bytes=40_000))
    for number in range(40):
        note(book, asked(f"{number:02d}", np.arange(20.0)))
        kept(book)
    assert book.trouble == "the store is away"
    assert 30_000 < sum(path.stat().st_size for path in book._spool.folder.iterdir()) == book._spool.bytes <= 40_000
    away.fails = None
    kept(book)
    dropped = sample(counts, 'seatrial_gateway_log_dropped_rows_total{kind="predictions",why="spool full"}')
    assert 0 < dropped < 800
    assert len(read(store)) == 800 - dropped == sample(counts, "seatrial_gateway_log_rows_total")
    assert (book._spool.bytes, book.trouble) == (0, "")
    note(book, asked("after"))
    kept(book)
    assert read(store)["request_id"][-1] == "after"


def test_a_disk_that_takes_no_more_drops_and_counts_and_what_was_written_stays(book, store, counts, one_stretch):
    note(book, asked("a"))
    book.flush()
    (file,) = book._spool.folder.iterdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 100, limits[1]))
    try:
        note(book, asked("b"))
        book.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "File too large" in book.trouble
    note(book, asked("c"))
    kept(book)
    assert read(store)["request_id"].to_list() == ["a", "c"]
    assert sample(counts, 'seatrial_gateway_log_dropped_rows_total{kind="predictions",why="disk"}') == 1


def test_a_file_that_was_cut_off_anywhere_gives_the_pages_before_the_cut(book, one_stretch):
    for name in "abc":
        note(book, asked(name))
        book.flush()
    (file,) = book._spool.folder.iterdir()
    data = file.read_bytes()
    sizes = []
    for end in range(0, len(data), 7):
        found = read_spooled(data[:end])
        sizes.append(0 if found is None else found[1].num_rows)
    assert sizes == sorted(sizes)
    assert {*sizes} == {0, 1, 2}
    assert read_spooled(data)[1].num_rows == 3
    # After a loss of power a file can end in zeros.
    assert read_spooled(data[: len(data) - 1] + bytes(500))[1].num_rows >= 2


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests")
from diaries import Metrics, asked, diary, note
from infra.gateway.diary.diary import Limits
from infra.store import open_store
root = Path(sys.argv[1])
limits = Limits(flush_seconds=0.5, upload_seconds=float(sys.argv[2]))
book = diary(open_store(str(root / "store")), root / "home", Metrics(root / "metrics"), limits).start()
number = 0
while True:
    note(book, asked(f"{sys.argv[3]}{number:08d}"))
    print(number, time.time(), flush=True)
    number += 1
    time.sleep(0.002)
"""


def killed(root, upload_seconds, name, seconds):
    """Starts a real process that notes numbered rows, and kills it; the time at which it noted each."""
    command = [sys.executable, "-c", KILLED, str(root), str(upload_seconds), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        dead = time.time()
        lines = [line.split() for line in process.stdout.read().splitlines()]
    return {f"{name}{int(number):08d}": float(at) for number, at in (line for line in lines if len(line) == 2)}, dead


@pytest.mark.parametrize("upload_seconds", [0.1, 60])
def test_a_killed_process_loses_at_most_what_it_noted_since_the_last_flush(tmp_path, store, counts, upload_seconds):
    noted, dead = killed(tmp_path, upload_seconds, "a", 3.0)
    heirs = [diary(store, tmp_path / "home", counts).start() for _ in range(2)]
    for heir in heirs:
        heir.stop()
    found = read(store)["request_id"].to_list()
    lost = [name for name in noted if name not in {*found}]
    assert len(found) == len({*found}) > 200
    # A flush begins half a second after the last one ended; the rest is how long it took on a busy machine.
    assert all(noted[name] > dead - 0.5 - 1.5 for name in lost)
    assert lost == list(noted)[len(noted) - len(lost) :]
    assert not [*(tmp_path / "home" / "spool").glob("*/*/*")]


def test_what_a_living_process_has_not_brought_yet_nobody_else_brings(store, tmp_path, counts, book):
    note(book, asked("a"))
    book.flush()
    book._spool.close()
    other = diary(store, tmp_path / "home", counts)
    other.bring(other._spool.bring_left)
    assert len(read(store)) == 0
    book._spool.leave()
    other.bring(other._spool.bring_left)
    assert len(read(store)) == 1


def test_rows_that_come_late_are_read_late_and_once(store, tmp_path, counts):
    away = Flaky(store)
    book, other = diary(away, tmp_path / "home", counts), diary(store, tmp_path / "home", counts)
    reader = LogReader(store, "predictions", "m", datetime.now(UTC))
    away.fails = "after"
    note(book, asked("early"))
    kept(book)
    note(other, asked("late"))
    kept(other)
    assert sorted(reader.more()["request_id"]) == ["early", "late"]
    away.fails = "before"
    note(book, asked("later"))
    kept(book)
    assert reader.more()["request_id"].to_list() == []
    away.fails = None
    kept(book)
    assert reader.more()["request_id"].to_list() == ["later"]
    assert reader.more().is_empty()


@pytest.mark.xdist_group("s3")
def test_the_log_comes_to_a_bucket_whose_answers_get_lost(proxy, faulty_store, tmp_path, counts):
    book = diary(faulty_store, tmp_path / "home", counts)
    reader = LogReader(faulty_store, "predictions", "m", LONG_AGO)
    note(book, asked("a"))
    proxy.order("PUT", *[lose_answer] * 8, part="predictions")
    kept(book)
    kept(book)
    assert reader.more()["request_id"].to_list() == ["a"]
    proxy.orders.clear()
    note(book, asked("b"))
    proxy.order("PUT", *[lose_request] * 30, part="predictions")
    kept(book)
    assert book.trouble
    assert reader.more().is_empty()
    while book.trouble:
        kept(book)
    assert reader.more()["request_id"].to_list() == ["b"]


def test_a_part_of_the_log_is_read_by_time(store, tmp_path, counts, monkeypatch):
    book = diary(store, tmp_path / "home", counts)
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    for minutes in (-11, -1, 0, 9, 10, 1441):
        monkeypatch.setattr("infra.gateway.diary.diary.time", lambda at=minutes: midnight.timestamp() + at * 60)
        note(book, asked(f"{minutes:+05d}"))
        kept(book)

    def names(since, until=None):
        until = until if until is None else midnight + timedelta(minutes=until)
        return read_predictions(store, "m", midnight + timedelta(minutes=since), until)["request_id"].to_list()

    assert names(-11) == ["-0011", "-0001", "+0000", "+0009", "+0010", "+1441"]
    assert names(-10, 0) == ["-0001"]
    assert names(0, 10) == ["+0000", "+0009"]
    assert names(9.5, 1442) == ["+0010", "+1441"]
    assert names(1442) == []
    assert store.keys("predictions/")[0].startswith("predictions/m/2026-02-28/234000-")
    with pytest.raises(CannotAsk, match="time zone"):
        read_predictions(store, "m", datetime(2026, 3, 1))


def test_something_else_in_the_log_is_told(store):
    store.put_if_absent(f"predictions/m/{datetime.now(UTC):%Y-%m-%d}/235959-x.parquet", b"no Parquet")
    with pytest.raises(CannotAsk, match=r"235959-x.parquet: expected Parquet, found something else"):
        read(store)


def test_the_threads_write_and_bring_by_themselves(store, tmp_path, counts):
    book = diary(store, tmp_path / "home", counts).start()
    note(book, asked("a"))
    book.truths("m", [Truth("a", 0, "1.0", 1.0)], "lab")
    deadline = time.monotonic() + 20
    while len(store.keys("")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(read(store)) == len(read(store, "feedback")) == 1
    note(book, asked("b"))
    book.stop()
    assert len(read(store)) == 2
    assert sample(counts, 'seatrial_gateway_distrusted_rows_total{model="m",reason') is None
    assert sample(counts, "seatrial_gateway_spooled_bytes") == 0


def test_reasons_are_counted_by_kind_and_not_of_the_shadow(store, tmp_path, counts):
    columns = columns_of(SIGNATURE, {}, PredictionLog())
    book = diary(store, tmp_path / "home", counts, r1=columns)
    note(book, asked("a", (1.0, 2.0)))
    note(book, asked("b"), shadow=True)
    kept(book)
    name = "seatrial_gateway_distrusted_rows_total"
    assert sample(counts, f'{name}{{model="m",reason="missing"') == 2
    assert sample(counts, f'{name}{{model="m",reason="outside"') == 0
    assert sample(counts, f'{name}{{model="m",reason="unknown"') == 2


def test_the_log_is_no_garbage_and_no_trouble(store, tmp_path, counts, book):
    ledger = Ledger(store, tmp_path / "home")
    body = {"release": "r", "spec_digest": "s", "as_of": "t", "developers": [], "approvals_needed": 1}
    ledger.decide_and_append(lambda _: ("release started", "m", body))
    note(book, asked("a"))
    book.truths("m", [Truth("a", 0, "1.0", 1.0)], "lab")
    kept(book)
    assert {key.split("/")[0] for key in store.keys("")} >= {"predictions", "feedback", "ledger"}
    assert (garbage(store, timedelta(seconds=-1)), ledger.problems()) == ([], [])
    assert len(read(store)) == 1


ACTS = st.lists(
    st.sampled_from(["note", "flush", "close", "bring", "before", "after", "works", "crash", "adopt"]), max_size=25
)


@given(acts=ACTS, requests=st.integers(1, 3))
@rules(max_examples=60)
def test_law_what_was_safe_is_read_once_whatever_the_order_of_flush_failure_and_crash(
    tmp_path_factory, counts_folder, acts, requests
):
    root = tmp_path_factory.mktemp("law")
    store = Flaky(open_store(str(root / "store")))
    reader = LogReader(store, "predictions", "m", datetime.now(UTC) - timedelta(hours=1))
    book, safe, unsafe, found = diary(store, root / "home", counts_folder), [], [], []
    for number, act in enumerate(acts):
        if act == "note":
            names = [f"{number}-{at}" for at in range(requests)]
            note(book, *map(asked, names))
            unsafe += names
        if act == "flush":
            book.flush()
            safe, unsafe = safe + unsafe, []
        if act == "close":
            book._spool.close()
        if act == "bring":
            book.bring(book._spool.bring)
            found += reader.more()["request_id"].to_list()
        if act in ("before", "after", "works"):
            store.fails = None if act == "works" else act
        if act == "crash":
            # Its lock is free, its files are as they are.
            os.close(book._spool._lock)
            book, unsafe = diary(store, root / "home", counts_folder), []
        if act == "adopt":
            book.bring(book._spool.bring_left)
    store.fails = None
    kept(book)
    book.bring(book._spool.bring_left)
    found += reader.more()["request_id"].to_list()
    assert sorted(found) == sorted(safe + unsafe)
    os.close(book._spool._lock)


@pytest.fixture(scope="module")
def counts_folder(tmp_path_factory):
    return Metrics(tmp_path_factory.mktemp("metrics"))


@given(
    cells=st.lists(
        st.tuples(
            st.lists(st.floats(allow_subnormal=False), min_size=1, max_size=3),
            st.text(max_size=4),
        ),
        min_size=1,
        max_size=5,
    )
)
@rules(max_examples=40)
def test_law_every_value_comes_back_as_it_was_sent(tmp_path_factory, counts_folder, cells):
    root = tmp_path_factory.mktemp("law")
    store = open_store(str(root / "store"))
    book = diary(store, root / "home", counts_folder)
    note(book, *(asked(str(at), ages, town) for at, (ages, town) in enumerate(cells)))
    kept(book)
    found = read(store)
    sent = [(age, town) for ages, town in cells for age in ages]
    assert [repr(age) for age in found["input.age"]] == [repr(age) for age, _ in sent]
    assert found["input.town"].to_list() == [town for _, town in sent]
    book._spool.leave()


def test_a_folder_that_is_being_made_is_not_mistaken_for_a_dead_ones(tmp_path, store):
    first = Spool(tmp_path / "spool", 1000)
    (tmp_path / "spool" / "newborn").mkdir()
    assert first.bring_left(store) == 0
    assert not (tmp_path / "spool" / "newborn").exists()
    assert first.folder.exists()
    assert Path(Spool(tmp_path / "spool", 1000).folder).exists()
