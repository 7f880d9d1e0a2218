import pytest

from infra import checkpoints
from infra.checkpoints import checkpoint_key
from infra.envelopes import CHECKPOINT, record_key, sign
from infra.keys import pipeline_key
from infra.ledger import Ledger, Tampered
from infra.local_store import LocalStore
from infra.store import Missing


class Counting(LocalStore):
    """A directory that tells which records were read."""

    def __init__(self, root):
        super().__init__(root)
        self.read = []

    def get(self, key):
        self.read += [key] if key.startswith("ledger/") else []
        return super().get(key)


def start(name):
    body = {"release": name, "spec_digest": "s", "as_of": "2026-01-01T00:00:00", "developers": ["d"]}
    return "release started", "m", body | {"approvals_needed": 1}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A ledger of 24 records with checkpoints at 10 and 20."""
    monkeypatch.setattr(checkpoints, "EVERY", 10)
    ledger = Ledger(LocalStore(tmp_path / "store"), tmp_path / "home")
    for n in range(24):
        ledger.decide_and_append(lambda _, n=n: start(f"r{n}"))
    return tmp_path


def ledger(folder, home="home"):
    store = Counting(folder / "store")
    return store, Ledger(store, folder / home)


def test_a_state_is_read_from_the_newest_checkpoint_on(folder):
    store, made = ledger(folder)
    assert len(made.state().releases) == 24
    assert min(store.read) == record_key(20)
    assert len(store.read) <= 7
    assert made.problems() == []


def test_a_record_that_was_removed_behind_a_checkpoint_is_found_by_who_never_saw_it(folder):
    (folder / "store" / record_key(22)).unlink()
    with pytest.raises(Tampered, match="record 22"):
        ledger(folder, "newcomer")[1].state()


@pytest.mark.parametrize("seq", [21, 24])
def test_a_tail_that_was_cut_is_found_by_who_saw_it(folder, seq):
    for gone in range(seq, 25):
        (folder / "store" / record_key(gone)).unlink()
    with pytest.raises(Tampered, match="its end was cut off"):
        ledger(folder)[1].state()


def test_a_cut_behind_the_checkpoint_itself_is_found_by_anybody(folder):
    for gone in range(15, 25):
        (folder / "store" / record_key(gone)).unlink()
    with pytest.raises(Tampered):
        ledger(folder, "newcomer")[1].state()


def forged(folder, home, **changes):
    """Puts a checkpoint in the place of the newest."""
    path = folder / "store" / checkpoint_key(20)
    store, made = ledger(folder)
    known = checkpoints.newest_checkpoint(store, pipeline_key(folder / "home").public_key)
    content = {"seq": 20, "head": known.head, "state": known.state.as_json()} | changes
    path.write_bytes(sign(content, CHECKPOINT, pipeline_key(folder / home)))
    return made


def test_a_checkpoint_that_another_signed_is_not_used_and_is_told(folder):
    made = forged(folder, "thief", state={"models": {"m": "r0"}, "releases": [], "rollouts": {}, "modes": {}})
    assert made.state().models == {}
    assert "signature does not hold" in made.problems()[0]


def test_a_checkpoint_that_says_something_else_than_the_records_is_told(folder):
    made = forged(
        folder,
        "home",
        state={
            "models": {"m": "r0"},
            "releases": [],
            "rollouts": {},
            "modes": {},
            "people": [],
            "suites": {},
            "reports": {},
            "alarms": {},
            "retrainings": {},
            "refusals": {},
        },
    )
    assert "does not say what the records up to 20 add up to" in made.problems()[0]


def test_a_checkpoint_of_another_version_is_not_used(folder):
    made = forged(folder, "home", state={"releases": [{"id": "x"}]})
    assert len(made.state().releases) == 24


def test_a_store_that_refuses_a_checkpoint_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 1)
    made = Ledger(LocalStore(tmp_path / "store"), tmp_path / "home")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "checkpoints").write_text("a file in the way")
    made.decide_and_append(lambda _: start("r"))
    assert list(made.state().releases) == ["r"]
    with pytest.raises(Missing):
        LocalStore(tmp_path / "store").get(checkpoint_key(1))
