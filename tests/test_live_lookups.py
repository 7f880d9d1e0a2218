"""Live lookups against real sources: SQLite, PostgreSQL and Redis, and all that goes wrong with them."""

import asyncio
import contextlib
import gc
import threading
import time

import numpy as np
import pytest
from live_sources import (
    QUERY,
    SECRET,
    Sqlite,
    live_of,
    postgresql_port,
    redis_port,
    secret,
    source_of,
)

from expectations.errors import Away, CannotAsk
from expectations.live import FRESH, NOT_ASKED, STALE, UNANSWERED, UNKNOWN
from infra.gateway.live import live_source
from infra.gateway.live.lookups import LiveLookups
from infra.sources.live import Looked, open_line

pytestmark = pytest.mark.xdist_group("postgresql")
COLUMNS = ["income", "schools"]
ROWS = {"a": (1.5, 2), "b": (3.25, None), "Ærø ' \" ; --": (5, 6), "null": (None, None)}
NAN = float("nan")
__all__ = ["postgresql_port", "redis_port", "secret"]
SLOW_SQLITE = (
    "with recursive n(i) as (select 1 union all select i + 1 from n where :key = 'slow') "
    "select income, schools from towns where town = :key and (:key <> 'slow' or (select count(*) from n) > 0)"
)


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def source(request, tmp_path):
    made = source_of(request.param, request, tmp_path)
    for town, values in ROWS.items():
        made.put(town, *values)
    return made


@pytest.fixture(params=["postgresql", "redis"])
def server(request, tmp_path):
    made = source_of(request.param, request, tmp_path)
    made.put("a", 1.5, 2)
    made.put("b", 3, 4)
    return made


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


@contextlib.contextmanager
def lookups_of(source, clock=time.monotonic, kind="string", **more):
    told = {"source": "towns", "key": "town", "kind": kind, "columns": COLUMNS}
    told |= {"live": live_of(source, **more).model_dump()}
    found = LiveLookups({"inputs": [{"column": "town", "input": "town"}], "live_lookups": [told]}, clock)
    try:
        yield found
    finally:
        found.close()


def towns(*keys):
    return {"town": np.array(keys, dtype=object).reshape(-1, 1), "other": np.zeros(len(keys))}


async def ask(lookups, *keys):
    """[(income, schools, state)] of the keys, missing as None."""
    filled = await lookups.fill(towns(*keys), len(keys))
    assert [filled[name].shape for name in INPUTS] == [(len(keys), 1)] * 3
    assert "other" in filled
    rows = zip(*(filled[name][:, 0].tolist() for name in INPUTS), strict=True)
    return [tuple(None if value != value else value for value in row) for row in rows]


INPUTS = ["live/income", "live/schools", "live state/towns"]


def test_each_key_gets_what_the_source_says_and_each_row_its_state(source):
    async def go():
        with lookups_of(source) as lookups:
            found = await ask(lookups, "a", "b", "nowhere", "", "a", "null", "Ærø ' \" ; --", "x" * 2000)
            assert found == [
                (1.5, 2, FRESH),
                (3.25, None, FRESH),
                (None, None, UNKNOWN),
                (None, None, NOT_ASKED),
                (1.5, 2, FRESH),
                (None, None, FRESH),
                (5, 6, FRESH),
                (None, None, NOT_ASKED),
            ]
            counts = lookups.counts()["towns"]
            assert (counts.asked, counts.unknown, counts.failed) == (5, 1, 0)
            expected = {"fresh": 4, "unknown": 1, "asked": 5}
            assert lookups.taken() == {("towns", what): count for what, count in expected.items()}
            assert lookups.taken() == {}

    asyncio.run(go())


