"""A real S3 server for the tests: a fake takes wrong secrets and wrong checksums, and its locks do not hold."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

KEY, SECRET = "seatrial-tests", "a-secret-that-guards-nothing"
READER, READERS_SECRET = "seatrial-reader", "another-that-guards-nothing"
PORTS = ("master", "volume", "filer", "s3")
QUIET = ["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
STRICT = ["-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"]
SMALL = ["-master.volumeSizeLimitMB=64", "-volume.max=100"]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
# What the tester's own account says of AWS is not to be asked.
NOTHING_ELSE = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "NO_PROXY": "127.0.0.1"}


@contextmanager
def serve(folder):
    """The server's URL; two buckets are there: `plain`, and `locked` with object lock."""
    ports = _free_ports(2 * len(PORTS))
    named = [f"-{name}.port={ports[at]}" for at, name in enumerate(PORTS)]
    grpc = [f"-{name}.port.grpc={ports[len(PORTS) + at]}" for at, name in enumerate(PORTS)]
    sockets = [f"-{name}.localSocket={folder}/{name}.sock" for name in ("filer", "s3")]
    (folder / "data").mkdir()
    reads = _identity("reader", READER, READERS_SECRET, "Read:plain", "List:plain")
    (folder / "s3.json").write_text(json.dumps({"identities": [_identity("tests", KEY, SECRET, "Admin"), reads]}))
    where = [f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder}/s3.json"]
    command = [Path(sys.executable).parent / "weed", "server", "-s3", *where]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, *named, *grpc, *sockets, *QUIET, *STRICT, *SMALL], stdout=log, stderr=log, cwd=folder
        )
        try:
            url = f"http://127.0.0.1:{ports[PORTS.index('s3')]}"
            _make_buckets(url, server)
            yield url
        finally:
            server.kill()
            server.wait(timeout=30)


def client(url):
    """An administrator of the server."""
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    session = boto3.Session(KEY, SECRET, region_name="us-east-1")
    return session.client("s3", endpoint_url=url, config=config)


def _identity(name, key, secret, *actions):
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}


def _free_ports(count):
    with ExitStack() as all_at_once:
        free = [all_at_once.enter_context(socket.socket()) for _ in range(count)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in free]


def _make_buckets(url, server):
    """Waits until the server also takes an object: its parts find each other one after the other."""
    s3, made = client(url), []
    for _ in range(600):
        assert server.poll() is None, "the S3 server did not start"
        try:
            made += [] if made else [s3.create_bucket(Bucket="plain")]
            s3.put_object(Bucket="plain", Key="is-it-there", Body=b"yes")
            return s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        except (ClientError, BotoCoreError):
            time.sleep(0.1)
    raise AssertionError("the S3 server did not answer within a minute")
