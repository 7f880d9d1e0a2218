"""One ledger in every store: many writers lose nothing, and whoever reads on finds what was done to the end of it."""

import multiprocessing
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import seaweed

from expectations.errors import CannotAsk
from infra.envelopes import record_key
from infra.keys import pipeline_key
from infra.ledger import Ledger, Tampered
from infra.local_store import LocalStore
from infra.store import Missing, open_store

pytestmark = pytest.mark.xdist_group("s3")

WRITERS, THREADS, EACH = 4, 4, 10


@pytest.fixture(params=["local", "s3"])
def url(request, tmp_path, s3_account):
    if request.param == "local":
        return str(tmp_path / "store")
    return f"s3://plain/{uuid.uuid4()}?endpoint={request.getfixturevalue('s3_server')}"


@pytest.fixture
def remove(url, request):
    """Takes a key out of the store, as no store would."""

    def behind_our_back(key):
        if not url.startswith("s3://"):
            open_store(url)._path(key).unlink()
            return
        name = url.removeprefix("s3://plain/").split("?")[0] + f"/{key}"
        seaweed.client(request.getfixturevalue("s3_server")).delete_object(Bucket="plain", Key=name)

    return behind_our_back


def start(name):
    """The decision to start a release once; in it, how many there were when it was decided."""

    def decide(state):
        body = {"release": name, "spec_digest": "s", "as_of": "2026-01-01T00:00:00", "developers": []}
        return (
            None
            if name in state.releases
            else ("release started", "m", body | {"approvals_needed": len(state.releases)})
        )

    return decide


def write(url, home, name, each):
    ledger = Ledger(open_store(url), home)
    for n in range(each):
        ledger.decide_and_append(start(f"{name}-{n}"))


def write_in_threads(url, home, name, each):
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda n: write(url, home, f"{name}-{n}", each), range(THREADS)))


def homes_with_one_key(folder):
    pipeline_key(folder / "0")
    return [folder / "0", *(shutil.copytree(folder / "0", folder / str(n)) for n in range(1, WRITERS))]


def test_of_sixteen_writers_in_four_accounts_nobodys_record_is_lost(url, tmp_path):
    homes = homes_with_one_key(tmp_path / "accounts")
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=write_in_threads, args=(url, home, home.name, EACH), name=home.name) for home in homes
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    ledger = Ledger(open_store(url), homes[0])
    opened, *started = ledger.read()
    expected = {f"{home.name}-{n}-{m}" for home in homes for n in range(THREADS) for m in range(EACH)}
    assert [record.seq for record in (opened, *started)] == list(range(len(expected) + 1))
    assert sorted(record.body["release"] for record in started) == sorted(expected)
    # Whoever lost a race has decided again: each decision was made on all that stands before it.
    assert [record.body["approvals_needed"] for record in started] == list(range(len(expected)))
    assert ledger.problems() == []


class Counting(LocalStore):
    """A directory that tells what was asked of it."""

    def __init__(self, root):
        super().__init__(root)
        self.asked = []

    def get(self, key):
        self.asked.append(key)
        return super().get(key)

    def keys(self, prefix, after=""):
        self.asked.append(prefix)
        return super().keys(prefix, after)


def test_an_append_reads_on_from_what_it_knows(tmp_path):
    store = Counting(tmp_path / "store")
    ledger = Ledger(store, tmp_path / "home")
    for n in range(3):
        ledger.decide_and_append(start(f"a{n}"))
    Ledger(LocalStore(tmp_path / "store"), tmp_path / "home").decide_and_append(start("b"))
    store.asked.clear()
    ledger.decide_and_append(start("c"))
    assert store.asked == [record_key(seq) for seq in (3, 4, 5)]
    store.asked.clear()
    ledger.read()
    # A list can be older than what it lists: the place behind its end is looked at too.
    assert sorted(store.asked) == ["ledger/", *map(record_key, range(7))]


def three_records(url, home):
    ledger = Ledger(open_store(url), home)
    for n in range(2):
        ledger.decide_and_append(start(f"r{n}"))
    return ledger


@pytest.mark.parametrize("seq", [0, 1, 2])
def test_a_record_that_was_removed_is_found(url, tmp_path, remove, seq):
    ledger = three_records(url, tmp_path / "home")
    remove(record_key(seq))
    with pytest.raises(Tampered):
        ledger.read()
    assert ledger.problems()


def test_who_reads_on_does_not_append_to_a_ledger_whose_end_was_cut_off(url, tmp_path, remove):
    ledger = three_records(url, tmp_path / "home")
    remove(record_key(2))
    with pytest.raises(Tampered, match="its end was cut off"):
        ledger.decide_and_append(start("late"))
    with pytest.raises(Missing):
        open_store(url).get(record_key(2))


@pytest.mark.parametrize(("data", "words"), [(b"{}", "its signature does not hold"), (b"", "found nothing: removed")])
def test_who_reads_on_does_not_take_a_record_that_another_signed(url, tmp_path, data, words):
    ledger = three_records(url, tmp_path / "home")
    open_store(url).put_if_absent(record_key(3), data)
    with pytest.raises(Tampered, match=f"record 3: .*{words}"):
        ledger.decide_and_append(start("late"))


def test_what_another_object_of_this_account_saw_is_missed_by_one_that_reads_on(url, tmp_path, remove):
    old = three_records(url, tmp_path / "home")
    write(url, tmp_path / "home", "new", 1)
    remove(record_key(3))
    with pytest.raises(Tampered, match="expected at least 4 records, found 3"):
        old.decide_and_append(start("late"))


def test_an_s3_store_spelled_in_two_ways_is_one_store_to_this_account(s3_url, tmp_path):
    three_records(s3_url, tmp_path / "home")
    three_records(s3_url.replace("?", "/?") + "&region=eu-central-1", tmp_path / "home")
    assert len(list((tmp_path / "home" / "stores").glob("*.json"))) == 1


def test_a_writer_whose_record_is_neither_there_nor_taken_is_told(tmp_path):
    class Refusing(LocalStore):
        def put_if_absent(self, key, data):
            return key == record_key(0) and super().put_if_absent(key, data)

    with pytest.raises(CannotAsk, match="expected a record that another wrote, found none"):
        Ledger(Refusing(tmp_path / "store"), tmp_path / "home").decide_and_append(start("r"))
