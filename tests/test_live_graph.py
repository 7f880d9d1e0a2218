"""A package with live lookups: what it does with live values, with none, and with what is wrong about them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_packages import LIVE, NAN, package_of, table_of

from expectations.errors import CannotAsk
from expectations.live import FRESH, NOT_ASKED, STALE, UNANSWERED, UNKNOWN
from infra.packages import golden_records, replay
from tasks.guards.live_proof import planted_live, replay_live, with_live
from tasks.guards.looking_up import check_inputs
from tasks.guards.lookups import found_values, replay_lookups
from tasks.guards.plan import KINDS

ROWS = pd.DataFrame({"town": [None], "rooms": [5.0]})


@pytest.fixture(scope="module")
def package():
    return package_of(table_of())


def ask(package, towns, income=NAN, schools=NAN, state=NOT_ASKED):
    rows = pd.DataFrame({"town": towns, "rooms": 5.0})
    live = {"live/income": income, "live/schools": schools, "live state/towns": state}
    answer = package.answers(rows.assign(**live))
    names = np.array(package.signature["reasons"]["flags"], dtype=object)
    return answer, [set(names[row]) & TOLD for row in answer["flags"]]


TOLD = {"unknown:town in towns", "stale:towns", "unanswered:towns", "missing:live income", "missing:live schools"}


def test_who_looks_nothing_up_sends_the_key_alone_and_gets_what_is_frozen(package):
    rows = pd.DataFrame({"town": ["a", "c", "nowhere"], "rooms": 5.0})
    assert package.sent == {"rooms": "double", "town": "string"}
    np.testing.assert_array_equal(package.answers(rows)["looked_up"], [[1, 2], [5, NAN], [9, NAN]])
    with_nothing, told = ask(package, ["a", "c", "nowhere"])
    for name, values in package.answers(rows).items():
        np.testing.assert_array_equal(values, with_nothing[name])
    assert told == [set(), set(), {"unknown:town in towns"}]


def test_the_inputs_of_live_values_are_marked_and_stand_last(package):
    inputs = package.signature["inputs"]
    assert [(i["column"], i["type"], i.get("live")) for i in inputs[2:]] == [
        ("live/income", "double", "towns"),
        ("live/schools", "double", "towns"),
        ("live state/towns", "int64", "towns"),
    ]
    assert package.signature["live_lookups"] == [
        {"source": "towns", "key": "town", "kind": "string", "columns": ["income", "schools"], "live": dict(LIVE)}
    ]


@pytest.mark.parametrize(
    ("town", "sent", "looked_up", "told"),
    [
        ("a", (7, 8, FRESH), [7, 8], set()),
        ("nowhere", (7, 8, FRESH), [7, 8], set()),
        ("a", (7, NAN, FRESH), [7, 2], {"missing:live schools"}),
        ("c", (7, NAN, FRESH), [7, NAN], set()),
        ("a", (7, 8, STALE), [7, 8], {"stale:towns"}),
        ("a", (NAN, NAN, UNANSWERED), [1, 2], {"unanswered:towns"}),
        ("nowhere", (NAN, NAN, UNANSWERED), [9, NAN], {"unanswered:towns", "unknown:town in towns"}),
        ("a", (NAN, NAN, UNKNOWN), [1, 2], {"unknown:town in towns"}),
        ("a", (NAN, NAN, 99), [1, 2], {"unknown:town in towns"}),
        ("a", (NAN, NAN, -99), [1, 2], {"unknown:town in towns"}),
    ],
)
def test_a_live_value_goes_before_the_frozen_one_and_each_fault_has_its_reason(package, town, sent, looked_up, told):
    answer, reasons = ask(package, [town], *sent)
    np.testing.assert_array_equal(answer["looked_up"], [looked_up])
    assert reasons == [told]
    if told:
        assert not answer["trusted"][0, 0]


def test_stale_and_unanswered_have_bits_of_their_own_after_the_others(package):
    assert package.signature["reasons"]["bits"] == list(KINDS[:8])
    assert KINDS[6:8] == ("stale", "unanswered")
    for state, bit in ((STALE, 64), (UNANSWERED, 128)):
        answer, _ = ask(package, ["a"], 5, 5, state)
        assert answer["reasons"][0, 0] & (64 | 128) == bit
        assert answer["in_domain"][0, 0]


def test_one_bad_live_value_is_one_rows_affair(package):
    answer, told = ask(package, ["a", "a", "b"], [np.inf, 1, 3], [2, 2, 4], [FRESH, 123, FRESH])
    assert told == [set(), {"unknown:town in towns"}, set()]
    assert np.isfinite(answer["prediction"]).all()


numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)) | st.just(NAN)
texts = st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1), min_size=2, unique=True)
whole = st.lists(st.integers(-(2**53), 2**53), min_size=2, unique=True)


@settings(max_examples=25)
@given(st.data())
def test_frozen_and_live_give_the_same_answers_for_every_table(data):
    keys = data.draw(texts | whole)[:8]
    cells = np.array(data.draw(st.lists(st.tuples(numbers, numbers), min_size=len(keys), max_size=len(keys))))
    cells[0] = 1.0
    table = table_of(keys, cells)
    assert not replay_lookups(package_of(table), [table], ROWS).any()


def test_the_proof_sees_each_way_to_take_a_live_value_wrongly(monkeypatch):
    from tasks.guards import looking_up

    table = table_of()
    asked = pd.DataFrame({"town": ["a", "b", "c", "nowhere"], "rooms": 5.0})
    known, frozen = np.array([True, True, True, False]), found_values(table, asked["town"])
    assert not replay_live(package_of(table), table, asked, frozen, known).any()
    for state in (NOT_ASKED, FRESH, STALE, UNANSWERED, UNKNOWN):
        for side, at in ((0, 0), (1, 1), (1, 2), (0, 3)):
            judged = [[list(row) for row in pair] for pair in looking_up.JUDGED.values()]
            judged[state][side][at] ^= 1
            monkeypatch.setattr(looking_up, "JUDGED", dict(enumerate(judged)))
            assert replay_live(package_of(table), table, asked, frozen, known).any(), (state, side, at)
            monkeypatch.undo()


def test_golden_records_hold_every_state_and_are_replayed(package):
    rows = planted_live(pd.DataFrame({"town": ["a", "z"], "rooms": [5.0, 6.0]}), [table_of()])
    assert rows["live state/towns"].tolist() == [0, 0, 1, 1, 2, 3, 4]
    golden = golden_records(package, rows)
    assert replay(package, golden) == []
    golden["outputs"]["looked_up"][4][0] += 0.1
    assert replay(package, golden) == [4]


def test_whole_numbers_are_keys_too():
    table = table_of((7, -1, 2**53), live=None)
    package = package_of(table)
    assert package.sent == {"rooms": "double", "town": "double"}
    asked = pd.DataFrame({"town": [7, -1.0, 2.0**53, 7.5, NAN, np.inf], "rooms": 5.0})
    answer = package.answers(asked)
    expected = [[1, 2], [3, 4], [5, NAN], [9, NAN], [9, NAN], [9, NAN]]
    np.testing.assert_array_equal(answer["looked_up"], expected)
    assert not replay_lookups(package, [table], ROWS).any()


def test_a_column_that_is_called_like_a_live_input_is_refused():
    with pytest.raises(CannotAsk, match="live/income: the package's own input has this name"):
        check_inputs({"live/income": "double"}, [table_of()])


def test_rows_with_live_values_are_what_a_gateway_sends_on():
    rows = with_live(table_of(), pd.DataFrame({"town": ["a"]}), np.array([[1.0, 2.0]]), STALE)
    assert rows.to_dict("records") == [{"town": "a", "live/income": 1.0, "live/schools": 2.0, "live state/towns": 2}]
