import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from expectations.errors import CannotAsk
from infra.answers import once
from infra.checkpoints import NONE_BEFORE
from infra.envelopes import GENESIS, record_key
from infra.keys import pipeline_key
from infra.ledger import Conflict, Ledger, Refused, Tampered
from infra.local_store import LocalStore
from infra.store import blob_key

START = {"spec_digest": "s", "as_of": "2026-01-01T00:00:00", "developers": [], "approvals_needed": 1}


def start(name):
    return lambda state: None if name in state.releases else ("release started", "m", {**START, "release": name})


def ledger(folder):
    return Ledger(LocalStore(folder / "store"), folder / "home")


def written(folder, count=3):
    made = ledger(folder)
    for n in range(count):
        made.decide_and_append(start(f"r{n}"))
    return made


def path_of(folder, seq):
    return folder / "store" / record_key(seq)


def test_records_are_chained_signed_and_sound(tmp_path):
    made = written(tmp_path)
    records = made.read()
    assert [r.kind for r in records] == ["store opened"] + ["release started"] * 3
    assert [r.previous for r in records[1:]] == [r.digest for r in records[:-1]]
    assert made.problems() == []


def edit(folder):
    envelope = json.loads(path_of(folder, 2).read_bytes())
    envelope["payload"] = envelope["payload"][:-8] + "AAAAAAA="
    path_of(folder, 2).write_text(json.dumps(envelope))


def remove(folder):
    path_of(folder, 2).unlink()


def reorder(folder):
    one, two = path_of(folder, 1).read_bytes(), path_of(folder, 2).read_bytes()
    path_of(folder, 1).write_bytes(two)
    path_of(folder, 2).write_bytes(one)


def truncate(folder):
    path_of(folder, 3).unlink()


def empty(folder):
    for seq in range(4):
        path_of(folder, seq).unlink()


def replace_with_another_ledger(folder):
    empty(folder)
    Ledger(LocalStore(folder / "store"), folder / "thief").decide_and_append(start("forged"))


def break_json(folder):
    path_of(folder, 1).write_bytes(b"{")


def replace_the_genesis(folder):
    Ledger(LocalStore(folder / "other"), folder / "thief").decide_and_append(start("forged"))
    path_of(folder, 0).write_bytes((folder / "other" / record_key(0)).read_bytes())


def add_a_space(folder):
    path_of(folder, 3).write_bytes(path_of(folder, 3).read_bytes() + b" ")


TAMPERS = [edit, remove, reorder, truncate, empty, replace_with_another_ledger, replace_the_genesis]


@pytest.mark.parametrize("tamper", [*TAMPERS, break_json, add_a_space])
def test_tampering_is_found_even_before_anybody_read(tmp_path, tamper):
    made = written(tmp_path)
    tamper(tmp_path)
    assert made.problems()
    with pytest.raises(Tampered):
        made.read()


def test_every_bad_record_is_named_not_only_the_first(tmp_path):
    made = written(tmp_path, 4)
    for seq in (1, 3):
        path_of(tmp_path, seq).write_bytes(b"{")
    found = "\n".join(made.problems())
    assert all(f"record {seq}: its signature does not hold" in found for seq in (1, 3))


def test_a_first_record_of_another_kind_gives_no_key_to_trust(tmp_path):
    written(tmp_path)
    path_of(tmp_path, 0).write_bytes(path_of(tmp_path, 1).read_bytes())
    fresh = Ledger(LocalStore(tmp_path / "store"), tmp_path / "fresh")
    assert "expected 'store opened'" in fresh.problems()[0]


def test_a_broken_step_and_a_blob_that_is_named_deep_inside_are_found(tmp_path):
    body = {**START, "release": "r", "parts": [{"blobs": {"deep": "sha256:" + "0" * 64, "note": "no digest"}}]}
    made = ledger(tmp_path)
    made.decide_and_append(lambda s: ("release started", "m", body))
    LocalStore(tmp_path / "store").put_if_absent("steps/x.json", b"{")
    gone, broken = made.problems()
    assert "its blob deep is gone" in gone
    assert "steps/x.json" in broken


def test_a_lost_or_changed_blob_is_found(tmp_path):
    store = LocalStore(tmp_path / "store")
    digests = [store.put_blob(text) for text in (b"a", b"b")]
    made = ledger(tmp_path)
    made.decide_and_append(
        lambda s: ("release started", "m", {**START, "release": "r", "blobs": {"x": digests[0], "y": digests[1]}})
    )
    assert made.problems() == []
    store.blob_path(digests[0]).unlink()
    store.blob_path(digests[1]).write_bytes(b"c")
    assert len(made.problems()) == 2


def test_a_blob_that_only_the_answer_of_a_step_names_and_that_is_gone_is_found(tmp_path):
    made, store = written(tmp_path), LocalStore(tmp_path / "store")
    digest = store.put_blob(b"data")
    once(store, tmp_path / "home", "step", {}, lambda: {"blobs": {"data": digest}})
    assert made.problems() == []
    store.remove(blob_key(digest))
    [told] = made.problems()
    assert "its blob data is gone" in told
    assert "Or remove the answer: the step runs again." in told


