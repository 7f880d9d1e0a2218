"""What goes wrong between an S3 store and its server."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import seaweed
from fault_proxy import answer, flip, half_body, lose_answer, lose_request, wait

from expectations.errors import Away, CannotAsk
from infra import s3_write
from infra.store import Corrupt, Missing, blob_key

pytestmark = pytest.mark.xdist_group("s3")

UNWELL, CONFLICT = answer(503, "SlowDown"), answer(409, "ConditionalRequestConflict")


@pytest.fixture
def store(faulty_store):
    return faulty_store


def asked(proxy, method):
    return sum(found == method for found, _path in proxy.asked)


def prefix_of(store):
    return store.place("x").removeprefix("s3://plain/").removesuffix("/x")


@pytest.mark.parametrize("fault", [UNWELL, answer(500, "InternalError"), lose_request, lose_answer, half_body, wait(2)])
def test_a_read_is_asked_again(store, proxy, fault):
    store.put_if_absent("key", b"0123456789")
    proxy.order("GET", fault)
    assert store.get("key") == b"0123456789"
    assert asked(proxy, "GET") == 2


def test_bytes_that_change_on_their_way_are_asked_for_again(store, proxy):
    store.put_if_absent("key", b"0123456789")
    digest = store.put_blob(b"content")
    proxy.order("GET", flip, part="key")
    proxy.order("GET", flip, part="blobs")
    assert store.get("key") == b"0123456789"
    assert store.blob_path(digest).read_bytes() == b"content"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (half_body, "a connection that was cut. Run the command again"),
        (lose_answer, "a connection that was cut"),
        (flip, "bytes that were changed on their way"),
        (wait(2), "no answer in time"),
        (UNWELL, r"a server that is not well \(503\). Wait"),
    ],
)
def test_a_read_that_goes_wrong_for_ever_ends_in_a_sentence(store, proxy, fault, told):
    store.put_if_absent("key", b"0123456789")
    proxy.order("GET", *[fault] * 20)
    with pytest.raises(CannotAsk, match=f"reading key: expected an answer, found {told}") as found:
        store.get("key")
    # A step is asked again in a while; bytes that were changed four times are no case for patience.
    assert isinstance(found.value, Away) == (fault is not flip)


@pytest.mark.parametrize("fault", [UNWELL, CONFLICT, lose_request, lose_answer, wait(2)])
def test_the_one_whose_answer_was_lost_has_won(store, proxy, fault):
    proxy.order("PUT", fault)
    assert store.put_if_absent("key", b"ours")
    assert asked(proxy, "PUT") == 2
    assert store.get("key") == b"ours"


@pytest.mark.parametrize("fault", [UNWELL, CONFLICT, lose_request, lose_answer])
def test_whoever_was_second_has_lost_even_if_the_answer_was_lost(store, proxy, fault):
    store.put_if_absent("key", b"theirs")
    proxy.order("PUT", fault)
    assert not store.put_if_absent("key", b"ours")
    assert store.get("key") == b"theirs"


def test_every_answer_lost_and_still_the_winner_knows(store, proxy):
    proxy.order("PUT", *[lose_answer] * 4)
    assert store.put_if_absent("key", b"ours")


@pytest.mark.parametrize("fault", [CONFLICT, UNWELL, lose_request])
def test_a_write_that_never_arrives_is_neither_won_nor_lost(store, proxy, fault):
    proxy.order("PUT", *[fault] * 20)
    with pytest.raises(CannotAsk, match="writing key: expected an answer"):
        store.put_if_absent("key", b"ours")
    with pytest.raises(Missing):
        store.get("key")


def test_one_of_many_writers_wins_though_answers_are_lost(store, proxy):
    proxy.order("PUT", UNWELL, lose_answer, lose_request, CONFLICT, lose_answer, lose_answer)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.put_if_absent("key", str(n).encode()), range(8)))
    assert won.count(True) == 1
    assert store.get("key") == str(won.index(True)).encode()


@pytest.mark.parametrize("fault", [UNWELL, lose_request, half_body])
def test_a_listing_is_asked_again(store, proxy, fault):
    store.put_if_absent("key", b"")
    proxy.order("GET", fault)
    assert store.keys("") == ["key"]


def test_content_that_is_there_is_not_sent_again(store, proxy):
    store.put_blob(b"content")
    sent = asked(proxy, "PUT")
    store.put_blob(b"content")
    assert asked(proxy, "PUT") == sent == 1


def test_a_blob_of_another_size_is_not_taken_for_the_content(store, s3_server):
    key = f"{prefix_of(store)}/{blob_key(store.put_blob(b'content'))}"
    seaweed.client(s3_server).put_object(Bucket="plain", Key=key, Body=b"")
    with pytest.raises(Corrupt, match="expected 7 bytes, found 0"):
        store.put_blob(b"content")


def test_a_local_copy_is_fetched_once_and_again_when_it_is_damaged(store, proxy):
    digest = store.put_blob(b"content")
    path = store.blob_path(digest)
    assert path.stat().st_mode & 0o077 == 0
    assert store.blob_path(digest) == path
    assert asked(proxy, "GET") == 1
    path.write_bytes(b"cpntent")
    assert store.blob_path(digest).read_bytes() == b"content"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.fixture
def large(tmp_path, monkeypatch):
    monkeypatch.setattr(s3_write, "PART", 5 << 20)
    (tmp_path / "large").write_bytes(uuid.uuid4().bytes * (11 << 16))
    return tmp_path / "large"


def uploads(store, s3_server):
    listed = seaweed.client(s3_server).list_multipart_uploads(Bucket="plain", Prefix=prefix_of(store))
    return listed.get("Uploads", [])


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("fault", [UNWELL, lose_request, lose_answer])
def test_a_large_blob_arrives_in_parts_though_one_goes_wrong(store, proxy, large, s3_server, method, fault):
    proxy.order(method, fault, part="uploadId")
    assert store.get_blob(store.put_blob(large)) == large.read_bytes()
    assert sum("partNumber" in path for _method, path in proxy.asked) >= 3
    assert not uploads(store, s3_server)


def test_a_conflict_at_the_end_of_a_large_blob_is_asked_again(store, proxy, large):
    proxy.order("POST", CONFLICT, part="uploadId")
    assert store.get_blob(store.put_blob(large)) == large.read_bytes()


def test_a_large_blob_that_fails_leaves_no_parts(store, proxy, large, s3_server):
    proxy.order("PUT", *[UNWELL] * 4, part="partNumber=2")
    with pytest.raises(CannotAsk, match="not well"):
        store.put_blob(large)
    assert not uploads(store, s3_server)
    assert store.keys("") == []


def test_a_file_that_changes_while_it_is_sent_is_not_kept(store, large, monkeypatch):
    begin = store._client.create_multipart_upload

    def change_it_then_begin(**where):
        large.write_bytes(b"x" * large.stat().st_size)
        return begin(**where)

    monkeypatch.setattr(store._client, "create_multipart_upload", change_it_then_begin)
    with pytest.raises(CannotAsk, match="it is being changed"):
        store.put_blob(large)
    assert store.keys("") == []
