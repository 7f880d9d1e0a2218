"""What the desk tells those who watch. They never make it wait."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from infra.gateway.contract import Answered, Asked
from infra.gateway.loading import Loaded


class Diary(Protocol):
    """What is written down of predictions and of what became of them."""

    def record(
        self,
        asked: Asked,
        answered: Answered | None,
        started: float,
        *,
        fell_to: tuple[str, str] | None = None,
        stage: int = -1,
        error: str | None = None,
        shadow: bool = False,
        key: str | None = None,
    ) -> None:
        """A prediction, a failure, or a scoring in the shadow. `started` by perf_counter.

        `fell_to` (arm, release) is whom the request fell to, where it is not whoever answered.
        """

    def truths(self, model: str, truths: Sequence[Any], source: str) -> None:
        """Ground truth that `source` brought. Raises Turned (503) where there is no room."""


class Reports(Protocol):
    """Misbehaviour that callers report."""

    def report(self, model: str, words: str, request_id: str | None, caller: str) -> None:
        """Raises Turned (400) where it says nothing."""


class Metrics(Protocol):
    """What is counted."""

    def answered(self, model: str, release: str, arm: str, status: int, seconds: float, rows: int) -> None:
        """A request to predict, and the status of its answer."""

    def challenger_failed(self, model: str, release: str) -> None:
        """The champion answered in its place."""

    def shadow_dropped(self, model: str) -> None:
        """A scoring beside the champion was left out."""

    def limited(self, model: str) -> None:
        """A caller asked too often."""

    def hugging(self, model: str) -> None:
        """Records of a request lie close to a limit."""

    def followed(self, sequence: int) -> None:
        """The ledger was read just now, up to this record."""

    def package_refused(self, model: str, release: str) -> None:
        """A package could not be loaded."""

    def mode(self, model: str, mode: str) -> None:
        """The mode that a model is in."""

    def traffic(self, model: str, shares: Mapping[str, float]) -> None:
        """What share of the traffic each release is to get."""

    def text(self) -> tuple[bytes, str]:
        """OpenMetrics, and their content type."""


class Know(Protocol):
    """Whoever wants to know of each release that is loaded, before it answers."""

    def __call__(self, loaded: Loaded) -> None: ...


class Nobody:
    """Nobody watches."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: (b"# EOF\n", "application/openmetrics-text") if name == "text" else None