def test_what_is_fresh_is_not_asked_again_and_waits_for_nothing(source):
    async def go():
        clock = Clock()
        with lookups_of(source, clock, cache_seconds=60) as lookups:
            assert lookups.needs_wait(towns("a"))
            await ask(lookups, "a")
            source.put("a", 7, 8)
            clock.at += 40
            assert not lookups.needs_wait(towns("a"))
            coroutine = lookups.fill(towns("a"), 1)
            with pytest.raises(StopIteration):  # It ended without giving the event loop back.
                coroutine.send(None)
            assert await ask(lookups, "a") == [(1.5, 2, FRESH)]
            clock.at += 21
            assert lookups.needs_wait(towns("a"))
            assert await ask(lookups, "a") == [(7, 8, FRESH)]

    asyncio.run(go())


def test_a_key_in_use_is_asked_again_ahead_of_time_and_nobody_waits(source):
    async def go():
        clock = Clock()
        with lookups_of(source, clock, cache_seconds=60) as lookups:
            await ask(lookups, "a")
            source.put("a", 7, 8)
            clock.at += 55
            assert await ask(lookups, "a") == [(1.5, 2, FRESH)]
            await eventually(lambda: not lookups._tables[0].source._asked)
            assert await ask(lookups, "a") == [(7, 8, FRESH)]
            assert lookups.counts()["towns"].asked == 1

    asyncio.run(go())


async def eventually(holds, seconds=20):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


def test_many_requests_for_one_key_are_one_question(source):
    async def go():
        with lookups_of(source) as lookups:
            lookups.warm()
            assert await asyncio.gather(*(ask(lookups, "a") for _ in range(50))) == [[(1.5, 2, FRESH)]] * 50
            assert lookups.counts()["towns"].fresh == 50
            assert len(lookups._tables[0].source._kept) == 1

    asyncio.run(go())


def test_without_a_cache_every_request_sees_what_is_there_now(source):
    async def go():
        with lookups_of(source, cache_seconds=0, stale_seconds=0) as lookups:
            for income in (1, 2, 3):
                source.put("a", income, 0)
                assert await ask(lookups, "a") == [(income, 0, FRESH)]

    asyncio.run(go())


def test_a_hanging_server_holds_no_request_longer_than_its_limit_nor_the_event_loop(server):
    async def go():
        clock = Clock()
        with lookups_of(server, clock, timeout_ms=400, cache_seconds=60, stale_seconds=600) as lookups:
            await warmed(lookups, "a")
            server.way.hold()
            clock.at += 61
            began, ticks = time.monotonic(), []
            found, _ = await asyncio.gather(ask(lookups, "a", "b"), ticking(ticks, 0.3))
            assert time.monotonic() - began < 1.5
            assert max(ticks) < 0.39
            assert found == [(1.5, 2, STALE), (None, None, UNANSWERED)]
            assert lookups.counts()["towns"].late == 1
            clock.at += 600
            assert await ask(lookups, "a") == [(None, None, UNANSWERED)]
            server.way.release()
            await eventually_fresh(lookups, clock)

    asyncio.run(go())


async def ticking(ticks, seconds):
    """How long the event loop was held up."""
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        await asyncio.sleep(0.01)
        ticks.append(time.monotonic() - now - 0.01)


async def warmed(lookups, key):
    """As production is warm before its first request, so that the limit is that of a question alone."""
    lookups.warm()
    for _ in range(100):
        if (await ask(lookups, key))[0][2] == FRESH:
            return
        await asyncio.sleep(0.1)
    pytest.fail("the source never answered")


async def eventually_fresh(lookups, clock):
    for _ in range(300):
        clock.at += live_source.RETRY_SECONDS
        if (await ask(lookups, "b"))[0][2] == FRESH:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the source came back, and was not asked again")


def test_after_some_failures_a_dead_server_costs_nothing_until_it_is_back(server):
    async def go():
        clock = Clock()
        with lookups_of(server, clock, timeout_ms=300, cache_seconds=1) as lookups:
            await warmed(lookups, "a")
            server.way.hold()
            clock.at += 2
            for _ in range(100):
                await ask(lookups, "a")
                if lookups.problems():
                    break
                await asyncio.sleep(0.1)
            assert "towns" in lookups.problems()
            began = time.monotonic()
            for _ in range(200):
                assert (await ask(lookups, "a"))[0][2] == STALE
            assert time.monotonic() - began < 3
            server.way.release()
            await eventually_fresh(lookups, clock)
            assert lookups.problems() == {}

    asyncio.run(go())


