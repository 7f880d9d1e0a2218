"""CSV files in two passes of equal memory, whatever their length: the types are settled first, then the rows are read.

Each pass parses blocks of whole records, a few megabytes each. A block that does not fit the types so far says which
ones it needs, so that the last row has its say as much as the first.
"""

import gzip
import io
from collections.abc import Generator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

BLOCK_BYTES = 1 << 22
LONGEST_RECORD_BYTES = 1 << 28
Kinds = dict[str, pl.DataType | None]
NUMBERS: tuple[pl.DataType, ...] = (pl.Int64(), pl.Float64())
TIMES: tuple[pl.DataType, ...] = (pl.Date(), pl.Datetime("us"), pl.Datetime("us", "UTC"))


def read_csv(
    path: Path, null_values: Sequence[str], only: str | None, glimpse: bool
) -> Generator[pa.Table, None, None]:
    """The file's rows in batches of one schema; `only` reads one column, `glimpse` asks the first rows for the types.

    Raises ValueError or PolarsError where this is no CSV file.
    """
    schema = _settled(path, null_values, glimpse)
    for block in _blocks(path):
        yield _parsed(block, null_values, schema, None if only is None else [only]).to_arrow()


def _settled(path: Path, null_values: Sequence[str], glimpse: bool) -> dict[str, pl.DataType]:
    kinds: Kinds = {}
    for number, block in enumerate(_blocks(path)):
        if number == 0:
            kinds = _kinds_of(block, null_values)
        elif unfit := _unfit(block, null_values, kinds):
            kinds |= _widened(block, null_values, {name: kinds[name] for name in unfit})
        if glimpse:
            break
    return _as_schema(kinds)


def _widened(block: bytes, null_values: Sequence[str], kinds: Kinds) -> Kinds:
    found = _kinds_of(block, null_values)
    both = {name: _either(kind, found[name]) for name, kind in kinds.items()}
    fits = {name: kind is None or _parses(block, null_values, name, kind) for name, kind in both.items()}
    return {name: kind if fits[name] else pl.String() for name, kind in both.items()}


def _unfit(block: bytes, null_values: Sequence[str], kinds: Kinds) -> list[str]:
    """The columns whose types this block may change: those without any value so far, or all if it does not parse."""
    unknown = [name for name, kind in kinds.items() if kind is None]
    try:
        frame = _parsed(block, null_values, _as_schema(kinds), None)
    except pl.exceptions.ComputeError:
        return list(kinds)
    return [name for name in unknown if frame[name].null_count() < len(frame)]


def _as_schema(kinds: Kinds) -> dict[str, pl.DataType]:
    return {name: pl.String() if kind is None else kind for name, kind in kinds.items()}


def _kinds_of(block: bytes, null_values: Sequence[str]) -> Kinds:
    """Each column's narrowest type in one block; None for a column without any value."""
    guesses = pl.scan_csv(
        io.BytesIO(block), infer_schema_length=None, null_values=list(null_values), try_parse_dates=True
    ).collect_schema()
    texts = _parsed(block, null_values, {name: pl.String() for name in guesses}, None)
    valued = {name for name in guesses if texts[name].null_count() < len(texts)}
    return {name: _kind(block, null_values, name, guess) if name in valued else None for name, guess in guesses.items()}


def _kind(block: bytes, null_values: Sequence[str], name: str, guess: pl.DataType) -> pl.DataType:
    """The parser takes more (+1, nan, a day as a moment) than a guess does: unasked, the order of rows would count."""
    candidates = {pl.String(): (*NUMBERS, *TIMES), pl.Int128(): NUMBERS}.get(guess, (guess,))
    return next((kind for kind in candidates if _parses(block, null_values, name, kind)), pl.String())


def _parses(block: bytes, null_values: Sequence[str], name: str, kind: pl.DataType) -> bool:
    missing = list(null_values)
    try:
        pl.read_csv(block, columns=[name], schema_overrides={name: kind}, null_values=missing, try_parse_dates=True)
    except pl.exceptions.ComputeError:
        return False
    return True


def _either(some: pl.DataType | None, other: pl.DataType | None) -> pl.DataType | None:
    """The type that holds the values of both."""
    if some is None or other is None or some == other:
        return some if other is None else other
    for ladder in (NUMBERS, TIMES):
        if some in ladder and other in ladder:
            return max(some, other, key=ladder.index)
    return pl.String()


def _parsed(
    block: bytes, null_values: Sequence[str], schema: dict[str, pl.DataType], columns: list[str] | None
) -> pl.DataFrame:
    return pl.read_csv(block, schema=schema, columns=columns, null_values=list(null_values), try_parse_dates=True)


def _blocks(path: Path) -> Generator[bytes, None, None]:
    """Whole records, the header before each block; at least one block."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        header, rest, empty = _header(file), b"", True
        while chunk := file.read(BLOCK_BYTES):
            rest += chunk
            if end := _last_end(rest):
                yield header + rest[:end]
                rest, empty = rest[end:], False
            if len(rest) > LONGEST_RECORD_BYTES:
                raise ValueError(f"a record is longer than {LONGEST_RECORD_BYTES >> 20} MB: is a quote left open?")
        if rest or empty:
            yield header + rest


def _header(file: gzip.GzipFile | io.BufferedReader) -> bytes:
    header = b""
    while line := file.readline():
        header += line if header or line.strip() else b""
        if header and header.count(b'"') % 2 == 0:
            break
    return header


def _last_end(text: bytes) -> int:
    """Where the last whole record ends: a line's end inside quotes is none. 0: nowhere."""
    end = text.rfind(b"\n") + 1
    quotes = text.count(b'"', 0, end)
    while end and quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', before, end)
        end = before
    return end
