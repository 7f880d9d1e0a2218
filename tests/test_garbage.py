import os
import time
from datetime import timedelta

import pytest

from expectations.records import canonical_json
from infra.answers import once
from infra.garbage import garbage, remove_garbage
from infra.ledger import Ledger
from infra.store import Missing, blob_key, open_store

pytestmark = pytest.mark.xdist_group("s3")
AT_ONCE = timedelta(seconds=-1)


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path, s3_account):
    return open_store(str(tmp_path / "store") if request.param == "local" else request.getfixturevalue("s3_url"))


def filled(store, home):
    """A store in which one blob of each way to be named is, and one that nothing names."""
    names = ["by a record", "by a blob", "by a step", "by nothing"]
    digests = {name: store.put_blob(name.encode()) for name in names}
    manifest = store.put_blob(canonical_json({"parts": [digests["by a blob"]]}))
    body = {"release": "r", "spec_digest": "s", "as_of": "t", "developers": [], "approvals_needed": 1}
    told = body | {"blobs": {"data": digests["by a record"], "manifest": manifest}}
    Ledger(store, home).decide_and_append(lambda _: ("release started", "m", told))
    once(store, home, "step", {}, lambda: {"metrics": digests["by a step"]})
    return digests


def test_only_what_nothing_names_is_garbage(store, tmp_path):
    digests = filled(store, tmp_path / "home")
    assert garbage(store, AT_ONCE) == [digests["by nothing"]]
    assert remove_garbage(store, garbage(store, AT_ONCE), AT_ONCE) == [digests["by nothing"]]
    with pytest.raises(Missing):
        store.get_blob(digests["by nothing"])
    assert Ledger(store, tmp_path / "home").problems() == []


def test_what_is_younger_than_a_day_is_never_garbage(store, tmp_path):
    filled(store, tmp_path / "home")
    assert garbage(store) == []


def test_a_blob_that_is_kept_again_is_young_again(tmp_path):
    store = open_store(str(tmp_path / "store"))
    digest = store.put_blob(b"old")
    a_week_ago = time.time() - 7 * 86400
    os.utime(tmp_path / "store" / blob_key(digest), (a_week_ago, a_week_ago))
    found = garbage(store)
    assert found == [digest]
    store.put_blob(b"old")
    assert remove_garbage(store, found) == []
    assert store.get_blob(digest) == b"old"


def test_an_old_blob_in_a_bucket_is_made_young_when_it_is_kept_again(s3_url, monkeypatch):
    store = open_store(s3_url)
    digest = store.put_blob(b"old")
    time.sleep(1.1)
    before = store.age_seconds(blob_key(digest))
    monkeypatch.setattr("infra.s3_write.YOUNG", timedelta(0))
    store.put_blob(b"old")
    assert before >= 1
    assert store.age_seconds(blob_key(digest)) < before
    assert store.get_blob(digest) == b"old"
