"""Where faults are tried: a directory, and a bucket of a real S3 server. A place in it is one store and one account."""

import os
import shutil
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import seaweed

from faults.plants import PLANT
from infra.keys import pipeline_key, signing_key
from infra.ledger import Ledger
from infra.store import open_store

opened = lru_cache(maxsize=8)(open_store)
administrator = lru_cache(maxsize=8)(seaweed.client)


@dataclass(frozen=True)
class Place:
    """A store in which nothing is yet, and an account. `raw` reaches behind the store's back."""

    url: str
    folder: Path
    raw: object

    @property
    def home(self):
        return self.folder / "home"

    def store(self):
        # A client of S3 takes a while to make; a folder can be another one by now.
        return opened(self.url) if "://" in self.url else open_store(self.url)

    def ledger(self):
        return Ledger(self.store(), self.home)

    def another_account(self):
        """A home with the same keys, that has seen nothing."""
        pipeline_key(self.home)
        signing_key(self.home)
        other = self.folder / f"home-{uuid.uuid4()}"
        other.mkdir(mode=0o700)
        for name in ("pipeline.pem", "signing.pem"):
            shutil.copy(self.home / name, other)
        return other


class Files:
    """The bytes of a directory."""

    def __init__(self, root):
        self.root = root

    def read(self, key):
        return (self.root / key).read_bytes()

    def write(self, key, data):
        (self.root / key).parent.mkdir(parents=True, exist_ok=True)
        (self.root / key).write_bytes(data)

    def remove(self, key):
        (self.root / key).unlink()


class Objects:
    """The bytes below a prefix of the bucket `plain`."""

    def __init__(self, server, prefix):
        self.server, self.prefix = server, prefix

    @property
    def client(self):
        return administrator(self.server)

    def read(self, key):
        return self.client.get_object(Bucket="plain", Key=f"{self.prefix}/{key}")["Body"].read()

    def write(self, key, data):
        self.client.put_object(Bucket="plain", Key=f"{self.prefix}/{key}", Body=data)

    def remove(self, key):
        self.client.delete_object(Bucket="plain", Key=f"{self.prefix}/{key}")


class Directory:
    """Every place is a folder."""

    name = "directory"

    def __init__(self, folder):
        self.folder = folder

    def place(self):
        folder = self.folder / str(uuid.uuid4())
        folder.mkdir(parents=True)
        return Place(str(folder / "store"), folder, Files(folder / "store"))


class Bucket:
    """Every place is a prefix. The environment holds the credentials: see `credentials`."""

    name = "SeaweedFS"

    def __init__(self, folder, server):
        self.folder, self.server = folder, server

    def place(self, server=None):
        prefix = str(uuid.uuid4())
        folder = self.folder / prefix
        folder.mkdir(parents=True)
        url = f"s3://plain/{prefix}?endpoint={server or self.server}"
        return Place(url, folder, Objects(self.server, prefix))


def credentials(folder):
    """What a process of the campaign has in its environment: the server's credentials, and nothing else of AWS."""
    # What is tried is this checkout, wherever the command was installed from.
    here = os.pathsep.join(str(folder) for folder in Path(__file__).parents[1:3])
    home = {"SEATRIAL_HOME": str(folder / "home"), "PYTHONPATH": here}
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # Named even where it is empty: a process that was begun earlier may have another one.
    plant = {PLANT: os.environ.get(PLANT, "")}
    return {**plain, **seaweed.CREDENTIALS, **seaweed.NOTHING_ELSE, **home, **plant}
