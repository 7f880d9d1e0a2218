"""Live lookups: where a served package asks for what it froze, how long an answer counts, and how that is told."""

import re
from typing import Self

from pydantic import Field, model_validator

from expectations.parts import Part

# How a live value came about, one for each row: the input `live state/SOURCE` of a package.
NOT_ASKED, FRESH, STALE, UNANSWERED, UNKNOWN = range(5)
LITERAL_SECRET = re.compile(
    r"://[^/@:]*:(?!\$\{)[^@]+@|(?i:[?&](?:password|passwd|pwd|token|secret|sslpassword)=(?!\$\{))"
)
# What may hold any text; and a parameter, as SQLAlchemy finds it.
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
WRITING = re.compile(
    r"\b(insert|update|delete|merge|truncate|drop|alter|create|grant|revoke|copy|call|into|attach|pragma|vacuum)\b",
    re.IGNORECASE,
)


def live_input(column: str) -> str:
    """The package's input for a live value of a column: double, NaN for "take the frozen one"."""
    return f"live/{column}"


def state_input(source: str) -> str:
    """The package's input for how a lookup's live values came about: int64."""
    return f"live state/{source}"


class LiveLookup(Part):
    """Where a served package looks keys up. SQL has a query, Redis a prefix.

    After `timeout_ms`, or where the source is away, an answer of up to `stale_seconds` ago stands in; after that the
    frozen one.
    """

    url: str = Field(description="SQLAlchemy or redis:// URL; secrets as ${ENVIRONMENT_VARIABLE}")
    query: str | None = Field(default=None, description="SQL: one SELECT with the parameter :key and the columns")
    prefix: str | None = Field(default=None, description="Redis: prefix + key is a hash whose fields are the columns")
    timeout_ms: float = Field(default=50, gt=0, le=10_000, description="Longer no request waits")
    cache_seconds: float = Field(default=60, ge=0, description="An answer counts as fresh for so long")
    stale_seconds: float = Field(default=3600, ge=0, description="For so long it stands in, and the reason says so")
    pool: int = Field(default=4, ge=1, le=64, description="Connections of each gateway process")

    @property
    def is_redis(self) -> bool:
        """A key-value source."""
        return self.url.split("://", 1)[0] in ("redis", "rediss", "unix")

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if "://" not in self.url:
            raise ValueError(f"expected a URL such as postgresql://... or redis://..., found {self.url!r}")
        if LITERAL_SECRET.search(self.url):
            raise ValueError("the url holds a password in clear: write ${VARIABLE} and set it in the environment")
        asked, other = ("prefix", "query") if self.is_redis else ("query", "prefix")
        if getattr(self, asked) is None or getattr(self, other) is not None:
            raise ValueError(f"{self.url.split('://', 1)[0]} is asked with {asked}, and not with {other}")
        if self.query is not None and (problem := _not_a_question(self.query)):
            raise ValueError(f"query {problem}")
        if self.stale_seconds < self.cache_seconds:
            raise ValueError(f"stale_seconds ({self.stale_seconds:g}) is at least cache_seconds, which is fresh still")
        return self


def _not_a_question(query: str) -> str | None:
    """Why this is no single SELECT by `:key`, or None. The database has the last word: it is read only."""
    bare = QUOTED.sub("''", query.strip().rstrip(";"))
    if not re.match(r"(?i)\s*(select|with)\b", bare) or ";" in bare:
        return "is one SELECT, found something else"
    if found := WRITING.search(bare):
        return f"only reads, found {found[0]}"
    names = PARAMETER.findall(query)
    if set(names) != {"key"} or len(names) != len(PARAMETER.findall(bare)):
        return f"has the one parameter :key, outside quotes; found {', '.join(f':{n}' for n in names) or 'none'}"
    return None
