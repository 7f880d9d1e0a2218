"""How an S3 store is named, and what is told where the name or the credentials are wrong."""

import pytest
import seaweed
from fault_proxy import answer
from hypothesis import given
from hypothesis import strategies as st

from expectations.errors import Away, CannotAsk
from infra.ledger import Ledger
from infra.s3_place import Place, read_place
from infra.store import open_store

pytestmark = pytest.mark.xdist_group("s3")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", Place("bucket", "")),
        ("s3://bucket/", Place("bucket", "")),
        ("s3://bucket//a//b/?region=eu-central-1", Place("bucket", "a/b", None, "eu-central-1")),
        ("s3://bucket/a%20b?lock_days=30", Place("bucket", "a b", None, None, 30)),
        ("s3://bucket/a?endpoint=HTTP://Host:80/", Place("bucket", "a", "http://host")),
        ("s3://bucket/a?endpoint=https%3A%2F%2Fhost%3A8333", Place("bucket", "a", "https://host:8333")),
        ("s3://bucket/a?endpoint=http://[::1]:8333", Place("bucket", "a", "http://[::1]:8333")),
    ],
)
def test_a_url_names_a_place(url, place):
    assert read_place(url) == place


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://", "no name of a bucket"),
        ("s3://Bucket/x", "no name of a bucket"),
        ("s3://user:hunter2@bucket/x", "no name of a bucket"),
        ("s3://bucket/x?secret_key=hunter2", "found secret_key"),
        ("s3://bucket/x?endpoint=http://user:hunter2@host", "endpoint=http"),
        ("s3://bucket/x?endpoint=ftp://host", "endpoint=http"),
        ("s3://bucket/x?endpoint=http://host:hunter2", "cannot be read"),
        ("s3://bucket/x?lock_days=0", "number of days"),
        ("s3://bucket/x?lock_days=ten", "number of days"),
        ("s3://bucket/x?region=", "region such as"),
        ("s3://bucket/x?region=a&region=b", "each option once"),
        ("s3://bucket/x?hunter2", "cannot be read"),
        ("s3://bucket/x#hunter2", "found a #"),
        ("s3://bucket/../x", "is no key"),
        ("gs://user:hunter2@bucket", "expected a local directory or s3://bucket/prefix"),
    ],
)
def test_a_url_that_is_wrong_is_told_without_what_may_be_a_secret(url, told):
    with pytest.raises(CannotAsk) as error:
        open_store(url)
    assert told in str(error.value)
    assert "hunter2" not in str(error.value)


def test_all_that_is_wrong_with_a_url_is_told_at_once():
    with pytest.raises(CannotAsk) as error:
        read_place("s3://B?lock_days=0&region=&x=1")
    assert len(error.value.problems) == 4


CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\")
NAMES = st.text(CHARACTERS, min_size=1, max_size=20).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAMES, max_size=3), st.sampled_from([None, "http://host:8333", "https://[::1]"]))
def test_the_canonical_url_names_the_same_place(names, endpoint):
    place = Place("bucket", "/".join(names), endpoint)
    assert read_place(place.url) == place


def test_region_and_lock_do_not_make_another_store_and_the_endpoint_does():
    one, other = "s3://bucket/a?endpoint=http://one", "s3://bucket/a?endpoint=http://other"
    assert read_place(f"{one}&region=eu-central-1&lock_days=3").url == one
    assert read_place(other).url != one


def test_the_place_that_a_person_is_told_is_without_the_query(s3_url):
    assert open_store(s3_url).place("a/b") == s3_url.split("?")[0] + "/a/b"


def test_a_variable_does_not_move_a_store(s3_url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert open_store("s3://bucket/x")._client.meta.endpoint_url == "https://s3.amazonaws.com"
    assert open_store(s3_url).put_if_absent("key", b"")


def told_by(url):
    with pytest.raises(CannotAsk) as error:
        open_store(url).get("key")
    said = str(error.value)
    assert said.startswith(f"{open_store(url).url}: reading key: ")
    assert seaweed.SECRET not in said
    return said


def test_a_wrong_secret_is_told(s3_url, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    assert "a signature that is wrong (403). Mend AWS_SECRET_ACCESS_KEY" in told_by(s3_url)
    with pytest.raises(CannotAsk, match="access denied, or a wrong secret") as error:
        open_store(s3_url).put_blob(b"x")
    assert "hunter2" not in str(error.value)


def test_a_key_that_the_server_does_not_know_is_told(s3_url, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    assert "an access key that it does not know (403)" in told_by(s3_url)


def test_no_credentials_are_told(s3_url, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert "no credentials. Set AWS_ACCESS_KEY_ID" in told_by(s3_url)


def test_a_profile_that_is_not_there_is_told(s3_url, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CannotAsk, match="AWS_PROFILE names a profile that is not there"):
        open_store(s3_url)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (400, "ExpiredToken", "credentials that have expired"),
        (403, "AccessDenied", r"access denied \(403\). Grant what docs/store.md lists"),
        (403, "RequestTimeTooSkewed", "Set this machine's clock"),
        (400, "AuthorizationHeaderMalformed", "Add region=NAME"),
        (418, "Teapot", r"a refusal \(Teapot\)"),
    ],
)
def test_a_refusal_is_a_sentence_and_is_not_asked_again(faulty_store, proxy, status, code, told):
    proxy.order("PUT", answer(status, code))
    with pytest.raises(CannotAsk, match=told):
        faulty_store.put_if_absent("key", b"")
    assert [method for method, _path in proxy.asked] == ["PUT"]


def test_who_may_only_read_reads_and_is_told_that_writing_is_denied(s3_url, tmp_path, monkeypatch):
    store = open_store(s3_url)
    digest = store.put_blob(b"content")
    Ledger(store, tmp_path / "writer").decide_and_append(lambda _state: None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.READER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.READERS_SECRET)
    reader = open_store(s3_url)
    assert reader.blob_path(digest).read_bytes() == b"content"
    assert Ledger(reader, tmp_path / "reader").problems() == []
    for write in (lambda: reader.put_if_absent("key", b""), lambda: reader.put_blob(b"more")):
        with pytest.raises(CannotAsk, match="access denied"):
            write()


def test_a_bucket_that_is_not_there_is_told(s3_server, s3_account):
    store = open_store(f"s3://nowhere?endpoint={s3_server}")
    asks = [
        lambda: store.get("key"),
        lambda: store.put_if_absent("key", b""),
        lambda: store.keys(""),
        lambda: store.put_blob(b""),
        lambda: store.put_if_absent("ledger/0", b""),
    ]
    for ask in asks:
        with pytest.raises(CannotAsk, match=r"no such bucket \(404\). Make the bucket"):
            ask()


def test_a_server_that_is_away_is_told(faulty_store):
    with pytest.raises(Away, match=r"nothing that answers there. Look whether the server runs"):
        open_store("s3://plain/x?endpoint=http://127.0.0.1:1").get("key")
