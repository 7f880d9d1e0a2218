"""Ground truth: what is taken, how it is joined with predictions, and what happens to contradictions and reports."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl
import pytest
from diaries import answered, asked, diary, metrics, note, read
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from expectations.errors import Away, CannotAsk
from infra.gateway.contract import Turned
from infra.gateway.desk.desk import LedgerDesk
from infra.gateway.diary.diary import Limits
from infra.gateway.diary.reports import MOST_CALLERS, Reports
from infra.gateway.diary.truths import Truth, read_truths
from infra.ledger import Ledger
from infra.prediction_log import read_feedback, truth_sources, with_truth
from infra.store import open_store

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def book(store, tmp_path):
    return diary(store, tmp_path / "home", metrics(tmp_path))


def kept(book):
    book.flush()
    book._spool.close()
    book.bring(book._spool.bring)


@pytest.mark.parametrize(
    ("sent", "taken"), [("yes", "yes"), (1, "1"), (1.0, "1"), (True, "1"), ("0", "0"), (0, "0"), (False, "0")]
)
def test_a_label_is_taken_however_it_is_written(sent, taken):
    (found,) = read_truths([{"request_id": "a", "truth": sent}], ("0", "1", "yes"))
    assert (found.truth, found.number, found.row) == (taken, None, 0)


@pytest.mark.parametrize("truth", ["2", 2, None, "", [1], {"label": 1}, float("nan")])
def test_a_class_that_the_model_does_not_know_is_refused(truth):
    with pytest.raises(Turned, match=r"feedback 0: truth: expected one of 0, 1, found") as refused:
        read_truths([{"request_id": "a", "truth": truth}], ("0", "1"))
    assert refused.value.status == 400


def test_a_number_is_the_truth_of_a_regression():
    (found,) = read_truths([{"request_id": "a", "row": 3, "truth": 7, "value": -2}], ())
    assert found == Truth("a", 3, "7.0", 7.0, -2.0)


@pytest.mark.parametrize("truth", [float("nan"), float("inf"), 10**400, "7", True, None, [7]])
def test_what_is_no_finite_number_is_no_truth_of_a_regression(truth):
    with pytest.raises(Turned, match="truth: expected a finite number"):
        read_truths([{"request_id": "a", "truth": truth}], ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request_id": ""}, "request_id: expected a text of 1 to 200"),
        ({"request_id": 7}, "request_id: expected a text"),
        ({"request_id": "x" * 201}, "request_id: expected a text"),
        ({"row": -1}, "row: expected the row's number"),
        ({"row": True}, "row: expected the row's number"),
        ({"row": 1.5}, "row: expected the row's number"),
        ({"row": 1 << 31}, "row: expected the row's number"),
        ({"value": "much"}, "value: expected a finite number"),
        ({"value": float("inf")}, "value: expected a finite number"),
        ({"label": 1}, "expected request_id, row, truth, value, found"),
    ],
)
def test_what_is_no_feedback_is_told(change, words):
    with pytest.raises(Turned, match=words):
        read_truths([{"request_id": "a", "truth": 1.0} | change], ())


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_taken():
    sent = [{"request_id": "a", "truth": 1}, *({"request_id": "b", "truth": "x"} for _ in range(12)), "odd"]
    with pytest.raises(Turned) as refused:
        read_truths(sent, ())
    assert "feedback 0:" not in refused.value.words
    assert "feedback 1: truth" in refused.value.words
    assert refused.value.words.endswith("And 3 more.")


def test_feedback_that_has_no_room_is_to_come_again(store, tmp_path):
    book = diary(store, tmp_path / "home", metrics(tmp_path), Limits(waiting_rows=2))
    book.truths("m", [Truth("a", 0, "1"), Truth("b", 0, "1")], "lab")
    with pytest.raises(Turned) as refused:
        book.truths("m", [Truth("c", 0, "1")], "lab")
    assert (refused.value.status, refused.value.after) == (503, 2)
    kept(book)
    book.truths("m", [Truth("c", 0, "1")], "lab")
    kept(book)
    assert read_feedback(store, "m", LONG_AGO)["request_id"].to_list() == ["a", "b", "c"]


def test_what_a_source_says_again_counts_once(book, store):
    for _ in range(3):
        book.truths("m", [Truth("a", 0, "1", value=2.0)], "lab")
        kept(book)
    book.truths("m", [Truth("a", 0, "1", value=2.0)], "shop")
    kept(book)
    assert read_feedback(store, "m", LONG_AGO).select("request_id", "source").rows() == [("a", "lab"), ("a", "shop")]


def test_predictions_get_the_first_truth_and_later_contradictions_are_told_apart(book, store):
    note(book, asked("a", (1.0, 2.0)), asked("b"))
    book.truths("m", [Truth("a", 0, "yes")], "lab")
    kept(book)
    book.truths("m", [Truth("a", 0, "no", value=9.0), Truth("b", 0, "no"), Truth("z", 0, "no")], "shop")
    kept(book)
    book.truths("m", [Truth("a", 0, "yes", value=5.0)], "lab")
    kept(book)
    found = with_truth(read(store), read_feedback(store, "m", LONG_AGO))
    columns = ("request_id", "row", "truth", "truth_source", "value", "contradictions")
    assert found.select(*columns).rows() == [
        ("a", 0, "yes", "lab", 5.0, 1),
        ("a", 1, None, None, None, 0),
        ("b", 0, "no", "shop", None, 0),
    ]
    assert truth_sources(read_feedback(store, "m", LONG_AGO)).rows() == [("lab", 1, 1, 0), ("shop", 3, 2, 1)]


def test_champion_and_shadow_get_the_same_truth(book, store):
    note(book, asked("a"))
    book.record(asked("a"), answered(release="r2", arm="challenger"), time.perf_counter(), shadow=True)
    book.truths("m", [Truth("a", 0, "yes")], "lab")
    kept(book)
    found = with_truth(read(store), read_feedback(store, "m", LONG_AGO))
    assert found.select("arm", "truth").rows() == [("champion", "yes"), ("challenger", "yes")]


def test_without_feedback_and_without_predictions_the_columns_are_there(store):
    found = with_truth(read(store), read_feedback(store, "m", LONG_AGO))
    assert found.is_empty()
    assert {"truth", "truth_number", "value", "truth_source", "truth_time", "contradictions"} <= {*found.columns}
    assert truth_sources(read_feedback(store, "m", LONG_AGO)).is_empty()


def test_the_desk_counts_by_source_what_it_takes_and_refuses(store, tmp_path):
    counts = metrics(tmp_path)
    book = diary(store, tmp_path / "home", counts)
    releases = {"r1": SimpleNamespace(classes=("0", "1")), "r2": SimpleNamespace(classes=("0", "1", "2"))}
    following = SimpleNamespace(posts={"m": SimpleNamespace(abouts=releases)}, models=("m",))
    desk = LedgerDesk(following, book, None, counts, None)
    assert desk.feedback("m", [{"request_id": "a", "truth": 1}, {"request_id": "b", "truth": "2"}], "lab") == 2
    with pytest.raises(Turned, match="expected one of 0, 1, 2, found '3'"):
        desk.feedback("m", [{"request_id": "a", "truth": 1}, {"request_id": "b", "truth": "3"}], "shop")
    with pytest.raises(Turned, match="not served here"):
        desk.feedback("other", [{"request_id": "a", "truth": 1}], "shop")
    kept(book)
    assert read_feedback(store, "m", LONG_AGO)["source"].to_list() == ["lab", "lab"]
    assert b'feedback_total{model="m",outcome="refused",source="shop"} 2.0' in counts.text()[0]
    assert b'feedback_total{model="m",outcome="taken",source="lab"} 2.0' in counts.text()[0]


SAID = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.integers(0, 1), st.sampled_from(["yes", "no"]), st.sampled_from(["lab", "shop"])
    ),
    max_size=8,
)


@given(said=SAID, again=st.randoms())
@rules(max_examples=60)
def test_law_the_order_of_reading_and_replays_change_no_truth(said, again):
    frame = pl.DataFrame(
        [
            (datetime(2026, 1, 1, 0, 0, at, tzinfo=UTC), name, row, "m", source, truth, None, None)
            for at, (name, row, truth, source) in enumerate(said)
        ],
        schema={
            "time": pl.Datetime("us", "UTC"),
            "request_id": pl.String,
            "row": pl.Int32,
            "model": pl.String,
            "source": pl.String,
            "truth": pl.String,
            "truth_number": pl.Float64,
            "value": pl.Float64,
        },
        orient="row",
    )
    predictions = pl.DataFrame({"request_id": ["a", "a", "b", "c"], "row": pl.Series([0, 1, 0, 0], dtype=pl.Int32)})
    order = [*range(len(said))]
    again.shuffle(order)
    replayed = pl.concat([frame[order], frame.with_columns(pl.col("time") + pl.duration(days=1))])
    once = replayed.sort("time").unique(["request_id", "row", "source", "truth", "value"], keep="first")
    first = with_truth(
        predictions, frame.sort("time").unique(["request_id", "row", "source", "truth", "value"], keep="first")
    )
    assert with_truth(predictions, once).equals(first)
    assert first.height == 4
    expected = {}
    for name, row, truth, _ in said:
        expected.setdefault((name, row), truth)
    assert {(n, r): t for n, r, t in first.select("request_id", "row", "truth").rows() if t} == {
        key: truth for key, truth in expected.items() if key != ("b", 1)
    }


class Book:
    """Where reports are recorded, as ordered: refused, away, or taken."""

    def __init__(self):
        self.bodies, self.fails = [], None

    def append(self, model, body):
        if self.fails:
            raise self.fails
        self.bodies.append((model, body))


def waited(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_the_first_report_is_recorded_at_once_and_a_flood_after_it_in_one_record(tmp_path):
    book = Book()
    reports = Reports(book.append, metrics(tmp_path), every_seconds=0.5).start()
    reports.report("m", "  negative\n price ", "a", "web")
    assert waited(lambda: len(book.bodies) == 1)
    assert book.bodies[0] == (
        "m",
        {
            "words": "negative price",
            "by": "web",
            "count": 1,
            "reports": [{"by": "web", "words": "negative price", "request_id": "a", "count": 1}],
        },
    )
    for number in range(500):
        reports.report("m", "again" + "!" * 5000, "b", f"caller {number % 100}")
    reports.report("n", "other model", None, "web")
    assert waited(lambda: len(book.bodies) == 3)
    (other,) = (body for model, body in book.bodies if model == "n")
    assert other["count"] == 1
    flood = book.bodies[-1][1] if book.bodies[-1][0] == "m" else book.bodies[-2][1]
    assert (flood["count"], len(flood["reports"]), len(flood["words"])) == (500, MOST_CALLERS, 1000)
    assert flood["reports"][0]["count"] == 5
    reports.stop()
    assert len(book.bodies) == 3


def test_reports_wait_for_a_store_that_is_away(tmp_path):
    book = Book()
    book.fails = Away("away")
    reports = Reports(book.append, metrics(tmp_path), every_seconds=0.05).start()
    reports.report("m", "one", "a", "web")
    time.sleep(0.2)
    reports.report("m", "two", "b", "web")
    reports.report("m", "three", "c", "shop")
    book.fails = None
    assert waited(lambda: book.bodies)
    reports.stop()
    assert sum(body["count"] for _, body in book.bodies) == 3
    assert book.bodies[0][1]["words"] == "one"


def test_a_report_that_is_refused_does_not_stop_the_next(tmp_path):
    book = Book()
    book.fails = CannotAsk("no such model")
    counts = metrics(tmp_path)
    reports = Reports(book.append, counts, every_seconds=0.05).start()
    reports.report("m", "one", None, "web")
    assert waited(lambda: b'outcome="lost"} 1' in counts.text()[0])
    book.fails = None
    reports.report("m", "two", None, "web")
    reports.stop()
    assert [body["words"] for _, body in book.bodies] == ["two"]


def test_a_report_without_words_is_turned_away(tmp_path):
    with pytest.raises(Turned, match="a report says what was seen"):
        Reports(Book().append, metrics(tmp_path)).report("m", " \n", None, "web")


def test_a_report_is_a_record_of_the_ledger(store, tmp_path):
    ledger = Ledger(store, tmp_path / "home")
    body = {"release": "r", "spec_digest": "s", "as_of": "t", "developers": [], "approvals_needed": 1}
    ledger.decide_and_append(lambda _: ("release started", "m", body))

    def append(model, body):
        ledger.decide_and_append(lambda _: ("misbehaviour reported", model, body))

    reports = Reports(append, metrics(tmp_path)).start()
    reports.report("m", "it says 1000 for everybody", "a", "web")
    reports.stop()
    last = ledger.read()[-1]
    assert (last.kind, last.model, last.body["count"]) == ("misbehaviour reported", "m", 1)
