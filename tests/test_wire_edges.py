"""Whatever arrives on the socket, the gateway answers it or ends it, and goes on answering others."""

import gzip
import json
import socket
import time
import urllib.request
import zlib
from contextlib import contextmanager

import pytest
from wire_server import car_request, serving

TIGHT = {
    "header_seconds": 1.0,
    "body_seconds": 1.2,
    "write_seconds": 1.0,
    "idle_seconds": 5,
    "header_bytes": 4096,
    "body_bytes": 300_000,
    "decompressed_bytes": 600_000,
    "rows": 100,
    "connections": 60,
    "stop_seconds": 5,
}
CARS = json.dumps(car_request()).encode()
INFER = b"POST /v2/models/cars/infer HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
def gateway():
    with serving(limits=TIGHT) as running:
        yield running


@contextmanager
def connected(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as wire:
        yield wire


def everything(wire):
    """What comes until the other side ends the connection."""
    found = b""
    try:
        while part := wire.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def answer_of(wire):
    """One answer, of a connection that goes on."""
    found = b""
    while not (b"\r\n\r\n" in found and len(found.partition(b"\r\n\r\n")[2]) >= length_of(found)):
        part = wire.recv(65536)
        if not part:
            break
        found += part
    return found


def send_again(wire, data, times, pause=0.0):
    for _ in range(times):
        wire.sendall(data)
        time.sleep(pause)


def length_of(answer):
    return int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def said(gateway, *parts, pause=0.0):
    """What the gateway answers to bytes, before it ends the connection by itself."""
    with connected(gateway) as wire:
        for part in parts:
            wire.sendall(part)
            time.sleep(pause)
        return everything(wire)


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def post(body, *headers):
    length = b"content-length: %d\r\n" % len(body)
    return INFER + length + b"".join(header + b"\r\n" for header in headers) + b"connection: close\r\n\r\n" + body


def healthy(gateway):
    with urllib.request.urlopen(f"{gateway.url}/v2/health/live", timeout=5) as answer:
        return json.load(answer) == {"live": True}


def test_a_request_is_answered(gateway):
    assert status(said(gateway, post(CARS))) == 200


@pytest.mark.parametrize("sent", [b"GET /v2 HTTP/1.1\r\nhost: x\r\nslow: ", b"GET /v2 HT"])
def test_headers_that_do_not_end_are_ended(gateway, sent):
    began = time.monotonic()
    answer = said(gateway, sent)
    assert status(answer) == 408
    assert b"too long to arrive" in answer
    assert 0.9 < time.monotonic() - began < 6


def test_headers_that_trickle_are_ended_too(gateway):
    with connected(gateway) as wire:
        began = time.monotonic()
        wire.sendall(b"GET /v2 HTTP/1.1\r\nhost: ")
        with pytest.raises(ConnectionError):
            send_again(wire, b"a", 200, 0.05)
        assert time.monotonic() - began < 6


def test_a_body_that_does_not_end_is_ended(gateway):
    began = time.monotonic()
    answer = said(gateway, INFER + b"content-length: 100\r\n\r\n", b"{", pause=0.1)
    assert status(answer) == 408
    assert 1.0 < time.monotonic() - began < 6


def test_a_second_request_on_the_same_connection_has_its_own_time(gateway):
    with connected(gateway) as wire:
        for _ in range(3):
            wire.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
            assert status(answer_of(wire)) == 200
            time.sleep(0.5)
        wire.sendall(b"GET /v2/health/live HTTP/1.1\r\nho")
        assert status(everything(wire)) == 408


def test_a_connection_on_which_nothing_is_asked_ends_in_silence(gateway):
    assert said(gateway) == b""


@pytest.mark.parametrize("size", [5_000, 400_000])
def test_headers_that_are_too_long_are_refused(gateway, size):
    sent = b"GET /v2 HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * size + b"\r\n\r\n"
    with connected(gateway) as wire:
        try:
            wire.sendall(sent)
            answer = everything(wire)
        except ConnectionError:
            answer = b""
    assert status(answer) == 431 if size < 65536 else status(answer) in (431, None)
    assert healthy(gateway)


def test_as_many_headers_as_fit_are_taken(gateway):
    many = b"".join(b"h%d: v\r\n" % at for at in range(300))
    assert status(said(gateway, b"GET /v2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + many + b"\r\n")) == 200


def test_a_body_that_is_said_to_be_too_long_is_refused_before_it_is_sent(gateway):
    answer = said(gateway, INFER + b"content-length: 300001\r\n\r\n")
    assert status(answer) == 413
    assert b"300000 bytes" in answer


def test_a_body_in_chunks_that_grows_too_long_is_refused(gateway):
    with connected(gateway) as wire:
        wire.sendall(INFER + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(5):
            wire.sendall(b"%x\r\n" % 70_000 + b" " * 70_000 + b"\r\n")
        assert status(answer_of(wire)) == 413


def test_a_body_in_chunks_of_one_byte_is_read(gateway):
    sent = INFER + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    sent += b"".join(b"1\r\n%c\r\n" % byte for byte in CARS) + b"0\r\n\r\n"
    assert status(said(gateway, sent)) == 200


def test_what_follows_the_last_chunk_is_no_header(gateway):
    sent = INFER + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n%x\r\n" % len(CARS) + CARS
    answer = said(gateway, sent + b"\r\n0\r\nx-seatrial-key: \xff\r\ncontent-encoding: gzip\r\n\r\n")
    assert status(answer) == 200


def test_what_follows_the_last_chunk_has_an_end(gateway):
    with connected(gateway) as wire:
        wire.sendall(INFER + b"transfer-encoding: chunked\r\n\r\n0\r\n")
        with pytest.raises(ConnectionError):
            send_again(wire, b"a: " + b"b" * 1000 + b"\r\n", 100_000)
    assert healthy(gateway)


@pytest.mark.parametrize("zeros", [600_001, 100_000_000])
@pytest.mark.parametrize(("name", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_a_small_body_that_decompresses_to_a_huge_one_is_refused(gateway, name, pack, zeros):
    answer = said(gateway, post(pack(b" " * zeros), b"content-encoding: " + name))
    assert status(answer) == 413
    assert b"when it is decompressed" in answer


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (gzip.compress(CARS), b"gzip", 200),
        (zlib.compress(CARS), b"deflate", 200),
        (zlib.compress(CARS)[2:-4], b"deflate", 200),
        (CARS, b"identity", 200),
        (CARS, b"gzip", 400),
        (CARS, b"deflate", 400),
        (b"", b"gzip", 400),
        (b"", b"deflate", 400),
        (gzip.compress(CARS)[:-3], b"gzip", 400),
        (gzip.compress(CARS) + gzip.compress(b" "), b"gzip", 400),
        (gzip.compress(CARS), b"br", 415),
        (gzip.compress(CARS), b"gzip, gzip", 415),
    ],
)
def test_compressed_bodies_are_taken_whole_or_not_at_all(gateway, body, encoding, code):
    assert status(said(gateway, post(body, b"content-encoding: " + encoding))) == code


@pytest.mark.parametrize("rows", [100, 101])
def test_a_batch_has_so_many_rows_and_no_more(gateway, rows):
    sent = [
        {"name": name, "shape": [rows], "datatype": kind, "data": [value] * rows}
        for name, kind, value in (("year", "FP64", 2000), ("weight kg", "FP64", 1600), ("make", "BYTES", "Saab"))
    ]
    assert status(said(gateway, post(json.dumps({"inputs": sent}).encode()))) == (200 if rows == 100 else 413)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"NONSENSE\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /v2 HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
        INFER + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x00" * 5000,
    ],
)
def test_what_is_not_http_is_told_so_and_ended(gateway, sent):
    assert status(said(gateway, sent)) == 400
    assert healthy(gateway)


def test_a_caller_that_hangs_up_in_the_middle_leaves_nothing_behind(gateway):
    for _ in range(80):
        with connected(gateway) as wire:
            wire.sendall(INFER + b"content-length: 100\r\n\r\n{")
    assert healthy(gateway)


def test_an_offer_of_another_protocol_is_passed_over(gateway):
    offer = [b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQAoAAAAAIAAAAA"]
    sent = INFER + b"content-length: %d\r\n" % len(CARS) + b"\r\n".join(offer) + b"\r\n\r\n" + CARS
    with connected(gateway) as wire:
        wire.sendall(sent)
        assert status(answer_of(wire)) == 200


def test_requests_sent_without_waiting_are_answered_in_their_order(gateway):
    paths = [b"/v2/health/live", b"/v2/nope", b"/v2/health/ready"]
    sent = b"".join(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n" for path in paths)
    answer = said(gateway, sent + post(CARS))
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 404, 200, 200]


def test_answers_that_nobody_reads_are_given_up(gateway):
    # Room for 100 rows, so that the kernel's buffers are full soon.
    rows = {"inputs": [{**item, "shape": [100], "data": flat(item["data"]) * 50} for item in car_request()["inputs"]]}
    sent = post(json.dumps(rows).encode()).replace(b"connection: close\r\n", b"")
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.settimeout(5)
        wire.connect(("127.0.0.1", gateway.port))
        with pytest.raises(ConnectionError):
            send_again(wire, sent, 2000, 0.002)
    assert healthy(gateway)


def flat(values):
    return [value[0] if isinstance(value, list) else value for value in values]


def test_a_flood_of_requests_that_waits_for_no_answer_is_ended(gateway):
    with connected(gateway) as wire, pytest.raises(ConnectionError):
        send_again(wire, b"GET /v2/models/wine HTTP/1.1\r\nhost: x\r\n\r\n" * 200, 100_000)
    assert healthy(gateway)


def test_connections_beyond_the_bound_are_told_to_come_again(gateway):
    held = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(60)]
    try:
        time.sleep(0.1)
        answer = said(gateway, b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert status(answer) == 503
        assert b"retry-after: 1" in answer
    finally:
        for one in held:
            one.close()
    time.sleep(0.2)
    assert healthy(gateway)
