"""Object lock: what the ledger and the dossiers say stays, whoever holds the keys, until a day that nobody can move."""

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from expectations.errors import CannotAsk
from infra.s3_errors import code_of
from infra.s3_place import Place

LOCKED = ("ledger/", "dossiers/")
USUAL_DAYS = 365
# The last two are the answers of servers that know no locks.
HAS_NONE = ("ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed")


def lock_days(client: Any, place: Place) -> int:
    """For how many days a record is locked: 0 where the bucket has no lock. Raises CannotAsk if the URL wants one."""
    try:
        found = client.get_object_lock_configuration(Bucket=place.bucket)["ObjectLockConfiguration"]
    except ClientError as error:
        if code_of(error) not in HAS_NONE:
            raise
        found = {}
    if found.get("ObjectLockEnabled") == "Enabled":
        # What is said with a write replaces the bucket's own rule, and must not make it shorter.
        return max(place.lock_days or USUAL_DAYS, _days_of_rule(found))
    if place.lock_days:
        raise CannotAsk(
            f"{place.url}: expected a bucket with object lock, as lock_days says, found one without. "
            "A bucket gets it when it is made; make another, or leave lock_days away."
        )
    return 0


def retention(days: int) -> dict[str, Any]:
    """What a write says of its lock."""
    if not days:
        return {}
    until = datetime.now(UTC) + timedelta(days=days)
    return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}


def _days_of_rule(found: dict[str, Any]) -> int:
    rule = found.get("Rule", {}).get("DefaultRetention", {})
    return int(rule.get("Days", 0) or 366 * rule.get("Years", 0))
