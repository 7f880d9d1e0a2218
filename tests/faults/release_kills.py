"""The real `seatrial release`, killed at each of its steps; another account and another clone of the project go on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import seaweed
from exposure import RISK

from faults import plants
from faults.campaign import Fault, Tried
from faults.ground import Bucket, credentials

BIN = Path(sys.executable).parent
# Two that begin at once without it would each take their own moment, and be two releases.
AS_OF = "2026-01-01"
STEPS = ("Releasing", "access", "snapshot", "data", "train", "conversion", "quality", "latency", "comparison")
SPEC = """\
model: {name: loan, task: regression, owner: olga, developers: [dev]}
candidate: {train: "fitting:fit"}
data: {target: amount, sources: {loans: {path: loans.csv}}}
"""
FITTING = """\
from sklearn.linear_model import LinearRegression
def fit(features, target):
    open("fitted.txt", "a").write("once\\n")
    return LinearRegression().fit(features, target)
"""


def project(folder):
    """A release that takes a second of work: 600 rows, a linear model."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(600, 3)), columns=["a", "b", "c"])
    frame["amount"] = 3 * frame["a"] - frame["b"] + random.normal(scale=0.1, size=600)
    frame.to_csv(folder / "loans.csv", index=False)
    (folder / "fitting.py").write_text(FITTING)
    (folder / "release.yaml").write_text(SPEC + RISK)
    return folder


@contextmanager
def prefect(folder):
    """A Prefect server, as a team has one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_UI_ENABLED": "false", "DO_NOT_TRACK": "1"}
    environment = {**os.environ, **quiet, "PREFECT_HOME": str(folder / "prefect")}
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    quietly = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env=environment, start_new_session=True, **quietly)
    url = f"http://127.0.0.1:{port}/api"
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        # Nothing of it is needed any more, and on a busy machine it takes more than half a minute to end by itself.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def command():
    """`seatrial`, as a user has it; with a defect in it where one is planted."""
    return [sys.executable, "-m", "faults.plants"] if plants.planted_name() else [BIN / "seatrial"]


class Account:
    """One account on one clone of the project: what it runs as a user would."""

    def __init__(self, place, clone, home, api):
        self.place, self.clone, self.api = place, clone, api
        self.environment = {**credentials(place.folder), "SEATRIAL_HOME": str(home), "PREFECT_API_URL": api}

    def start(self):
        return subprocess.Popen(
            [*command(), "release", "release.yaml", "--as-of", AS_OF, "--store", self.place.url],
            cwd=self.clone,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments):
        asked = [*command(), *arguments, "--store", self.place.url, "--json"]
        done = subprocess.run(asked, cwd=self.clone, env=self.environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr[-600:]
        return done.returncode, json.loads(done.stdout or "null"), done.stderr


def accounts(place, api):
    """Each on a clone of its own, with the pipeline's key and nothing seen of the store."""
    clone = project(place.folder / "clone-0")
    yield Account(place, clone, place.home, api)
    for n in range(1, 1000):
        other = place.folder / f"clone-{n}"
        shutil.copytree(clone, other, ignore=shutil.ignore_patterns("fitted.txt"))
        yield Account(place, other, place.another_account(), api)


def kill_after(account, step, seconds):
    """Starts the release and kills it, and its children, a while after it told of a step."""
    running = account.start()
    for told in running.stderr:
        if told.split()[:1] == [step]:
            time.sleep(seconds)
            break
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    running.stderr.close()


def ended(place, account, problems=()):
    """Runs it to its end and says what is not as if nothing had happened."""
    code, told, words = account.run("release", "release.yaml", "--as-of", AS_OF)
    broken = list(problems)
    broken += [] if (code, (told or {}).get("status")) == (0, "waiting") else [f"{code}: {told} {words[-300:]}"]
    sound = account.run("verify")
    broken += [] if sound[0] == 0 else [f"verify: {sound}"]
    kinds = [record.kind for record in place.ledger().read()]
    wanted = ["store opened", "release started", "release judged"]
    broken += [f"the records are {kinds}"] if kinds != wanted else []
    fitted = sum(file.read_text().count("once") for file in place.folder.glob("clone-*/fitted.txt"))
    broken += [f"it was trained {fitted} times"] if fitted != 1 else []
    return Tried((), tuple(broken))


def killed(ground, seconds, random):
    """One release that is killed at each step, each time in another account and clone, and then finished."""
    place = ground.place()
    with prefect(place.folder) as api:
        them = accounts(place, api)
        for step in STEPS:
            kill_after(next(them), step, 0 if step == "train" else seconds * random.random())
        return ended(place, next(them))


def both_at_once(ground):
    """The same release twice at once, on two clones: one release, judged once."""
    place = ground.place()
    with prefect(place.folder) as api:
        them = accounts(place, api)
        pair = [next(them), next(them)]
        running = [account.start() for account in pair]
        words = [one.communicate()[1] for one in running]
        broken = [f"ended with {one.returncode}: {said[-300:]}" for one, said in zip(running, words, strict=True)]
        broken = [told for told, one in zip(broken, running, strict=True) if one.returncode]
        tried = ended(place, next(them), broken)
        # Both may have trained before the first could say so: the answer that was kept first counts.
        return Tried((), tuple(told for told in tried.broken if "trained 2 times" not in told))


def server_away(ground, seconds):
    """The S3 server is killed in the middle of a release and comes back; the release waits and goes on by itself."""
    folder = ground.folder / f"server-{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    with seaweed.running(folder) as server:
        place = Bucket(ground.folder, server.url).place()
        with prefect(place.folder) as api:
            account = next(accounts(place, api))
            running = account.start()
            for told in running.stderr:
                if told.split()[:1] == ["snapshot"]:
                    break
            server.kill()
            time.sleep(seconds)
            server.start()
            words = running.communicate()[1]
            broken = [f"ended with {running.returncode}: {words[-300:]}"] if running.returncode else []
            return ended(place, account, broken)


def plan_kills(ground, random):
    return [partial(killed, ground, seconds, random) for seconds in (0.0, 0.4)]


FAULTS = [
    Fault("kill -9 at each of a release's steps", plan_kills),
    Fault("one release by two accounts at once", lambda ground, _random: [partial(both_at_once, ground)]),
    Fault(
        "away for 30 s: the server, in a release",
        lambda ground, _random: [partial(server_away, ground, 30)],
        on=("SeaweedFS",),
    ),
]
