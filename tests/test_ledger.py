import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from expectations.errors import CannotAsk
from infra.keys import pipeline_key
from infra.ledger import Conflict, Ledger, Refused, Tampered, record_key
from infra.store import LocalStore

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


@pytest.mark.parametrize("tamper", [edit, remove, reorder, truncate, empty, replace_with_another_ledger, break_json])
def test_tampering_is_found(tmp_path, tamper):
    made = written(tmp_path)
    made.read()
    tamper(tmp_path)
    assert made.problems()
    with pytest.raises(Tampered):
        made.read()


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


def test_an_append_on_an_old_head_conflicts_and_an_illegal_one_is_refused(tmp_path):
    made = written(tmp_path)
    with pytest.raises(Conflict):
        made.append(made.read()[-2].digest, *start("late")(made.state()))
    with pytest.raises(Refused):
        made.append(made.read()[-1].digest, "promoted", "m", {"release": "r1"})


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