@pytest.mark.parametrize("lies", [None, b"another page"])
def test_a_page_that_is_gone_or_another_one_is_found(tmp_path, lies):
    made, store = written(tmp_path, 1), LocalStore(tmp_path / "store")
    page = store.put_blob(b"the page")
    judged = {"release": "r0", "outcome": "passed", "champion_compared": None, "approvals_needed": 1}
    body = {**judged, "dossier_digest": page, "blobs": {"page": page}}
    made.decide_and_append(lambda _: ("release judged", "m", body))
    if lies:
        store.put_if_absent("dossiers/r0.html", lies)
    [told] = made.problems()
    assert told.startswith("dossiers/r0.html: ")
    assert page in told


def test_a_list_that_is_older_than_the_records_hides_none(tmp_path, monkeypatch):
    written(tmp_path)
    listed = LocalStore.keys
    for count in range(5):
        monkeypatch.setattr(LocalStore, "keys", lambda self, *asked, n=count: listed(self, *asked)[:n])
        newcomer = ledger(tmp_path)
        assert newcomer.problems() == []
        assert len(newcomer.read()) == 4
        assert not Ledger(LocalStore(tmp_path / "store"), tmp_path / "fresh").is_new()


def test_an_append_on_an_old_head_conflicts_and_an_illegal_one_is_refused(tmp_path):
    made = written(tmp_path)
    with pytest.raises(Conflict):
        made.append(made.read()[-2].digest, *start("late")(made.state()))
    with pytest.raises(Refused):
        made.append(made.read()[-1].digest, "promoted", "m", {"release": "r1"})


def test_whoever_lost_the_race_decides_again_on_what_the_winner_left(tmp_path):
    made, rounds = ledger(tmp_path), []

    def decide(state):
        rounds.append(len(state.releases))
        answer = start("same")(state)
        if len(rounds) == 1:
            ledger(tmp_path).decide_and_append(start("same"))
        return answer

    assert made.decide_and_append(decide) is None
    assert rounds == [0, 1]


def test_an_append_to_an_empty_store_opens_it_and_conflicts(tmp_path):
    made = ledger(tmp_path)
    with pytest.raises(Conflict):
        made.append(NONE_BEFORE, *start("r")(made.state()))
    assert [record.kind for record in made.read()] == [GENESIS]


def test_a_store_is_opened_once(tmp_path):
    made = written(tmp_path)
    with pytest.raises(Refused):
        made.append(made.read()[-1].digest, GENESIS, "", {})


def test_threads_of_one_process_append_without_an_error(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: append_ten(tmp_path, name), "abcd"))
    assert len(ledger(tmp_path).state().releases) == 40
    assert ledger(tmp_path).problems() == []


def test_a_home_that_only_reads_is_private_too(tmp_path):
    written(tmp_path)
    Ledger(LocalStore(tmp_path / "store"), tmp_path / "reader").read()
    assert (tmp_path / "reader").stat().st_mode & 0o777 == 0o700


def test_a_broken_pin_is_told_and_not_taken_for_a_first_use(tmp_path):
    made = written(tmp_path)
    next((tmp_path / "home" / "stores").glob("*.json")).write_bytes(b"")
    with pytest.raises(CannotAsk, match="Bring it back"):
        made.read()


def test_another_accounts_key_cannot_append(tmp_path):
    written(tmp_path)
    other = Ledger(LocalStore(tmp_path / "store"), tmp_path / "other")
    with pytest.raises(CannotAsk, match="SEATRIAL_HOME"):
        other.decide_and_append(start("x"))


def test_the_key_is_0600_and_a_readable_one_is_refused(tmp_path):
    pipeline_key(tmp_path / "home")
    path = tmp_path / "home" / "pipeline.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(CannotAsk, match="chmod 600"):
        pipeline_key(tmp_path / "home")


def append_ten(folder, name):
    for n in range(10):
        ledger(folder).decide_and_append(start(f"{name}-{n}"))


def test_four_writers_lose_nothing_and_leave_no_gap(tmp_path):
    written(tmp_path, 1)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_ten, args=(tmp_path, name)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(ledger(tmp_path).state().releases) == 41
    assert ledger(tmp_path).problems() == []


def test_a_killed_writer_leaves_a_sound_ledger(tmp_path):
    written(tmp_path, 1)
    code = f"import sys, pathlib; sys.path.insert(0, {os.path.dirname(__file__)!r}); import test_ledger as t\n"
    code += f"for n in range(10000): t.ledger(pathlib.Path({str(tmp_path)!r})).decide_and_append(t.start(f'k{{n}}'))"
    writer = subprocess.Popen([sys.executable, "-c", code])
    while len(ledger(tmp_path).state().releases) < 5:
        time.sleep(0.05)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert ledger(tmp_path).problems() == []
    ledger(tmp_path).decide_and_append(start("after"))
    assert "after" in ledger(tmp_path).state().releases
