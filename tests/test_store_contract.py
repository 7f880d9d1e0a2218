"""What every store keeps to: one suite, over a directory and over a real S3 server."""

import multiprocessing
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import seaweed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations.errors import CannotAsk
from expectations.records import digest_of
from infra.s3_write import PART
from infra.store import Corrupt, Missing, blob_key, open_store

pytestmark = pytest.mark.xdist_group("s3")

TOO_LONG = ["n" * 256, "é" * 128, "/".join(["a"] * 500)]
NO_KEYS = ["", "/", "/a", "a/", "a//b", ".", "a/../b", "a\\b", "a\nb", "a\0", "\ud800", ".writing-x", *TOO_LONG]


@pytest.fixture(params=["local", "s3"])
def url(request, tmp_path, s3_account):
    if request.param == "local":
        return str(tmp_path / "store")
    return f"s3://plain/{uuid.uuid4()}?endpoint={request.getfixturevalue('s3_server')}"


@pytest.fixture
def store(url):
    return open_store(url)


@pytest.fixture
def overwrite(url, request):
    """Puts other bytes where a key lies, as no store would."""

    def behind_our_back(key, data):
        if not url.startswith("s3://"):
            open_store(url)._path(key).write_bytes(data)
            return
        prefix = url.removeprefix("s3://plain/").split("?")[0]
        admin = seaweed.client(request.getfixturevalue("s3_server"))
        admin.put_object(Bucket="plain", Key=f"{prefix}/{key}", Body=data)

    return behind_our_back


def test_of_many_threads_that_write_one_key_one_wins(store):
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: store.put_if_absent("a/key", str(n).encode()), range(48)))
    assert won.count(True) == 1
    assert store.get("a/key") == str(won.index(True)).encode()
    assert store.keys("") == ["a/key"]


def test_of_many_that_write_the_same_bytes_one_wins(store):
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda _: store.put_if_absent("a/key", b"same"), range(32)))
    assert won.count(True) == 1


def race(url, name, won):
    store = open_store(url)
    won.put([key for key in map(str, range(20)) if store.put_if_absent(f"race/{key}", name)])


def test_of_many_processes_that_write_one_key_one_wins(url):
    context = multiprocessing.get_context("spawn")
    won = context.Queue()
    racers = [context.Process(target=race, args=(url, name, won)) for name in (b"a", b"b", b"c")]
    for racer in racers:
        racer.start()
    assert sorted(key for _ in racers for key in won.get(timeout=60)) == sorted(map(str, range(20)))
    for racer in racers:
        racer.join()


def test_what_is_not_there_is_missing(store):
    nothing = "sha256:" + "0" * 64
    asks = [
        lambda: store.get("no/thing"),
        lambda: store.get_range("no/thing", 0, 1),
        lambda: store.get_blob(nothing),
        lambda: store.blob_path(nothing),
        lambda: store.check_blob(nothing),
    ]
    for ask in asks:
        with pytest.raises(Missing):
            ask()
    assert store.keys("") == store.keys("no/") == []


def test_a_folder_of_keys_is_no_key(store):
    store.put_if_absent("a/b", b"")
    with pytest.raises(Missing):
        store.get("a")


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_one_store_could_not_keep_is_a_key_in_none(store, key):
    for ask in (lambda: store.put_if_absent(key, b""), lambda: store.get(key), lambda: store.place(key)):
        with pytest.raises(CannotAsk, match="is no key of a store"):
            ask()


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [(0, 1, b"0"), (0, 10, b"0123456789"), (3, 7, b"3456"), (8, 99, b"89"), (10, 11, b""), (99, 100, b"")],
)
def test_a_range_is_what_the_slice_of_the_whole_is(store, start, end, found):
    store.put_if_absent("key", b"0123456789")
    store.put_if_absent("empty", b"")
    assert store.get_range("key", start, end) == found
    assert store.get_range("empty", start, end) == b""


def test_more_keys_than_one_page_are_listed_in_order_and_by_prefix(store):
    keys = [f"many/{n:04d}" for n in range(1005)] + ["man", "many-more/a", "z"]
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda key: store.put_if_absent(key, b""), keys))
    assert store.keys("") == sorted(keys)
    assert store.keys("many/") == sorted(key for key in keys if key.startswith("many/"))
    assert store.keys("many/100") == [f"many/{n}" for n in range(1000, 1005)]


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART + 7])
def test_a_blob_of_any_size_comes_back_from_bytes_and_from_a_file(store, tmp_path, size):
    content = uuid.uuid4().bytes * (size // 16) + b"x" * (size % 16)
    (tmp_path / "file").write_bytes(content)
    digest = store.put_blob(tmp_path / "file")
    assert digest == digest_of(content) == store.put_blob(content)
    assert store.get_blob(digest) == store.blob_path(digest).read_bytes() == content
    assert store.keys("") == [blob_key(digest)]
    store.check_blob(digest)


def test_many_that_keep_the_same_content_at_once_keep_it_once(store):
    content = b"part" * (PART // 4 + 1)
    with ThreadPoolExecutor(4) as pool:
        digests = set(pool.map(lambda _: store.put_blob(content), range(4)))
    assert store.keys("") == [blob_key(digests.pop())]
    assert not digests


@pytest.mark.parametrize("other", [b"cpntent", b"", b"content and more"])
def test_a_blob_that_was_overwritten_behind_our_back_is_found(store, overwrite, other):
    digest = store.put_blob(b"content")
    overwrite(blob_key(digest), other)
    for ask in (store.get_blob, store.blob_path, store.check_blob):
        with pytest.raises(Corrupt, match="Bring it back from a copy"):
            ask(digest)


def test_a_local_copy_does_not_hide_what_became_of_the_store(store, overwrite):
    digest = store.put_blob(b"content")
    store.blob_path(digest)
    overwrite(blob_key(digest), b"cpntent")
    with pytest.raises(Corrupt):
        store.check_blob(digest)


def test_a_listing_can_begin_after_a_key(store):
    for name in ("a/1", "a/2", "a/3", "b/1"):
        store.put_if_absent(name, b"x")
    assert store.keys("a/", "a/1") == ["a/2", "a/3"]
    assert store.keys("a/", "a/0") == ["a/1", "a/2", "a/3"]
    assert store.keys("a/", "a/3") == []


CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\")
NAMES = st.text(CHARACTERS, min_size=1, max_size=40).filter(lambda name: name not in (".", ".."))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=4), data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_what_was_put_comes_back(store, names, data, cut):
    key = "/".join([str(uuid.uuid4()), *names])
    assert store.put_if_absent(key, data)
    assert not store.put_if_absent(key, data + b"x")
    assert store.get(key) == data
    assert store.get_range(key, cut, cut + 7) == data[cut : cut + 7]
    assert store.keys(key[:40]) == [key]
