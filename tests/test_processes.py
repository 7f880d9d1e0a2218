"""Keeping programs running: small programs that die, hang, or leave something behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving import alive, until

from expectations.errors import CannotAsk
from infra.processes.places import Place, chosen, free_port
from infra.processes.program import last_words, shorten
from infra.processes.table import begun, left_over

ROOT = Path(__file__).parent.parent
WELL = "threading.Thread(target=beat, daemon=True).start()\nsignal.pause()"
ENDS = "signal.signal(15, lambda *_: (print('said goodbye', flush=True), os._exit(0)))\n" + WELL
CHILD = "[sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True"
LEAVES = f"print(subprocess.Popen({CHILD}).pid, flush=True)\n{WELL}"
DEAF = "signal.signal(15, signal.SIG_IGN)\nthreading.Thread(target=beat, daemon=True).start()\ntime.sleep(600)"


class Keeper:
    def __init__(self, folder, *programs, **times):
        plan = json.dumps({"programs": programs, "times": times})
        (folder / "said").touch()
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "keeper.py"), str(folder), plan],
            stdout=(folder / "said").open("w"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    @property
    def said(self):
        lines = (self.folder / "said").read_text().splitlines()
        assert not [line for line in lines if "Traceback" in line], lines
        return [json.loads(line) for line in lines if line.endswith("]")]

    def told(self, name, event):
        return [words for process, happened, words, _ in self.said if (process, happened) == (name, event)]

    def until(self, name, event, times=1):
        until(lambda: len(self.told(name, event)) >= times, f"{name} {event}: {self.said}")
        return self.told(name, event)[-1]

    def pid(self, name):
        return int(self.told(name, "begun")[-1].rpartition(" ")[2])

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def keep(tmp_path):
    made = []

    def keep(*programs, **times):
        made.append(Keeper(tmp_path, *programs, **times))
        return made[-1]

    yield keep
    for one in made:
        one.process.kill()
        one.process.wait()


def test_what_dies_is_begun_again_and_each_step_is_told(keep):
    kept = keep(["one", WELL], ["two", WELL, ["one"]])
    kept.until("all", "ready")
    first = kept.pid("one")
    os.kill(first, signal.SIGKILL)
    assert "ended by signal 9; begun again in 0.05 s" in kept.until("one", "died")
    kept.until("one", "up", 2)
    assert kept.pid("one") != first
    order = [(process, event) for process, event, *_ in kept.said]
    assert order.index(("one", "up")) < order.index(("two", "begun"))
    assert kept.stop() == 0


def test_they_end_in_their_order_and_what_they_left_behind_ends_too(keep):
    kept = keep(["server", ENDS], ["leaving", LEAVES], ["gateway", ENDS])
    kept.until("all", "ready")
    orphan = int((kept.folder / "leaving.log").read_text())
    os.kill(kept.pid("leaving"), signal.SIGKILL)
    kept.until("leaving", "up", 2)
    assert alive(orphan)
    assert kept.stop(signal.SIGINT) == 0
    assert [process for process, event, *_ in kept.said if event == "ended"] == ["gateway", "leaving", "server"]
    assert "said goodbye" in (kept.folder / "server.log").read_text()
    assert not alive(orphan)
    assert not (kept.folder / "running.json").exists()


def test_one_that_does_not_end_is_killed_after_its_time_or_when_somebody_is_impatient(keep):
    kept = keep(["deaf", DEAF])
    kept.until("all", "ready")
    pid, began = kept.pid("deaf"), time.monotonic()
    assert kept.stop() == 0
    assert 1.5 < time.monotonic() - began < 6
    assert kept.told("deaf", "ended") == ["was killed"]
    assert not alive(pid)


def test_one_that_hangs_is_told_killed_and_begun_again(keep):
    kept = keep(["hangs", WELL])
    kept.until("all", "ready")
    os.kill(kept.pid("hangs"), signal.SIGSTOP)
    assert kept.until("hangs", "silent").startswith("does not answer")
    kept.until("hangs", "up", 2)
    assert "ended by signal 9" in kept.told("hangs", "died")[0]


def test_one_that_never_comes_up_ends_all_with_its_last_words(keep):
    kept = keep(["well", WELL], ["broken", "print('no such database'); sys.exit(3)"], LIVED=60.0)
    assert kept.process.wait(20) == 2
    [told] = kept.told("all", "could not")
    assert "broken: ended with code 3, 3 times in a row. Its last words, from" in told
    assert "no such database" in told
    assert not alive(kept.pid("well"))


def test_once_all_were_up_the_others_go_on_without_one_that_keeps_dying(keep, tmp_path):
    dies = f"if pathlib.Path({str(tmp_path / 'broken')!r}).exists(): print('gone'); sys.exit(1)\n{WELL}"
    kept = keep(["well", WELL], ["dies", dies], LIVED=60.0)
    kept.until("all", "ready")
    (tmp_path / "broken").write_text("")
    os.kill(kept.pid("dies"), signal.SIGKILL)
    assert "The others go on; it is tried every" in kept.until("dies", "given up")
    assert alive(kept.pid("well"))
    (tmp_path / "broken").unlink()
    kept.until("dies", "up", 2)
    assert len(kept.told("dies", "given up")) == 1
    assert kept.stop() == 0


def test_when_the_keeper_is_killed_nothing_is_left(keep):
    kept = keep(["one", WELL], ["two", WELL])
    kept.until("all", "ready")
    pids = [kept.pid("one"), kept.pid("two")]
    kept.process.kill()
    until(lambda: not any(alive(pid) for pid in pids), "the end of both")


def test_what_is_left_over_is_known_by_number_and_time_of_birth(keep):
    kept = keep(["deaf", DEAF])
    kept.until("all", "ready")
    kept.process.kill()
    [left] = left_over(kept.folder / "running.json")
    assert (left.name, left.begun) == ("deaf", begun(left.pid))
    told = json.loads((kept.folder / "running.json").read_text())
    (kept.folder / "running.json").write_text(json.dumps([{**one, "begun": "another"} for one in told]))
    assert left_over(kept.folder / "running.json") == []
    os.kill(left.pid, signal.SIGKILL)


def test_a_log_is_private_and_shortened(keep, tmp_path, monkeypatch):
    kept = keep(["one", "print('first words', flush=True)\n" + WELL])
    kept.until("all", "ready")
    log = tmp_path / "one.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert last_words(log) == ["first words"]
    monkeypatch.setattr("infra.processes.program.MOST_LOGGED", 5)
    shorten(log)
    assert log.read_text() == ""
    assert (tmp_path / "one.log.1").read_text() == "first words\n"


def test_a_port_that_is_taken_is_told_with_what_to_do():
    port = free_port("127.0.0.1")
    place = Place("127.0.0.1", port)
    assert place.is_free()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(CannotAsk, match=r"expected a free port, found another program\. End it, or name .* --port"):
            chosen("127.0.0.1", port, "--port")