def test_a_connection_that_died_is_replaced_and_nobody_notices(server):
    async def go():
        clock = Clock()
        with lookups_of(server, clock, cache_seconds=1) as lookups:
            await warmed(lookups, "a")
            server.way.cut()
            clock.at += 2
            assert await ask(lookups, "a", "b") == [(1.5, 2, FRESH), (3, 4, FRESH)]

    asyncio.run(go())


def test_a_server_that_refuses_is_told_without_its_password(server):
    async def go():
        with lookups_of(server) as lookups:
            server.way.shut = True
            for _ in range(live_source.FAILURES):
                assert (await ask(lookups, "a"))[0][2] == UNANSWERED
            assert lookups.problems()["towns"]
            assert SECRET not in lookups.problems()["towns"]

    asyncio.run(go())


def test_a_wrong_password_is_told_without_it(server, monkeypatch):
    monkeypatch.setenv("LIVE_PASSWORD", "wr0ng")
    with pytest.raises(Away, match="towns: expected a connection to") as told:
        open_line("towns", live_of(server), COLUMNS)
    assert "wr0ng" not in str(told.value)
    monkeypatch.delenv("LIVE_PASSWORD")
    with pytest.raises(CannotAsk, match="LIVE_PASSWORD}, which is not set"):
        open_line("towns", live_of(server), COLUMNS)


@pytest.mark.parametrize("value", ["much", "inf", float("inf")])
def test_what_is_no_number_is_no_answer_and_an_older_one_stands_in(value, request, tmp_path):
    async def go(made):
        clock = Clock()
        with lookups_of(made, clock, cache_seconds=1) as lookups:
            assert await ask(lookups, "a") == [(1, 2, FRESH)]
            made.put("a", value, 2)
            made.put("b", 3, value)
            clock.at += 2
            assert await ask(lookups, "a", "b") == [(1, 2, STALE), (None, None, UNANSWERED)]
            assert lookups.counts()["towns"].wrong == 2
            assert lookups.counts()["towns"].failed == 0

    for kind in ("sqlite", "redis"):
        made = source_of(kind, request, tmp_path)
        made.put("a", 1, 2)
        asyncio.run(go(made))


def test_two_rows_for_a_key_and_a_column_that_is_gone_are_no_answer(source):
    async def go(**more):
        with lookups_of(source, **more) as lookups:
            return await ask(lookups, "a"), lookups.counts()["towns"].wrong

    if "query" in source.asked:
        two = f"{QUERY} union all select 1, 2 from towns where town = :key"
        assert asyncio.run(go(query=two)) == ([(None, None, UNANSWERED)], 1)
        lost = "select income from towns where town = :key"
        assert asyncio.run(go(query=lost)) == ([(None, None, UNANSWERED)], 1)


def test_a_key_that_the_source_cannot_take_closes_it_for_nobody_else(source):
    async def go():
        with lookups_of(source) as lookups:
            for _ in range(live_source.FAILURES + 1):
                assert (await ask(lookups, "\ud800"))[0][2] == UNANSWERED
            assert await ask(lookups, "a") == [(1.5, 2, FRESH)]

    asyncio.run(go())


def test_a_query_that_never_ends_is_ended_and_its_thread_asks_on(tmp_path):
    async def go():
        source = Sqlite(tmp_path)
        source.put("a", 1, 2)
        source.put("slow", 1, 2)
        with lookups_of(source, query=SLOW_SQLITE, timeout_ms=200, pool=1) as lookups:
            assert await ask(lookups, "slow") == [(None, None, UNANSWERED)]
            for _ in range(100):
                if (await ask(lookups, "a"))[0][2] == FRESH:
                    return
                await asyncio.sleep(0.1)
            pytest.fail("the thread still is at the query that never ends")

    asyncio.run(go())


