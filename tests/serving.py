"""A real `seatrial serve`, and callers that keep their connections."""

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from served import GOOD

SEATRIAL = Path(sys.executable).parent / "seatrial"
BODY = json.dumps({"records": [GOOD]})
JSON = {"content-type": "application/json"}


class Gateway:
    """One gateway: its process, its port, and what it has said."""

    def __init__(self, store_url, home, *options):
        command = [SEATRIAL, "serve", "--store", store_url, "--port", "0", "--json", *options]
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "SEATRIAL_HOME": str(home)},
        )
        self.said, self._lines = [], queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.url = self.until(lambda line: line.get("listening"), "that it listens", 60)
        self.port = int(self.url.rsplit(":", 1)[1])

    def _listen(self):
        for line in self.process.stdout:
            self._lines.put(json.loads(line) if line.startswith("{") else {"words": line})
        self._lines.put(None)

    def until(self, wanted, what, seconds=30):
        """What `wanted` finds in the next line in which it finds something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                line = self._lines.get(timeout=max(end - time.monotonic(), 0.01))
            except queue.Empty:
                break
            assert line is not None, f"it ended and never said {what}: {self.said}"
            self.said.append(line)
            if found := wanted(line):
                return found
        raise AssertionError(f"it never said {what}: {self.said}")

    def until_words(self, words, seconds=30):
        return self.until(lambda line: words in line.get("words", ""), repr(words), seconds)

    def workers(self):
        """The ids of its workers that live."""
        return children(self.process.pid)

    def ask(self, path="/v2/models/cars/records", body=BODY, method="POST"):
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, JSON if body else {})
            response = connection.getresponse()
            return SimpleNamespace(status=response.status, json=json.loads(response.read() or "null"))
        finally:
            connection.close()

    def get(self, path):
        return self.ask(path, None, "GET")

    def until_all_say(self, release, seconds=60, asked=24):
        """Seconds until so many requests in a row, each on a new connection, were answered by the release."""
        began, right = time.monotonic(), 0
        first = began
        while right < asked:
            now = time.monotonic()
            assert now - began < seconds, f"{release} does not answer: {self.said}"
            if self.ask().json.get("release") == release:
                first, right = (now if right == 0 else first), right + 1
            else:
                right = 0
        return first - began

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.wait(30)


def children(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(path.parent.name))
    return sorted(found)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(true, what, seconds=15):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


class Callers:
    """Some threads, each asking on a connection that it keeps; it makes a new one when that breaks."""

    def __init__(self, port, count=4):
        self.port, self.answers, self.failures = port, [], []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(count)]

    def _ask_on(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                connection.request("POST", "/v2/models/cars/records", BODY, JSON)
                response = connection.getresponse()
                told = json.loads(response.read())
                if response.status != 200:
                    raise ValueError(f"{response.status} {told}")
                self.answers.append((began, told["release"]))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                connection.close()
        connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


@contextmanager
def serve(store_url, home, *options):
    gateway = Gateway(store_url, home, *options)
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.stop()
