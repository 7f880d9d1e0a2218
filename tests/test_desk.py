"""The desk, asked directly: who answers, and what becomes of the answer."""

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from served import BAD, GOOD, Written, class_graph, failing_graph, needy_graph, price_graph, slow_graph

from infra.gateway.contract import Asked, Turned
from infra.gateway.desk.buckets import Buckets
from infra.gateway.desk.desk import LedgerDesk
from infra.gateway.desk.following import Following
from infra.gateway.diary.metrics import Metrics
from infra.trust import Trust

HALF, ALL, SHADOW = {"share": 0.5}, {"share": 1.0}, {"share": 0.0, "shadow": True}


class Noted:
    """A diary that keeps what it was told in a list."""

    def __init__(self):
        self.noted = []

    def record(self, asked, answered, started, **told):
        self.noted.append(SimpleNamespace(asked=asked, answered=answered, **told))


class Bench(Written):
    """A store, and a desk that follows it whenever it is told to."""

    def __init__(self, folder, account="home"):
        super().__init__(folder)
        self.metrics, self.diary = Metrics(folder / "metrics"), Noted()
        account, trust = folder / account, Trust(self.home)
        self.following = Following(self.store, account, ("cars",), self.metrics, lambda loaded: None, trust)
        self.desk = LedgerDesk(self.following, self.diary, None, self.metrics, Buckets())

    def follow(self):
        self.following.step()
        return self

    def ask(self, *records, key=None, caller="anna", version=None, **more):
        return asyncio.run(self.desk.answer(asked(*records, key=key, caller=caller, version=version, **more)))

    def counted(self, name):
        lines = self.metrics.text()[0].decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"seatrial_gateway_{name}_total"))


def test_without_tokens_a_limit_is_for_an_address(bench):
    bench.promoted("r1", price_graph(), {"records_per_minute": 60, "burst": 1})
    bench.follow()
    one, other = (replace(asked(caller="anonymous"), peer=peer) for peer in ("10.0.0.1", "10.0.0.2"))
    asyncio.run(bench.desk.answer(one))
    with pytest.raises(Turned, match="more than 60 records a minute"):
        asyncio.run(bench.desk.answer(one))
    assert asyncio.run(bench.desk.answer(other)).release == "r1"


def test_what_nobody_answers_is_written_down_as_well(bench):
    bench.promoted("r1", failing_graph(), record={"year": 1990.0})
    bench.follow()
    bench.ask({"year": 1990.0})
    with pytest.raises(Turned) as turned:
        bench.ask({"year": 2050.0})
    with pytest.raises(Turned, match="year"):
        asyncio.run(bench.desk.answer(replace(asked(), tensors={})))
    good, bad = bench.diary.noted
    assert (turned.value.status, good.answered.release) == (500, "r1")
    assert (bad.answered, bad.fell_to, "could not score" in bad.error) == (None, ("champion", "r1"), True)


def asked(*records, key=None, caller="anna", version=None, **more):
    rows = [{**GOOD, **record} for record in (records or [{}])]
    tensors = {name: np.array([row[name] for row in rows]) for name in ("year", "weight kg")}
    tensors["make"] = np.array([row["make"] for row in rows], dtype=object)
    tensors |= {name: np.array(values, dtype=object) for name, values in more.items()}
    return Asked("cars", tensors, len(rows), "id", key, caller, version)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    made = Bench(tmp_path)
    yield made
    made.metrics.close()


def price(bench, *records, **more):
    return bench.ask(*records, **more).outputs["prediction"][:, 0].tolist()


def test_nothing_is_served_before_a_promotion_and_then_it_is(bench):
    assert not bench.follow().desk.ready()
    with pytest.raises(Turned, match="cars is not served yet: no release of it was promoted") as turned:
        bench.ask()
    assert turned.value.status == 503
    bench.promoted("r1", price_graph())
    assert bench.follow().desk.ready()
    answered = bench.ask()
    assert (answered.release, answered.arm, answered.notes) == ("r1", "champion", ())
    assert bench.diary.noted[0].answered.release == "r1"
    assert bench.counted("requests") == 2


def test_another_model_is_not_found(bench):
    with pytest.raises(Turned, match="horses is not served here") as turned:
        asyncio.run(bench.desk.answer(Asked("horses", {}, 1, "id")))
    assert turned.value.status == 404


def rolling_out(bench, *stages, champion=None, graph=None, serving=None, record=GOOD, seconds=3600.0):
    bench.promoted("r1", price_graph(), champion)
    bench.approved("r2", graph or price_graph(factor=2.0), serving, record)
    bench.rolled_out("r2", *stages, seconds=seconds)
    return bench.follow()


