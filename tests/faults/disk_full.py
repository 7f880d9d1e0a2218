"""The disk is full: a small disk in memory, in a mount space of this process's own, under the store or its server."""

import json
import os
import random as rnd
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path

import seaweed

from expectations.errors import CannotAsk
from faults import plants
from faults.campaign import Fault, NotHere, Tried
from faults.ground import Bucket, Directory, credentials
from faults.work import lost_steps, step

BALLAST = 1 << 17
SIZES = {"directory": "2m", "SeaweedFS": "48m"}


def fill(place, random):
    """Steps of all sizes until none is taken; (those that were acknowledged, the sentences of those that were not)."""
    done, told = {}, []
    for n in range(2000):
        size = random.choice([1, 100, 3000, 30_000]) if len(told) % 2 else 3000 * random.randint(1, 30)
        try:
            done[step(place, f"r{n}", size)] = size
        except CannotAsk as error:
            told.append(str(error))
            if len(told) == 12:
                break
    return done, told


def directory(disk, folder, random):
    place = Directory(disk).place()
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * BALLAST)
    done, told = fill(place, random)
    ballast.unlink()
    done[step(place, "after")] = 1000
    return _tried(place, done, told, "no space left on the disk")


def server(disk, folder, random):
    """The server's disk is full. With room again and the server started anew, all that it acknowledged is there."""
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * (8 << 20))
    (disk / "weed").mkdir()
    with seaweed.running(disk / "weed") as running:
        place = Bucket(folder, running.url).place()
        done, told = fill_large(place, random)
        running.kill()
        ballast.unlink()
        running.start()
        done[step(place, "after")] = 1000
        return _tried(place, done, told, "not well")


def fill_large(place, random):
    done, told = {}, []
    for n in range(200):
        size = random.choice([10, 1_000_000, 3_000_000])
        try:
            done[step(place, f"r{n}", size)] = size
        except CannotAsk as error:
            told.append(str(error))
            if len(told) == 4:
                break
    return done, told


def _tried(place, done, told, words):
    lost = [one for size in set(done.values()) for one in lost_steps(place, [n for n in done if done[n] == size], size)]
    broken = [*place.ledger().problems(), *(f"no sentence: {one}" for one in told if words not in one)]
    broken += [] if told else ["the disk was never full"]
    return Tried(tuple(lost), tuple(broken))


def apart(ground, seed):
    """The trial in a process that has a mount space of its own."""
    folder = ground.folder / f"full-{uuid.uuid4()}"
    (folder / "disk").mkdir(parents=True)
    space = ["unshare", "--mount", *(["--user", "--map-root-user"] if os.geteuid() else [])]
    mount = f'mount -t tmpfs -o size={SIZES[ground.name]} disk "$0" && echo mounted && exec "$@"'
    trial = [sys.executable, "-m", "faults.disk_full", ground.name, str(folder), str(seed)]
    environment = credentials(folder)
    command = [*space, "sh", "-c", mount, folder / "disk", *trial]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    except FileNotFoundError as error:
        raise NotHere(f"no {error.filename} here") from None
    if not done.stdout.startswith("mounted"):
        raise NotHere(f"this account cannot mount a disk of its own ({done.stderr.strip()[-80:]})")
    assert done.returncode == 0, done.stderr[-400:]
    told = json.loads(done.stdout.splitlines()[-1])
    return Tried(tuple(told["lost"]), tuple(told["broken"]))


def plan(ground, random):
    return [partial(apart, ground, random.randrange(10**6)) for _ in range(4 if ground.name == "directory" else 1)]


FAULTS = [Fault("the disk is full", plan)]


def main(name, folder, seed):
    trial = {"directory": directory, "SeaweedFS": server}[name]
    plants.plant_here()
    tried = trial(Path(folder, "disk"), Path(folder), rnd.Random(seed))
    print(json.dumps({"lost": tried.lost, "broken": tried.broken}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
