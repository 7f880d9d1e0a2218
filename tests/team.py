"""One `seatrial up`, as a team runs it: its process, its children, and what it tells."""

import json
import os
import signal
import subprocess
import threading
import time

from serving import SEATRIAL, children

NOTHING_NAMED = ("PREFECT_API_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL")


class Team:
    """One `seatrial up`: its process, and what it tells."""

    def __init__(self, folder, store, home, *options):
        environment = {name: value for name, value in os.environ.items() if name not in NOTHING_NAMED}
        environment |= {"SEATRIAL_HOME": str(home), "PREFECT_HOME": str(folder / "prefect")}
        command = [SEATRIAL, "up", "--store", store, "--port", "0", "--ui-port", "0", "--json", *options]
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.said = []
        threading.Thread(target=self._listen, daemon=True).start()
        self.places = self.until("all", "ready", seconds=300)

    def _listen(self):
        for line in self.process.stdout:
            self.said.append(
                json.loads(line) if line.startswith("{") else {"process": "?", "event": "?", "words": line}
            )

    def told(self, process, event, after=0):
        return [told for told in self.said[after:] if (told["process"], told["event"]) == (process, event)]

    def until(self, process, event, after=0, seconds=180):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.told(process, event, after):
                return found[-1]
            assert self.process.poll() is None, self.said
            time.sleep(0.1)
        raise AssertionError(f"{process} {event}: {self.said[after:]}")

    def kill(self, process):
        """Kills it; returns once it is up again."""
        at = len(self.said)
        os.kill(int(self.told(process, "begun")[-1]["words"].rpartition(" ")[2]), signal.SIGKILL)
        assert "ended by signal 9" in self.until(process, "died", at)["words"]
        self.until(process, "up", at)

    def family(self):
        found = [self.process.pid]
        for one in found:
            found += children(one)
        return found[1:]
