"""Callers of a gateway: they send real rows, some at a time, and bring the truth of each a little later."""

import http.client
import json
import threading
import time
from collections import Counter, deque
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

Truth = tuple[float, str, int, Any]


class Traffic:
    """`callers` threads that together ask about `rate` rows of `frame` a second, until they are told to stop.

    The `target` of a row follows `late_s` seconds after its answer. `counted` has what came of the requests: by arm,
    and `failed` for each that got no answer, or another status than 200.
    """

    def __init__(
        self, url: str, model: str, frame: pd.DataFrame, target: str, rate: float, callers: int = 4, late_s: float = 1.0
    ) -> None:
        self._address, self._model, self._late_s, self._target = urlsplit(url), model, late_s, target
        self.send(frame)
        self._pause, self._callers, self._stop = callers / rate, callers, threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(at,), daemon=True) for at in range(callers)]
        self.counted: Counter[str] = Counter()

    def send(self, frame: pd.DataFrame) -> None:
        """Rows of this frame from now on."""
        sent = frame.drop(columns=self._target)
        records: list[dict[str, Any]] = json.loads(sent.to_json(orient="records", date_format="iso"))
        # In one assignment, since threads read it.
        self._rows = list(zip(records, frame[self._target].tolist(), strict=True))

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, at: int) -> None:
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=30)
        truths: deque[Truth] = deque()
        while not self._stop.is_set():
            began, rows = time.monotonic(), self._rows
            record, truth = rows[at % len(rows)]
            request_id = f"{self._model}-{time.time_ns()}-{at}"
            self._ask(connection, record, request_id)
            truths.append((began + self._late_s, request_id, 0, truth))
            self._tell(connection, truths)
            at += self._callers
            self._stop.wait(max(0.0, self._pause - (time.monotonic() - began)))
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, record: dict[str, Any], request_id: str) -> None:
        told = self._post(connection, "records", {"id": request_id, "records": [record]})
        self.counted[told["arm"] if told else "failed"] += 1

    def _tell(self, connection: http.client.HTTPConnection, truths: "deque[Truth]") -> None:
        """In parts of a few: what a back office does, not a request for each row."""
        due = sum(1 for truth in truths if truth[0] < time.monotonic())
        if due < 10:
            return
        batch = [truths.popleft() for _ in range(due)]
        told = [{"request_id": name, "row": row, "truth": truth} for _, name, row, truth in batch]
        if self._post(connection, "feedback", {"truths": told}) is None:
            self.counted["feedback failed"] += 1

    def _post(self, connection: http.client.HTTPConnection, route: str, body: dict[str, Any]) -> dict[str, Any] | None:
        try:
            path = f"/v2/models/{self._model}/{route}"
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        found: dict[str, Any] = json.loads(content)
        return found if answer.status == 200 else None