def test_a_share_of_the_keys_gets_the_challenger_and_keeps_it(bench):
    rolling_out(bench, {"share": 0.25}, HALF)
    first = {key: bench.ask(key=key).arm for key in map(str, range(200))}
    assert 25 <= list(first.values()).count("challenger") <= 75
    bench.stage("r2", 1)
    bench.follow()
    second = {key: bench.ask(key=key).arm for key in first}
    assert 70 <= list(second.values()).count("challenger") <= 130
    assert all(second[key] == "challenger" for key, arm in first.items() if arm == "challenger")


def test_the_key_can_be_a_value_that_the_caller_sends_and_a_batch_has_one_answerer(bench):
    rolling_out(bench, HALF, champion={"key": "customer"})
    assert "customer" in [tensor.name for tensor in bench.desk.about("cars").also]
    arms = [[bench.ask(customer=[number]).arm for _ in range(3)] for number in range(30)]
    assert all(len(set(three)) == 1 for three in arms)
    assert len({three[0] for three in arms}) == 2
    assert len(bench.ask({}, {}, {}, customer=[1, 2, 3]).outputs["prediction"]) == 3


def test_a_group_gets_the_challenger_first(bench):
    rolling_out(bench, {"share": 0.0, "groups": [{"column": "make", "values": ["Fiat"]}]})
    assert [bench.ask({"make": make}).arm for make in ("Fiat", "Saab")] == ["challenger", "champion"]


def test_a_challenger_ends_when_its_lease_does(bench):
    rolling_out(bench, ALL, seconds=1.0)
    assert bench.ask().arm == "challenger"
    time.sleep(1.0)
    assert bench.ask().arm == "champion"
    bench.stage("r2", 0)
    assert bench.follow().ask().arm == "challenger"


@pytest.mark.parametrize(
    ("graph", "record", "words"),
    [(failing_graph(), {"year": 1.0}, "Gather"), (needy_graph(), {"year": 1.0, "doors": 4.0}, "missing inputs: doors")],
)
def test_a_challengers_error_is_answered_by_the_champion_and_counted(bench, graph, record, words):
    rolling_out(bench, ALL, graph=graph, record=record)
    assert bench.ask().arm == "champion"
    assert bench.counted("challenger_failures") == 1
    [noted] = bench.diary.noted
    assert noted.fell_to == ("challenger", "r2")
    assert words in noted.error
    assert noted.answered.release == "r1"


def test_a_challenger_that_takes_too_long_is_answered_by_the_champion(bench):
    rolling_out(bench, ALL, graph=slow_graph(), serving={"timeout_ms": 5}, record={"year": 1.0})
    assert bench.ask().arm == "champion"
    assert bench.diary.noted[0].error == "took too long"


def test_a_slow_release_does_not_hold_up_the_event_loop(bench):
    bench.promoted("r1", slow_graph(), record={"year": 1.0})
    assert bench.follow().following.posts["cars"].champion.inline_rows == 0

    async def longest_wait():
        answering, waits = asyncio.ensure_future(bench.desk.answer(asked())), []
        while not answering.done():
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            waits.append(time.perf_counter() - began)
        return len(waits)

    assert asyncio.run(longest_wait()) > 5


def test_more_than_the_queue_takes_is_shed(bench):
    bench.promoted("r1", slow_graph(), record={"year": 1.0})
    bench.follow()

    async def crowd():
        return await asyncio.gather(*(bench.desk.answer(asked()) for _ in range(60)), return_exceptions=True)

    shed = [one for one in asyncio.run(crowd()) if isinstance(one, Turned)]
    assert 0 < len(shed) < 60
    assert {(one.status, one.after) for one in shed} == {(503, 1)}


def test_a_shadow_is_scored_and_answers_nobody(bench):
    rolling_out(bench, SHADOW)

    async def ask():
        answered = await bench.desk.answer(asked())
        noted = len(bench.diary.noted)
        await asyncio.sleep(0.1)
        return answered, noted

    answered, noted_before_the_answer = asyncio.run(ask())
    assert (answered.arm, noted_before_the_answer) == ("champion", 1)
    assert [(note.answered.release, note.shadow) for note in bench.diary.noted[1:]] == [("r2", True)]


def test_shadows_are_bounded_and_what_is_dropped_is_counted(bench):
    rolling_out(bench, SHADOW, graph=slow_graph(), record={"year": 1.0})

    async def crowd():
        return await asyncio.gather(*(bench.desk.answer(asked()) for _ in range(100)))

    assert {one.arm for one in asyncio.run(crowd())} == {"champion"}
    assert bench.counted("shadow_dropped") == 100 - 32


