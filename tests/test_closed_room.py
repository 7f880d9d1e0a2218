"""A pickle is opened without network, credentials or a disk to write on. The scanner is left out: this is behind it."""

import json
import pickle
import site
import socket
import sys
import threading

import pytest
from serving import until

from expectations.errors import CannotAsk
from infra import workshop
from infra.candidates import open_skops

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the room is made by Linux's means")

# What a harmful pickle tries; what it found comes out as the text of its error.
TRIES = """
import json, os, socket, subprocess, sys
found = {}
def attempt(name, act):
    try:
        found[name] = act()
    except BaseException as error:
        found[name] = type(error).__name__
def listener(family, address):
    with socket.socket(family) as made:
        made.connect(address)
    return "connected"
def left_running():
    code = f"import socket; socket.create_connection(('127.0.0.1', {PORT}))"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode
attempt("network", lambda: listener(socket.AF_INET, ("127.0.0.1", PORT)))
attempt("engine", lambda: listener(socket.AF_UNIX, UNIX))
attempt("program", left_running)
attempt("secret", lambda: os.environ["AWS_SECRET_ACCESS_KEY"])
attempt("parent", lambda: "PATH=" in open(f"/proc/{os.getppid()}/environ").read())
attempt("key", lambda: open(KEY).read())
attempt("home", lambda: os.path.expanduser("~") in os.getcwd())
attempt("disk", lambda: open(FILE, "w").write("found"))
raise RuntimeError("FOUND" + json.dumps(found))
"""


class Attack:
    def __init__(self, code):
        self.code = code

    def __reduce__(self):
        return exec, (self.code,)


class Listener:
    """Counts who connects, on loopback and on a socket in a folder, as a container engine has one."""

    def __init__(self, folder):
        self.heard, self.unix = [], str(folder / "engine.sock")
        self._sockets = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        self._sockets[1].bind(self.unix)
        self._sockets[1].listen()
        self.port = self._sockets[0].getsockname()[1]
        for name, one in zip(("network", "engine"), self._sockets, strict=True):
            threading.Thread(target=self._listen, args=(name, one), daemon=True).start()

    def _listen(self, name, one):
        while True:
            try:
                one.accept()[0].close()
            except OSError:
                return
            self.heard.append(name)

    def close(self):
        for one in self._sockets:
            one.close()


@pytest.fixture
def listener(tmp_path):
    made = Listener(tmp_path)
    yield made
    made.close()


@pytest.fixture
def attack(tmp_path, listener, monkeypatch):
    """The pickle, and an account with a key and a secret."""
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "account"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "topsecret")
    (tmp_path / "account").mkdir()
    (tmp_path / "account" / "signing.pem").write_text("the key")
    names = {"PORT": listener.port, "UNIX": listener.unix, "FILE": str(tmp_path / "written")}
    names["KEY"] = str(tmp_path / "account" / "signing.pem")
    told = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Attack(f"exec({told + TRIES!r}, {{}})")))
    return tmp_path / "m.pkl"


def found_by(act):
    with pytest.raises(CannotAsk, match="FOUND") as told:
        act()
    return json.JSONDecoder().raw_decode(str(told.value).partition("FOUND")[2])[0]


def test_in_the_room_nothing_is_reached_read_or_written(attack, listener, tmp_path):
    found = found_by(lambda: workshop.unpickle(attack, tmp_path / "m.skops", 1))
    assert found == {
        "network": "PermissionError",
        "engine": "PermissionError",
        "program": 1,
        "secret": "KeyError",
        "parent": "PermissionError",
        "key": "FileNotFoundError",
        "home": False,
        "disk": "OSError",
    }
    assert listener.heard == []
    assert not (tmp_path / "written").exists()


