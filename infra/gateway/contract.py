"""What the wire and the desk say to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

# By name, each (n,) or (n, 1): numbers as they were sent, texts as object arrays of str. A missing number is NaN, a
# missing text "".
Tensors = Mapping[str, npt.NDArray[Any]]

# The caller where no tokens are asked for.
ANONYMOUS = "anonymous"


class Turned(Exception):
    """A request that is not answered: an HTTP status, and words for whoever sent it. `after` is for Retry-After."""

    def __init__(self, status: int, words: str, after: int | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.after = status, words, after


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to predict `rows` records. `key` makes the split sticky; `caller` is whose token it was.

    `peer` is the address that it came from. `size` is the body's, unpacked, in bytes: what it keeps in memory until it
    is written down.
    """

    model: str
    tensors: Tensors
    rows: int
    request_id: str
    key: str | None = None
    caller: str = ""
    version: str | None = None
    size: int = 0
    peer: str = ""

    @property
    def who(self) -> str:
        """Whoever limits are for: the token's holder; without tokens, an address."""
        return self.peer if self.caller == ANONYMOUS else self.caller


@dataclass(frozen=True, slots=True)
class Answered:
    """What an arm's package said, `[n, 1]` or `[n, k]` each, and which arm: champion, challenger or fallback.

    `notes` are words for the caller, such as that the answer is the fallback's, and why. Rows in `refused` were not
    trusted: their prediction and what goes with it is empty (NaN, "", False). Those in `fell_back` are the fallback's.
    """

    outputs: Mapping[str, npt.NDArray[Any]]
    release: str
    arm: str
    notes: tuple[str, ...] = ()
    refused: tuple[int, ...] = ()
    fell_back: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tensor:
    """One input or output, as the Open Inference Protocol tells of it; `column` is what people call an input."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    column: str = ""


@dataclass(frozen=True)
class About:
    """A model: its serving release and the others at hand, its tensors, and what its guards may say.

    `also` may be sent too: no graph reads it, it decides who answers.
    """

    name: str
    release: str
    versions: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    classes: tuple[str, ...] = ()
    # What each bit of the output `reasons` means, and each column of `flags`.
    reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[Tensor, ...] = ()


class Desk(Protocol):
    """Who answers. Every method raises Turned; none of them blocks."""

    def ready(self) -> bool:
        """Whether every model that was named has a package loaded."""

    def health(self) -> Mapping[str, Any]:
        """For people who look after it, as JSON values: what is served, up to which record, and what is wrong."""

    def models(self) -> Sequence[str]:
        """The models that are served here."""

    def about(self, model: str, version: str | None = None) -> About:
        """A model, or one version (release) of it. Raises Turned (404) where it is not served here."""

    async def answer(self, asked: Asked) -> Answered:
        """The answer of whichever arm the key falls to."""

    def feedback(self, model: str, truths: Sequence[Mapping[str, Any]], caller: str) -> int:
        """Ground truth: `{"request_id", "row" (0), "truth" (number or text)}` each. Returns how many were taken."""

    def report(self, model: str, words: str, request_id: str | None, caller: str) -> None:
        """Somebody saw the model misbehave: brought to its owner."""

    def rollout(self, model: str) -> bytes:
        """The page of the model's last rollout, HTML. Raises Turned (404) where there was none."""

    def metrics(self) -> tuple[bytes, str]:
        """OpenMetrics of all processes of this gateway, and their content type; called in a thread."""


# What onnxruntime's types are called in the Open Inference Protocol.
DATATYPES = {
    np.dtype(np.float64): "FP64",
    np.dtype(np.float32): "FP32",
    np.dtype(np.int64): "INT64",
    np.dtype(np.bool_): "BOOL",
    np.dtype(object): "BYTES",
}