def test_a_version_can_be_asked_for_if_it_is_at_hand(bench):
    rolling_out(bench, HALF)
    assert bench.desk.about("cars").versions == ("r1", "r2")
    assert [bench.ask(version=name).release for name in ("r1", "r2")] == ["r1", "r2"]
    with pytest.raises(Turned, match=r"no version 'r3' here; there are r1, r2"):
        bench.ask(version="r3")
    with pytest.raises(Turned, match=r"no version 'r3' here; there are r1, r2"):
        bench.desk.about("cars", "r3")


def test_what_a_model_is_about_is_one_object_until_something_changes(bench):
    rolling_out(bench, HALF)
    about = bench.desk.about("cars")
    assert bench.follow().desk.about("cars") is about
    bench.mode("warn")
    assert bench.follow().desk.about("cars") is not about


def test_a_warning_is_in_every_answer(bench):
    bench.promoted("r1", price_graph())
    bench.mode("warn", "prices are being looked at")
    assert bench.follow().ask().notes == ("cars: prices are being looked at",)
    bench.mode("normal")
    assert bench.follow().ask().notes == ()


@pytest.mark.parametrize(("mode", "status"), [("refuse", 503), ("off", 404)])
def test_a_mode_in_which_nobody_answers_says_why(bench, mode, status):
    bench.promoted("r1", price_graph())
    bench.mode(mode, "prices fell by half")
    with pytest.raises(Turned, match="prices fell by half") as turned:
        bench.follow().ask()
    assert turned.value.status == status
    bench.mode("normal")
    assert bench.follow().ask().release == "r1"


def test_in_the_mode_fallback_the_fallback_answers_all_also_who_asks_for_the_champion(bench):
    bench.promoted("r1", price_graph())
    bench.promoted("r2", price_graph(factor=2.0))
    bench.mode("fallback", "r2 went wild", "r1")
    answered = bench.follow().ask()
    assert (answered.release, answered.arm, answered.notes) == (
        "r1",
        "fallback",
        ("answered by the fallback: r2 went wild",),
    )
    with pytest.raises(Turned, match="no version 'r2' here; there are r1"):
        bench.ask(version="r2")


def test_a_fallback_whose_package_is_lost_answers_nobody_rather_than_the_champion(bench, monkeypatch):
    package = bench.promoted("r1", price_graph())
    bench.promoted("r2", price_graph(factor=2.0))
    bench.store.blob_path(package).write_bytes(b"other bytes")
    bench.mode("fallback", "r2 went wild", "r1")
    monkeypatch.setenv("SEATRIAL_HOME", str(bench.folder / "another account"))
    with pytest.raises(Turned, match="that could not be loaded") as turned:
        Bench(bench.folder, "another account").follow().ask()
    assert turned.value.status == 503


def test_what_is_not_trusted_is_flagged_by_default(bench):
    bench.promoted("r1", price_graph())
    answered = bench.follow().ask({}, BAD)
    assert answered.outputs["trusted"][:, 0].tolist() == [True, False]
    assert np.isfinite(answered.outputs["prediction"]).all()
    assert answered.refused == ()


def test_refused_records_have_no_answer_and_their_batch_has(bench):
    bench.promoted("r1", price_graph(), {"on_distrust": "refuse"})
    alone = price(bench.follow())
    answered = bench.ask({}, BAD, {})
    said = answered.outputs["prediction"][:, 0]
    assert said[[0, 2]].tolist() == alone * 2
    assert np.isnan([said[1], answered.outputs["lower"][1, 0], answered.outputs["upper"][1, 0]]).all()
    assert answered.refused == (1,)
    assert answered.notes[0].startswith("record 1 not answered: outside:weight kg")


@pytest.mark.parametrize(("numbers", "datatype", "empty"), [(False, "BYTES", ""), (True, "FP64", None)])
def test_a_refused_label_is_empty_of_whatever_type_it_is(bench, numbers, datatype, empty):
    bench.promoted("r1", class_graph(numbers=numbers), {"on_distrust": "refuse"})
    answered = bench.follow().ask({}, BAD)
    good, refused = answered.outputs["prediction"][:, 0].tolist()
    assert good in ("dear", "cheap", 0.0, 1.0)
    assert refused == "" if empty == "" else np.isnan(refused)
    assert np.isnan(answered.outputs["probabilities"][1]).all()
    assert not answered.outputs["conformal_set"][1].any()
    assert next(t.datatype for t in bench.desk.about("cars").outputs if t.name == "prediction") == datatype