def test_whole_numbers_are_asked_as_such_and_others_are_not_asked(tmp_path):
    async def go():
        source = Sqlite(tmp_path)
        source.do("drop table towns")
        source.do("create table towns (town integer, income, schools)")
        source.put(7, 1, 2)
        with lookups_of(source, kind="double") as lookups:
            tensors = {"town": np.array([7.0, 7.5, NAN, np.inf, 8, 1e300])}
            filled = await lookups.fill(tensors, 6)
            states = [FRESH, NOT_ASKED, NOT_ASKED, NOT_ASKED, UNKNOWN, NOT_ASKED]
            assert filled["live state/towns"][:, 0].tolist() == states
            assert filled["live/income"][0, 0] == 1

    asyncio.run(go())


def test_keys_that_were_not_sent_or_are_of_another_type_are_left_to_the_arm(tmp_path):
    async def go():
        with lookups_of(Sqlite(tmp_path)) as lookups:
            for tensors in ({}, {"town": np.array([1.0])}, towns("a", "b")):
                assert await lookups.fill(tensors, 1) == tensors

    asyncio.run(go())


def test_what_is_kept_is_bounded_and_the_longest_unused_goes_first(tmp_path, monkeypatch):
    async def go():
        monkeypatch.setattr(live_source, "MOST_KEYS", 2)
        source = Sqlite(tmp_path)
        with lookups_of(source) as lookups:
            for key in ("a", "b", "a", "c"):
                await ask(lookups, key)
            assert list(lookups._tables[0].source._kept) == ["a", "c"]

    asyncio.run(go())


def test_a_large_batch_of_new_keys_does_not_close_the_source(source):
    async def go():
        with lookups_of(source, timeout_ms=40) as lookups:
            await warmed(lookups, "a")
            keys = [f"town {at}" for at in range(3000)]
            found = await ask(lookups, *keys)
            assert {state for _, _, state in found} <= {UNKNOWN, UNANSWERED}
            await eventually(lambda: not lookups._tables[0].source._asked)
            assert lookups.problems() == {}

    asyncio.run(go())


def test_lookups_that_nobody_holds_any_more_end_their_threads(source):
    def threads():
        return [one for one in threading.enumerate() if one.name.startswith("live-towns")]

    async def go():
        before = len(threads())
        told = {"source": "towns", "key": "town", "kind": "string", "columns": COLUMNS, "live": dict(live_of(source))}
        signature = {"inputs": [{"column": "town", "input": "town"}], "live_lookups": [told]}
        lookups = LiveLookups(signature)
        lookups.warm()
        await ask(lookups, "a")
        assert len(threads()) == before + 2
        # The timers of the question, which hold it for a while.
        for timer in asyncio.get_running_loop()._scheduled:
            timer.cancel()
        del lookups, timer
        gc.collect()
        await eventually(lambda: len(threads()) <= before)

    asyncio.run(go())


def test_a_live_line_never_writes(request, tmp_path):
    made = source_of("sqlite", request, tmp_path)
    made.url = f"sqlite:///{made.path}"
    line = open_line("towns", live_of(made), COLUMNS)
    line._connected.exec_driver_sql("select 1")
    with pytest.raises(Exception, match="readonly"):
        line._connected.exec_driver_sql("insert into towns values ('x', 1, 2)")
    line.close()


@pytest.mark.parametrize("kind", ["postgresql"])
def test_a_postgresql_line_never_writes_even_as_a_superuser(kind, request, tmp_path):
    made = source_of(kind, request, tmp_path)
    made.url = made.url.replace("asking", "postgres")
    line = open_line("towns", live_of(made), COLUMNS)
    with pytest.raises(Exception, match="read-only transaction"):
        line._connected.exec_driver_sql("insert into towns values ('x', 1, 2)")
    line.close()
    assert line.ask("a") == Looked(wrong="This Connection is closed")
