"""How much of anything one process of the gateway takes before it says no."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds. Each is a bound that holds however a caller misbehaves."""

    # A body as it is sent, and what it becomes when it is decompressed.
    body_bytes: int = 16 * MIB
    decompressed_bytes: int = 32 * MIB
    # All bodies together that are being received.
    buffered_bytes: int = 256 * MIB
    header_bytes: int = 16 * 1024
    rows: int = 10_000
    # From the connection (or the request's first byte) to the end of its headers, and from there to the body's end.
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    # How long a caller may leave an answer unread.
    write_seconds: float = 30.0
    idle_seconds: float = 60.0
    # Requests that were read and wait for their answer. More are turned away, so that these are answered soon.
    waiting: int = 64
    connections: int = 1000
    # Requests of one connection that were sent without waiting for the answers before them.
    pipelined: int = 100
    # How long requests may take to finish after the process was told to stop.
    stop_seconds: int = 30
    # A compressed answer pays from about here on.
    compress_from_bytes: int = 1024
    # Longer bodies are decoded beside the event loop, so that the others do not wait for them; compressed ones, which
    # may become a thousand times as long, from another size on. So many may be there at once.
    aside_from_bytes: int = 256 * 1024
    aside_from_compressed_bytes: int = 2 * 1024
    aside: int = 8
