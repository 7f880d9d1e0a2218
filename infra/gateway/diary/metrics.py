"""What the gateway counts, as OpenMetrics of all its processes together."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import time

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from expectations.state import MODES
from infra.gateway.diary.tallies import Cell, Tallies, collect

NAME = "seatrial_gateway_"
# Answers are counted in buckets of so many seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
POLLED = f"{NAME}ledger_polled_timestamp_seconds"
AGE = f"{NAME}ledger_age_seconds"

COUNTERS = {
    "requests": "Requests to predict, by whom they fell to and the HTTP status of the answer",
    "rows": "Records in requests that were answered",
    "distrusted_rows": "Answered records that a guard did not trust, by kind of reason",
    "challenger_failures": "Requests that the champion answered since the challenger could not",
    "shadow_dropped": "Scorings in the shadow that were left out since there was no time",
    "log_rows": "Rows of the prediction log that are safe on disk, by kind",
    "log_dropped_rows": "Rows that were not written down, by kind and why",
    "log_upload_failures": "Times that rows could not be brought to the store",
    "feedback": "Ground truth by source, and what became of it",
    "reports": "Reports of misbehaviour, and what became of them",
    "package_refusals": "Packages that could not be loaded, by release",
    "rate_limited": "Requests that came too fast",
    "boundary_hugging": "Records that lie close to a limit of the model, by whose token it was",
    "live_lookups": "Keys that were looked up live, by source and what came of it",
    "process_starts": "Processes of this gateway that were started; more than there are means restarts",
}
GAUGES = {
    "ledger_sequence": ("livemin", "The last record that the slowest process follows"),
    "ledger_polled_timestamp_seconds": ("livemin", "When the slowest process last read the ledger, in Unix seconds"),
    "mode": ("livemax", "1 for the mode that a model is in"),
    "traffic_share": ("livemax", "The share of the traffic that a release is to get, from 0 to 1"),
    "spooled_bytes": ("livesum", "Bytes of the prediction log that wait for the store"),
}


class Metrics:
    """Counts of one process, in a folder that all processes of one gateway share.

    To count costs about 1 µs and no lock; `keep` writes it down, for the other processes and in case of a crash. What
    the event loop counts no other thread counts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._tallies = folder, Tallies(folder)
        self._answers: dict[tuple[str, str, str, str], Callable[[float, int], None]] = {}
        self._cells: dict[tuple[str, ...], Cell] = {}
        self._shares: dict[str, set[str]] = {}
        self._add("process_starts", 1)

    def answered(self, model: str, release: str, arm: str, status: int, seconds: float, rows: int) -> None:
        """A request to predict that got an HTTP answer; `release` and `arm` are "" where it fell to none."""
        name = (model, release, arm, str(status))
        answer = self._answers.get(name)
        if answer is None:
            answer = self._answers[name] = self._answer(*name)
        answer(seconds, rows)

    def distrusted(self, model: str, release: str, rows: Mapping[str, int]) -> None:
        """Answered rows, by the kind of reason that speaks against them."""
        for reason, count in rows.items():
            self._add("distrusted_rows", count, model=model, release=release, reason=reason)

    def challenger_failed(self, model: str, release: str) -> None:
        """The champion answered in its place."""
        self._add("challenger_failures", 1, model=model, release=release)

    def shadow_dropped(self, model: str) -> None:
        """A scoring beside the champion was left out."""
        self._add("shadow_dropped", 1, model=model)

    def written(self, kind: str, rows: int) -> None:
        """Rows (kind: predictions or feedback) are safe on disk."""
        self._add("log_rows", rows, kind=kind)

    def dropped(self, kind: str, why: str, rows: int) -> None:
        """Rows will never be."""
        self._add("log_dropped_rows", rows, kind=kind, why=why)

    def spooled(self, size: int) -> None:
        """So many bytes wait for the store."""
        self._set("spooled_bytes", size)

    def upload_failed(self) -> None:
        """The store did not take what waits."""
        self._add("log_upload_failures", 1)

    def feedback(self, model: str, source: str, outcome: str, count: int = 1) -> None:
        """Ground truth from a caller: taken, refused, or there was no room."""
        self._add("feedback", count, model=model, source=source, outcome=outcome)

    def reported(self, model: str, outcome: str) -> None:
        """A report of misbehaviour: recorded, added to another, or lost."""
        self._add("reports", 1, model=model, outcome=outcome)

    def followed(self, sequence: int) -> None:
        """The ledger was read just now, up to this record."""
        self._set("ledger_sequence", sequence)
        self._set("ledger_polled_timestamp_seconds", time())

    def package_refused(self, model: str, release: str) -> None:
        """A package could not be loaded."""
        self._add("package_refusals", 1, model=model, release=release)

    def mode(self, model: str, mode: str) -> None:
        """The mode that a model is in."""
        for one in MODES:
            self._set("mode", float(one == mode), model=model, mode=one)

    def traffic(self, model: str, shares: Mapping[str, float]) -> None:
        """What share of the traffic each release is to get; of one that is not named any more, none."""
        known = self._shares.setdefault(model, set())
        known |= set(shares)
        for release in known:
            self._set("traffic_share", shares.get(release, 0.0), model=model, release=release)

    def looked_up(self, model: str, found: Mapping[tuple[str, str], int]) -> None:
        """What came of keys that were looked up live: {(source, what): how often}."""
        for (source, outcome), count in found.items():
            self._add("live_lookups", count, model=model, source=source, outcome=outcome)

    def limited(self, model: str) -> None:
        """A caller asked too often."""
        self._add("rate_limited", 1, model=model)

    def hugging(self, model: str, caller: str, rows: int) -> None:
        """So many records lie close to a limit of the model. `caller` by token: addresses are too many to count by."""
        self._add("boundary_hugging", rows, model=model, caller=caller)

    def text(self) -> tuple[bytes, str]:
        """OpenMetrics of all processes of this gateway, and their content type."""
        self.keep()
        registry = CollectorRegistry()
        registry.register(_Together(self._folder))
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def keep(self) -> None:
        """What was counted can be seen by all processes. The diary calls it every time that it writes."""
        self._tallies.keep()

    def close(self) -> None:
        """This process's counts go on counting; its gauges end."""
        self._tallies.close()

    def _answer(self, model: str, release: str, arm: str, status: str) -> Callable[[float, int], None]:
        names = {"model": model, "release": release, "arm": arm}
        requests = self._cell("requests", **names, status=status)
        rows_in = self._cell("rows", **names)
        seconds_in = self._tallies.histogram(
            f"{NAME}request_duration_seconds", "How long answers took", BUCKETS, {"model": model, "arm": arm}
        )
        good = status == "200"

        def answer(seconds: float, rows: int) -> None:
            requests.add(1)
            seconds_in.observe(seconds)
            if good:
                rows_in.add(rows)

        return answer

    def _add(self, name: str, amount: float, **labels: str) -> None:
        self._cell(name, **labels).add(amount)

    def _set(self, name: str, value: float, **labels: str) -> None:
        place = (name, *labels.values())
        if place not in self._cells:
            mode, words = GAUGES[name]
            self._cells[place] = self._tallies.gauge(NAME + name, words, mode, labels)
        self._cells[place].set(value)

    def _cell(self, name: str, **labels: str) -> Cell:
        place = (name, *labels.values())
        if place not in self._cells:
            self._cells[place] = self._tallies.counter(NAME + name, COUNTERS[name], labels)
        return self._cells[place]


class _Together:
    """What all processes counted, and what follows from it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        for metric in sorted(collect(self._folder), key=lambda metric: metric.name):
            yield metric
            if metric.name == POLLED:
                age = max(time() - min(sample.value for sample in metric.samples), 0.0)
                yield GaugeMetricFamily(AGE, "Seconds since the slowest process read the ledger", age)