# The fallback knows this make, and the champion does not.
UNKNOWN = {"make": "Lada"}


def with_fallback(bench, fallback=None, record=GOOD):
    bench.promoted("r1", fallback or price_graph(factor=3.0, knows="Lada"), record=record)
    bench.promoted("r2", price_graph(), {"on_distrust": "fallback"})
    bench.mode("normal", "a test", "r1")
    return bench.follow()


def test_records_that_are_not_trusted_are_answered_by_the_fallback_one_by_one(bench):
    with_fallback(bench)
    mine, others = (bench.ask(GOOD, UNKNOWN, version=name) for name in ("r2", "r1"))
    assert mine.outputs["prediction"][0] != others.outputs["prediction"][0]
    assert mine.outputs["prediction"][1] == others.outputs["prediction"][1]
    assert (mine.arm, mine.refused, mine.fell_back) == ("champion", (), (1,))
    assert mine.notes == ("record 1 answered by the fallback r1: unknown:make",)
    assert mine.outputs["trusted"][:, 0].tolist() == [True, False]


def test_what_the_fallback_does_not_trust_either_has_no_answer(bench):
    answered = with_fallback(bench).ask(UNKNOWN, BAD, GOOD)
    assert (answered.refused, answered.fell_back) == ((1,), (0,))
    assert np.isnan(answered.outputs["prediction"][:, 0]).tolist() == [False, True, False]


@pytest.mark.parametrize(("fallback", "record"), [(class_graph(), GOOD), (needy_graph(), {"year": 1.0, "doors": 4.0})])
def test_a_fallback_of_another_kind_does_not_stand_in(bench, fallback, record):
    answered = with_fallback(bench, fallback, record).ask(UNKNOWN)
    assert answered.refused == (0,)
    assert "there is no fallback that can" in answered.notes[0]


def test_without_a_fallback_nothing_is_answered_for_what_is_not_trusted(bench):
    bench.promoted("r1", price_graph(), {"on_distrust": "fallback"})
    assert bench.follow().ask(BAD).refused == (0,)


def test_a_package_without_guards_cannot_refuse_and_does_not_serve(bench):
    bench.promoted("r1", needy_graph(), {"on_distrust": "refuse"}, {"year": 1.0, "doors": 4.0})
    assert not bench.follow().desk.ready()
    assert "its package has no guards to ask" in bench.desk.health()["problems"][0]


def test_callers_get_fewer_digits_or_the_prediction_alone(bench):
    bench.promoted("r1", price_graph(), {"outputs": "rounded", "decimals": 1, "full_outputs_for": ["auditor"]})
    [rounded], [full] = price(bench.follow()), price(bench, caller="auditor")
    assert rounded == round(full, 1) != full
    assert bench.diary.noted[0].answered.outputs["prediction"][0, 0] == full
    bench.promoted("r2", class_graph(), {"outputs": "label"})
    assert set(bench.follow().ask().outputs) == {"prediction", "trusted"}
    assert [tensor.name for tensor in bench.desk.about("cars").outputs] == ["prediction", "trusted"]


def test_a_caller_who_asks_for_too_many_records_waits_and_others_do_not(bench):
    bench.promoted("r1", price_graph(), {"records_per_minute": 60, "burst": 3})
    bench.follow().ask({}, {}, {}, {})
    with pytest.raises(Turned, match=r"more than 60 records a minute: come back in \d\.\d s") as turned:
        bench.ask()
    assert (turned.value.status, turned.value.after) == (429, 2)
    assert bench.ask(caller="bert").release == "r1"
    assert bench.counted("rate_limited") == 1


def test_a_caller_who_asks_at_the_boundary_is_told_of(bench, caplog):
    bench.promoted("r1", class_graph())
    odds = bench.follow().ask(*({"year": year, "weight kg": 2500 - 45 * (year - 1990)} for year in years()))
    chances = odds.outputs["probabilities"]
    assert not [words for words in caplog.messages if "is it being copied" in words]
    nearest = years()[int(np.abs(chances[:, 0] - 0.5).argmin())]
    record = {"year": nearest, "weight kg": 2500 - 45 * (nearest - 1990)}
    for _ in range(20):
        bench.ask(*[record] * 10, caller="mallory")
    told = [words for words in caplog.messages if "is it being copied" in words]
    assert told == ["cars: 100 % of the last records of mallory lie at a boundary of the model: is it being copied?"]
    assert bench.counted("boundary_hugging") >= 200


def years():
    return np.linspace(1990, 2020, 3001)
