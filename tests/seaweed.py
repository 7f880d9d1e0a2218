"""A real S3 server for the tests: a fake takes wrong secrets and wrong checksums, and its locks do not hold."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
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


class Server:
    """The server in a folder: it can be stopped and killed, and started again on the same ports and data."""

    def __init__(self, folder):
        self.folder, ports = folder, _free_ports(2 * len(PORTS))
        self.url = f"http://127.0.0.1:{ports[PORTS.index('s3')]}"
        named = [f"-{name}.port={ports[at]}" for at, name in enumerate(PORTS)]
        grpc = [f"-{name}.port.grpc={ports[len(PORTS) + at]}" for at, name in enumerate(PORTS)]
        sockets = [f"-{name}.localSocket={folder}/{name}.sock" for name in ("filer", "s3")]
        where = [f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder}/s3.json"]
        weed = [Path(sys.executable).parent / "weed", "server", "-s3"]
        self._command = [*weed, *where, *named, *grpc, *sockets, *QUIET, *STRICT, *SMALL]
        (folder / "data").mkdir()
        reads = _identity("reader", READER, READERS_SECRET, "Read:plain", "List:plain")
        (folder / "s3.json").write_text(json.dumps({"identities": [_identity("tests", KEY, SECRET, "Admin"), reads]}))

    def start(self):
        """Runs it and waits until it takes an object: its parts find each other one after the other."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self.folder)
        try:
            _make_buckets(self.url, self._process)
        except BaseException:
            self.kill()
            raise

    def pause(self):
        """It takes connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        """After `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        """As `kill -9`."""
        self._process.kill()
        self._process.wait(timeout=30)


@contextmanager
def running(folder):
    """A `Server` that runs; two buckets are there: `plain`, and `locked` with object lock."""
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def serve(folder):
    """The URL of a server that nothing happens to."""
    with running(folder) as server:
        yield server.url


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
    s3 = client(url)
    for _ in range(600):
        assert server.poll() is None, "the S3 server did not start"
        try:
            _make(s3, "plain")
            s3.put_object(Bucket="plain", Key="is-it-there", Body=b"yes")
            return _make(s3, "locked", ObjectLockEnabledForBucket=True)
        except (ClientError, BotoCoreError):
            time.sleep(0.1)
    raise AssertionError("the S3 server did not answer within a minute")


def _make(s3, bucket, **how):
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=bucket, **how)
