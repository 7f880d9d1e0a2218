"""Where an S3 store is: `s3://bucket/prefix?endpoint=http://127.0.0.1:8333&region=us-east-1&lock_days=365`."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ProfileNotFound

from expectations.errors import CannotAsk
from infra.store import check_key

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
OPTIONS = ("endpoint", "lock_days", "region")
EXPECTED = "s3://BUCKET/PREFIX, with ?endpoint=URL, region=NAME and lock_days=N where needed"
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 20, 4


@dataclass(frozen=True)
class Place:
    """A bucket and a prefix in it. The credentials are never here: boto3 finds them where it always does."""

    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None
    lock_days: int | None = None

    @property
    def url(self) -> str:
        """The place's one name, whichever way it was spelled: region and lock change nothing of what is there."""
        endpoint = f"?endpoint={quote(self.endpoint, safe=':/')}" if self.endpoint else ""
        return "/".join(part for part in (f"s3://{self.bucket}", quote(self.prefix)) if part) + endpoint

    def shown(self, key: str) -> str:
        """What a person calls a key's place."""
        return "/".join(part for part in (f"s3://{self.bucket}", self.prefix, key) if part)

    def key(self, key: str) -> str:
        """The object's name in the bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def client(self) -> Any:
        """A boto3 client: signature version 4, bounded retries, and the endpoint that the URL names, or AWS."""
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if self.endpoint else "auto"},
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=32,
            # Else one URL would be two stores, by what a variable says.
            ignore_configured_endpoint_urls=True,
        )
        try:
            session = boto3.Session(region_name=self.region)
        except ProfileNotFound:
            raise CannotAsk(
                f"{self.url}: AWS_PROFILE names a profile that is not there. Mend it or unset it."
            ) from None
        region = session.region_name or "us-east-1"
        return session.client("s3", region_name=region, endpoint_url=self.endpoint, config=config)


def read_place(url: str) -> Place:
    """The place that a URL names. Raises CannotAsk with everything that is wrong; no value of it is repeated."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        options = dict(pairs)
        wrong = list(_wrong(parts, pairs, options))
    except ValueError:
        raise CannotAsk(f"expected {EXPECTED}; found a URL that cannot be read.") from None
    if wrong:
        raise CannotAsk.all_of(f"s3://{parts.hostname or ''}: {sentence}" for sentence in wrong)
    prefix = "/".join(part for part in unquote(parts.path).split("/") if part)
    days = options.get("lock_days")
    endpoint = _origin(options["endpoint"]) if "endpoint" in options else None
    return Place(
        parts.netloc, check_key(prefix) if prefix else "", endpoint, options.get("region"), int(days) if days else None
    )


def _wrong(parts: SplitResult, pairs: list[tuple[str, str]], options: dict[str, str]) -> list[str]:
    endpoint, days = options.get("endpoint"), options.get("lock_days", "1")
    names = [name for name, _ in pairs]
    strange = sorted(set(names) - set(OPTIONS))
    checks = {
        f"expected {EXPECTED}; found no name of a bucket.": not BUCKET.fullmatch(parts.netloc),
        f"expected {EXPECTED}; found a #.": bool(parts.fragment),
        f"expected the options {', '.join(OPTIONS)}; found {', '.join(strange)}. Credentials come from the environment "
        "or a profile, never from a URL.": bool(strange),
        "expected each option once.": len(names) != len(set(names)),
        "expected endpoint=http://HOST:PORT or https://HOST, and nothing more.": endpoint is not None
        and not _origin(endpoint),
        "expected lock_days to be a number of days from 1 to 36500.": not (
            re.fullmatch(r"[0-9]{1,5}", days) and 1 <= int(days) <= 36500
        ),
        "expected a region such as eu-central-1.": not re.fullmatch(r"[a-z0-9-]+", options.get("region", "x")),
    }
    return [sentence for sentence, holds in checks.items() if holds]


def _origin(endpoint: str) -> str:
    """`scheme://host[:port]` in its one spelling; empty where it is anything else, such as one with a password."""
    parts = urlsplit(endpoint)
    plain = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
    if not plain or parts.username is not None or parts.query or parts.fragment:
        return ""
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, usual) else "")
