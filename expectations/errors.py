"""What goes wrong so that a question could not be asked at all."""

from collections.abc import Iterable


class CannotAsk(Exception):
    """A question could not be asked: bad input, an unreachable source, a file that is not what it should be.

    Each problem is a sentence for a person: what was expected, what was found, where, and what to do next.
    All problems are told at once. A gate that says no is a verdict, not this.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems: tuple[str, ...] = problems

    @classmethod
    def all_of(cls, problems: Iterable[str]) -> "CannotAsk":
        """One error out of many sentences, in their order."""
        return cls(*problems)


class Away(CannotAsk):
    """What was asked for is not there now and may be later: a server, a network. Asking again can help."""