def test_without_the_room_the_same_pickle_reaches_reads_and_writes_all_of_it(attack, listener, tmp_path):
    job = {"kind": "unpickle", "pickle": str(attack), "out": str(tmp_path / "m.skops")}
    found = found_by(lambda: workshop._run(job, tmp_path, "m.pkl", 1))
    assert found | {"home": None} == {
        "network": "connected",
        "engine": "connected",
        "program": 0,
        "secret": "topsecret",
        "parent": True,
        "key": "the key",
        "home": None,
        "disk": 5,
    }
    until(lambda: len(listener.heard) == 3, "all three to be heard")
    assert sorted(listener.heard) == ["engine", "network", "network"]
    assert (tmp_path / "written").read_text() == "found"


def test_a_system_that_closes_no_room_opens_no_pickle(attack, tmp_path, monkeypatch, listener):
    other = tmp_path / "infra"
    other.mkdir()
    runner = workshop.RUNNER.read_text()
    (other / "workshop_runner.py").write_text(runner)
    # Where a container's filter, say, refuses unshare(2).
    room = workshop.RUNNER.with_name("closed_room.py").read_text()
    refusing = room.replace("libc.unshare(", "_refused(").replace("class NotClosed", f"{REFUSED}\n\nclass NotClosed")
    (other / "closed_room.py").write_text(refusing)
    monkeypatch.setattr(workshop, "RUNNER", other / "workshop_runner.py")
    with pytest.raises(CannotAsk, match=r"m\.pkl: was not opened: .*namespaces of its own: Operation not permitted"):
        workshop.unpickle(attack, tmp_path / "m.skops", 1)
    assert listener.heard == []


REFUSED = """def _refused(_flags):
    ctypes.set_errno(1)
    return -1
"""


def test_another_system_is_warned_of_its_network_and_still_gives_no_credentials(
    attack, tmp_path, monkeypatch, caplog, listener
):
    monkeypatch.setattr(workshop.sys, "platform", "darwin")
    found = found_by(lambda: workshop.unpickle(attack, tmp_path / "m.skops", 1))
    assert (found["network"], found["secret"]) == ("connected", "KeyError")
    assert "this system closes no network" in caplog.text


def test_a_pickle_that_lies_among_credentials_is_not_opened_there(attack, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path))
    with pytest.raises(CannotAsk, match="holds credentials and is closed to pickles"):
        workshop.unpickle(attack, tmp_path / "m.skops", 1)


def test_a_link_instead_of_a_model_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("topsecret")
    code = (
        "import skops.io; "
        f"skops.io.dump = lambda made, out: __import__('os').symlink({str(tmp_path / 'secret')!r}, out)"
    )
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Attack(code)))
    with pytest.raises(CannotAsk, match="expected that it comes out as a file"):
        workshop.unpickle(tmp_path / "m.pkl", tmp_path / "m.skops", 1)
    assert not (tmp_path / "m.skops").exists()


def test_only_what_is_no_credential_is_left_of_an_environment(tmp_path):
    plain = {"PATH": "/bin", "LANG": "C", "LC_ALL": "C", "PYTHONPATH": "x", "OMP_NUM_THREADS": "2"}
    secret = {"AWS_PROFILE": "p", "SEATRIAL_HOME": "h", "PREFECT_API_KEY": "k", "GITHUB_TOKEN": "t", "XPATH": "x"}
    home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    own = {"PYTHONUSERBASE": site.getuserbase()}
    assert workshop.scrubbed({**plain, **secret, "HOME": "/root"}, tmp_path) == {**plain, **home, **own}


def test_a_model_that_a_class_beside_it_is_needed_for_still_opens(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(
        "from sklearn.linear_model import LinearRegression\n"
        "def make():\n    return LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = __import__("own")

    class Made:
        def __reduce__(self):
            return own.make, ()

    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Made()))
    workshop.unpickle(tmp_path / "m.pkl", tmp_path / "m.skops", 1)
    assert open_skops(tmp_path / "m.skops").predict([[2.0]])[0] == pytest.approx(2)
