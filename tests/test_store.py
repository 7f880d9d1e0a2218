import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from stat import S_IMODE

import pytest

from expectations.errors import Away, CannotAsk
from expectations.records import digest_of
from infra.local_store import LocalStore
from infra.store import CHUNK, Corrupt, Missing, blob_key, open_store


def test_of_many_writers_of_one_key_one_wins(tmp_path):
    store = LocalStore(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: store.put_if_absent("a/key", str(n).encode()), range(64)))
    assert won.count(True) == 1
    assert store.get("a/key") == str(won.index(True)).encode()
    assert store.keys("") == ["a/key"]


def test_the_same_content_is_one_blob(tmp_path):
    store = LocalStore(tmp_path)
    (tmp_path / "file").write_bytes(b"content")
    assert store.put_blob(b"content") == store.put_blob(tmp_path / "file")
    assert len(store.keys("blobs/")) == 1


def test_a_flipped_bit_is_found(tmp_path):
    store = LocalStore(tmp_path)
    digest = store.put_blob(b"content")
    (tmp_path / blob_key(digest)).write_bytes(b"cpntent")
    with pytest.raises(Corrupt):
        store.get_blob(digest)
    with pytest.raises(Corrupt):
        store.blob_path(digest)


def test_what_is_not_there_is_missing(tmp_path):
    with pytest.raises(Missing):
        LocalStore(tmp_path).get("nothing")
    with pytest.raises(CannotAsk):
        LocalStore(tmp_path).get("../outside")


def test_a_file_or_an_unknown_kind_is_no_store(tmp_path):
    (tmp_path / "file").write_text("x")
    for url in (str(tmp_path / "file"), "ftp://host/x"):
        with pytest.raises(CannotAsk):
            open_store(url)


def test_what_a_killed_writer_leaves_is_never_a_key(tmp_path):
    store = LocalStore(tmp_path)
    store.put_if_absent("a/key", b"")
    (tmp_path / "a" / ".writing-x").write_bytes(b"half")
    assert store.keys("") == store.keys("a/") == store.keys("a/k") == ["a/key"]
    assert store.keys("b/") == []


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1])
def test_a_file_of_any_size_has_the_digest_of_its_bytes(tmp_path, size):
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    (tmp_path / "file").write_bytes(content)
    store = LocalStore(tmp_path / "store")
    assert store.put_blob(tmp_path / "file") == digest_of(content)
    assert store.get_blob(digest_of(content)) == content
    assert [blob_key(digest_of(content))] == store.keys("")


def test_what_is_kept_is_readable_by_this_account_only_whatever_its_mask(tmp_path):
    before = os.umask(0)
    try:
        store = LocalStore(tmp_path / "new" / "store")
        store.put_if_absent("ledger/0.json", b"figures")
        store.put_blob(b"data")
    finally:
        os.umask(before)
    modes = {path.is_dir(): S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    assert S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (errno.ENOSPC, CannotAsk, "no space left on the disk. Make room. Run the command again"),
        (errno.EROFS, CannotAsk, "only to be read"),
        (errno.EIO, CannotAsk, "a disk that fails"),
        (errno.ESTALE, Away, "it is away"),
        (errno.ENOTCONN, Away, "it is away"),
    ],
)
def test_what_the_disk_refuses_is_a_sentence_and_nothing_is_there(tmp_path, monkeypatch, found, kind, words):
    store = LocalStore(tmp_path)

    def refuse(_descriptor):
        raise OSError(found, os.strerror(found))

    monkeypatch.setattr("infra.local_store.os.fsync", refuse)
    for write in (lambda: store.put_if_absent("a/key", b"x"), lambda: store.put_blob(b"x")):
        with pytest.raises(CannotAsk, match=words) as told:
            write()
        assert type(told.value) is kind
    monkeypatch.undo()
    assert store.keys("") == []
    assert store.put_if_absent("a/key", b"x")


def test_what_is_written_below_a_disk_that_is_away_is_not_taken_for_written(tmp_path):
    store = LocalStore(tmp_path / "disk")
    store.put_if_absent("a/key", b"x")
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    for write in (lambda: store.put_if_absent("a/key", b"x"), lambda: store.put_blob(b"x")):
        with pytest.raises(Away, match="found another one"):
            write()


def test_a_store_opens_while_its_folder_comes_and_goes(tmp_path):
    folder, away, over = tmp_path / "store", tmp_path / "away", threading.Event()
    folder.mkdir()

    def flap():
        while not over.is_set():
            folder.rename(away)
            away.rename(folder)

    flapping = threading.Thread(target=flap)
    flapping.start()
    try:
        for _ in range(20_000):
            LocalStore(folder)
    finally:
        over.set()
        flapping.join()
