import json

import pytest

from infra.answers import once
from infra.keys import pipeline_key
from infra.local_store import LocalStore
from infra.store import Corrupt, Missing, blob_key


@pytest.fixture
def ask(tmp_path):
    """Asks a step, in this account or another."""

    def once_here(compute, step="step", home="home", **inputs):
        return once(LocalStore(tmp_path / "store"), tmp_path / home, step, inputs, compute)

    return once_here


def files(folder):
    return [folder / "store" / key for key in LocalStore(folder / "store").keys("steps/")]


def test_a_step_is_done_once(ask):
    calls = []
    assert [ask(lambda: calls.append(1) or {"n": len(calls)}, a=1) for _ in range(3)] == [{"n": 1}] * 3
    assert ask(lambda: {"n": 7}, a=2) == {"n": 7}


def test_of_two_that_finish_a_step_at_once_the_first_counts_for_both(ask):
    assert ask(lambda: {"fast": ask(lambda: {"by": "fast"}), "by": "slow"}) == {"by": "fast"}


def test_a_broken_answer_is_corrupt_and_not_a_step_that_never_ran(ask, tmp_path):
    ask(dict)
    files(tmp_path)[0].write_bytes(b"{")
    with pytest.raises(Corrupt, match="Remove it"):
        ask(dict)


def test_an_answer_that_somebody_without_the_key_wrote_is_not_taken(ask, tmp_path):
    ask(lambda: {"accuracy": 0.5})
    [path] = files(tmp_path)
    pipeline_key(tmp_path / "thief")
    path.unlink()
    ask(lambda: {"accuracy": 1.0}, home="thief")
    with pytest.raises(Corrupt, match="signature does not hold"):
        ask(lambda: {"accuracy": 0.5})


def test_an_answer_in_another_ones_place_is_not_taken(ask, tmp_path):
    ask(lambda: {"gate": "passed"}, step="good")
    [good] = files(tmp_path)
    ask(lambda: {"gate": "failed"}, step="bad")
    [bad] = [path for path in files(tmp_path) if path != good]
    bad.write_bytes(good.read_bytes())
    with pytest.raises(Corrupt, match="the answer of good, in another's place"):
        ask(dict, step="bad")


def test_what_lies_in_the_store_is_readable(ask, tmp_path):
    ask(lambda: {"n": 1})
    assert json.loads(files(tmp_path)[0].read_bytes())["payloadType"] == "application/vnd.seatrial.answer+json"


def test_an_answer_whose_blob_is_gone_again_is_not_kept(ask, tmp_path):
    store = LocalStore(tmp_path / "store")

    def compute():
        digest = store.put_blob(b"data")
        store.remove(blob_key(digest))
        return {"deep": [{"blobs": {"data": digest}}]}

    with pytest.raises(Missing, match="expected it in the store, found nothing"):
        ask(compute)
    assert files(tmp_path) == []
