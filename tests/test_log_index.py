"""Are the files that hold some requests found, whatever was known before and whatever happened to what was kept?"""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.errors import CannotAsk
from infra import log_index
from infra.local_store import LocalStore
from infra.log_index import LogIndex

DAY = datetime(2026, 1, 31, tzinfo=UTC)
IDS = st.sampled_from([f"q{at}" for at in range(12)])


def name(number):
    return f"predictions/cars/2026-01-31/120000-7-a1-{number:06d}.parquet"


def written(store, files):
    """Each file's requests, in the store; the names."""
    for number, ids in enumerate(files):
        held = BytesIO()
        pl.DataFrame({"request_id": pl.Series(ids, dtype=pl.String), "row": [0] * len(ids)}).write_parquet(held)
        store.put_if_absent(name(number), held.getvalue())
    return [name(number) for number in range(len(files))]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return LocalStore(tmp_path / "store")


@given(st.lists(st.lists(IDS, max_size=4), max_size=6), st.lists(IDS, max_size=4), st.integers(0, 6))
def test_exactly_the_files_that_hold_a_request_are_found_also_where_some_came_later(files, sought, first):
    with TemporaryDirectory() as folder, patch.dict("os.environ", SEATRIAL_HOME=f"{folder}/home"):
        store = LocalStore(Path(folder, "store"))
        names, index = written(store, files), LogIndex(store, "predictions", "cars")
        index.holding(DAY, names[:first], ["q0"])
        expected = {one for one, ids in zip(names, files, strict=True) if {*ids} & {*sought}}
        assert index.holding(DAY, names, sought) == expected
        # Who asks of some files is told of no others.
        assert index.holding(DAY, names[:first], sought) == expected & {*names[:first]}


def test_a_file_is_opened_once_and_again_where_what_was_kept_is_gone_or_damaged(store, monkeypatch):
    names, opened = written(store, [["q1"], [], ["q2"]]), []
    read = log_index.read_file
    monkeypatch.setattr(log_index, "read_file", lambda *asked: opened.append(asked[1]) or read(*asked))
    for _ in range(3):
        assert LogIndex(store, "predictions", "cars").holding(DAY, names, ["q2", "unknown"]) == {names[2]}
    assert sorted(opened) == names
    [kept] = (log_index.home() / "cache").rglob("2026-*")
    kept.write_bytes(kept.read_bytes()[:-20])
    assert LogIndex(store, "predictions", "cars").holding(DAY, names, ["q1"]) == {names[0]}
    kept.unlink()
    assert LogIndex(store, "predictions", "cars").holding(DAY, names, ["q1"]) == {names[0]}
    assert len(opened) == 9


def test_whatever_a_disk_made_of_what_was_kept_nothing_is_missed(store, monkeypatch):
    """In a home whose name is a pattern to some."""
    monkeypatch.setenv("SEATRIAL_HOME", f"{store.url}-[a]*")
    names = written(store, [[f"q{at}"] for at in range(8)])

    def found():
        return LogIndex(store, "predictions", "cars").holding(DAY, names, ["q5"])

    assert found() == {names[5]}
    [kept] = (log_index.home() / "cache").rglob("2026-*")
    sound = kept.read_bytes()
    for at in range(0, len(sound), 7):
        for damaged in (bytes([sound[at] ^ 0xFF]), bytes(48)):
            kept.write_bytes(sound[:at] + damaged + sound[at + len(damaged) :])
            assert found() == {names[5]}, at


def test_where_nothing_can_be_kept_it_is_found_all_the_same(store, monkeypatch):
    names = written(store, [["q1"], ["q2"]])
    (log_index.home()).mkdir(parents=True)
    (log_index.home() / "cache").write_text("a file where the folder should be")
    for _ in range(2):
        assert LogIndex(store, "predictions", "cars").holding(DAY, names, ["q2"]) == {names[1]}


def test_a_file_that_is_no_parquet_is_told_and_what_is_known_stays(store):
    names, index = written(store, [["q1"]]), LogIndex(store, "predictions", "cars")
    index.holding(DAY, names, ["q1"])
    store.put_if_absent(name(9), b"no parquet")
    with pytest.raises(CannotAsk, match="expected Parquet"):
        index.holding(DAY, [*names, name(9)], ["q1"])
    assert index.holding(DAY, names, ["q1"]) == {*names}


def test_models_kinds_and_days_have_files_of_their_own(store):
    names = written(store, [["q1"]])
    for kind, model, day in (("predictions", "cars", 31), ("feedback", "cars", 31), ("predictions", "vans", 30)):
        LogIndex(store, kind, model).holding(DAY.replace(day=day), names, ["q1"])
    assert len([*(log_index.home() / "cache").rglob("2026-*")]) == 3
