"""Object lock, on a real server."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import seaweed
from botocore.exceptions import ClientError
from fault_proxy import answer

from expectations.errors import CannotAsk
from infra.store import open_store

pytestmark = pytest.mark.xdist_group("s3")


@pytest.mark.parametrize(("option", "days"), [("", 365), ("&lock_days=3", 3)])
def test_ledger_and_dossiers_are_locked_and_the_rest_is_not(s3_server, s3_account, option, days):
    prefix = str(uuid.uuid4())
    store, s3 = open_store(f"s3://locked/{prefix}?endpoint={s3_server}{option}"), seaweed.client(s3_server)
    for key in ("ledger/0", "dossiers/d.html", "steps/s"):
        assert store.put_if_absent(key, b"true")
        assert not store.put_if_absent(key, b"false")
    for key in ("ledger/0", "dossiers/d.html"):
        head = s3.head_object(Bucket="locked", Key=f"{prefix}/{key}")
        left = head["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert head["ObjectLockMode"] == "COMPLIANCE"
        assert timedelta(days=days) - timedelta(minutes=5) < left <= timedelta(days=days)
    assert "ObjectLockMode" not in s3.head_object(Bucket="locked", Key=f"{prefix}/steps/s")


def test_a_locked_record_cannot_be_destroyed_even_by_an_administrator(s3_server, s3_account):
    prefix = str(uuid.uuid4())
    store, s3 = open_store(f"s3://locked/{prefix}?endpoint={s3_server}"), seaweed.client(s3_server)
    store.put_if_absent("ledger/0", b"true")
    record = {"Bucket": "locked", "Key": f"{prefix}/ledger/0"}
    version = s3.head_object(**record)["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**record, VersionId=version, BypassGovernanceRetention=True)
    soon = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(minutes=1)}
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object_retention(**record, VersionId=version, Retention=soon)
    # It can be covered by another; that is found by its signature, and the one below is still there.
    s3.put_object(**record, Body=b"false")
    assert s3.get_object(**record, VersionId=version)["Body"].read() == b"true"


def test_the_buckets_own_rule_is_not_made_shorter(s3_server, s3_account):
    s3, bucket = seaweed.client(s3_server), f"rule-{uuid.uuid4()}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1000}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock)
    open_store(f"s3://{bucket}?endpoint={s3_server}&lock_days=3").put_if_absent("ledger/0", b"")
    left = s3.head_object(Bucket=bucket, Key="ledger/0")["ObjectLockRetainUntilDate"] - datetime.now(UTC)
    assert left > timedelta(days=999)


def test_a_lock_that_the_bucket_cannot_give_is_told(s3_url):
    store = open_store(f"{s3_url}&lock_days=3")
    with pytest.raises(CannotAsk, match="expected a bucket with object lock"):
        store.put_if_absent("ledger/0", b"")
    assert store.put_if_absent("steps/0", b"")


def test_whether_there_is_a_lock_is_asked_once(faulty_store, proxy):
    for n in range(3):
        faulty_store.put_if_absent(f"ledger/{n}", b"")
    assert sum("object-lock" in path for _method, path in proxy.asked) == 1


def test_a_server_that_will_not_say_whether_there_is_a_lock_is_told(faulty_store, proxy):
    proxy.order("GET", answer(403, "AccessDenied"), part="object-lock")
    with pytest.raises(CannotAsk, match=r"asking whether the bucket has an object lock: .* access denied"):
        faulty_store.put_if_absent("ledger/0", b"")
