"""One process of the gateway: under overload, told to stop, with TLS, with tokens."""

import asyncio
import gzip
import http.client
import json
import signal
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import uvloop
from wire_server import car_request, serving, serving_here

from expectations.errors import CannotAsk
from infra.gateway.wire.server import WAITED_SECONDS, Tls, is_loopback, open_socket, refuse_exposed, take_waiting

CARS = json.dumps(car_request())


def ask(port, method="POST", path="/v2/models/cars/infer", body=CARS, headers=None):
    """(status, headers, JSON, seconds) over a connection of its own."""
    began = time.monotonic()
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    wire.request(method, path, body if method == "POST" else None, headers or {})
    answer = wire.getresponse()
    told = json.loads(answer.read() or b"null")
    wire.close()
    return answer.status, answer.headers, told, time.monotonic() - began


def settled(gateway):
    """When a connection that began now is answered, whatever was sent before has arrived."""
    assert ask(gateway.port, "GET", "/v2/health/live")[0] == 200


def test_under_overload_it_sheds_and_stays_healthy():
    with serving_here(seconds=1.5, waiting=8) as gateway, ThreadPoolExecutor(40) as many:
        answers = [many.submit(ask, gateway.port) for _ in range(40)]
        began = time.monotonic()
        health = ask(gateway.port, "GET", "/v2/health/ready")
        found = [one.result() for one in answers]
        again = ask(gateway.port)
    shed = [one for one in found if one[0] == 503]
    assert {one[0] for one in found} == {200, 503}
    assert len(found) - len(shed) >= 8
    assert all(one[1]["retry-after"] == "1" and "wait already" in one[2]["error"] for one in shed)
    # It did not wait for those that were admitted before it.
    assert health[0] == 200
    assert health[3] < 1.5 < time.monotonic() - began
    assert again[0] == 200


def test_slow_callers_keep_nobody_out():
    with serving_here(waiting=4) as gateway:
        slow = [http.client.HTTPConnection("127.0.0.1", gateway.port) for _ in range(20)]
        for one in slow:
            one.putrequest("POST", "/v2/models/cars/infer")
            one.putheader("content-length", "100")
            one.endheaders(b"{")
        settled(gateway)
        assert ask(gateway.port)[0] == 200
        for one in slow:
            one.close()


def test_bodies_on_their_way_have_a_bound_together():
    with serving_here(buffered_bytes=100_000) as gateway:
        slow = [http.client.HTTPConnection("127.0.0.1", gateway.port) for _ in range(3)]
        for one in slow:
            one.putrequest("POST", "/v2/models/cars/infer")
            one.putheader("content-length", "60000")
            one.endheaders(b" " * 50_000)
            settled(gateway)
        answer = slow[-1].getresponse()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        slow[0].send(b" " * 10_000)
        assert slow[0].getresponse().status == 400
        for one in slow:
            one.close()


def test_many_bodies_that_decompress_to_huge_ones_stop_nobody():
    packed = gzip.compress(b" " * 40_000_000, 9)
    with serving_here() as gateway, ThreadPoolExecutor(24) as many:
        bombs = [many.submit(ask, gateway.port, body=packed, headers={"content-encoding": "gzip"}) for _ in range(24)]
        assert ask(gateway.port)[0] == 200
        assert {one.result()[0] for one in bombs} <= {413, 503}
        assert 413 in {one.result()[0] for one in bombs}
        assert ask(gateway.port, body=gzip.compress(CARS.encode()), headers={"content-encoding": "gzip"})[0] == 200


def test_told_to_stop_it_answers_what_it_has_and_ends():
    with serving(seconds=1.5) as gateway:
        asking = [http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20) for _ in range(4)]
        for one in asking:
            one.request("POST", "/v2/models/cars/infer", CARS)
        settled(gateway)
        gateway.process.send_signal(signal.SIGTERM)
        assert [one.getresponse().status for one in asking] == [200] * 4
        assert gateway.process.wait(timeout=20) == -signal.SIGTERM
        with pytest.raises(ConnectionError):
            ask(gateway.port)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = [folder / "certificate.pem", folder / "key.pem"]
    subject = ["-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*command, *subject, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_over_tls_it_is_the_same_gateway(tls):
    with serving_here(tls=Tls(*tls), header_seconds=1.0) as gateway:
        trusting = ssl.create_default_context(cafile=tls[0])
        wire = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=trusting)
        wire.request("POST", "/v2/models/cars/infer", CARS)
        assert wire.getresponse().status == 200
        wire.close()
        plain = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=3)
        plain.request("GET", "/v2/health/live")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            plain.getresponse()


def test_a_handshake_that_does_not_end_is_ended(tls):
    with (
        serving_here(tls=Tls(*tls), header_seconds=1.0) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as wire,
    ):
        assert wire.recv(100) == b""


def test_a_certificate_that_is_none_is_refused(tls, tmp_path):
    Tls(*tls).check()
    for files in ((tls[1], tls[0]), (tmp_path / "none.pem", tls[1])):
        with pytest.raises(CannotAsk, match="not a certificate and its key"):
            Tls(*files).check()


class Begun(asyncio.Protocol):
    """Tells that it was begun."""

    def connection_made(self, transport):
        transport.write(b"begun")


def taken_of(callers, seconds, how):
    """How many of so many connections, which nobody else takes, are begun in that time."""

    async def look():
        listener = open_socket("127.0.0.1", 0)
        taking = asyncio.create_task(take_waiting([listener], Begun, how))
        with ThreadPoolExecutor(callers) as pool:
            asked = [pool.submit(first_bytes, listener.getsockname()[1], how) for _ in range(callers)]
            await asyncio.sleep(seconds)
            taking.cancel()
            listener.close()
            return sum(await asyncio.gather(*map(asyncio.wrap_future, asked)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(look())


def first_bytes(port, how):
    """Whether a connection was begun before its listener went."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire, suppress(OSError):
        secure = ssl._create_unverified_context().wrap_socket(wire) if how else wire
        return secure.recv(5) == b"begun"
    return False


def test_connections_that_wait_are_all_taken_and_new_ones_are_left_to_others(tls):
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(*tls)
    assert taken_of(40, 2.0, {}) == 40
    assert taken_of(5, 2.0, {"ssl": secure, "ssl_handshake_timeout": 1.0}) == 5
    # At the first look they have not waited yet.
    assert taken_of(5, 1.5 * WAITED_SECONDS, {}) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_it_does_not_open_itself_to_others_unless_it_was_told_to(host):
    with pytest.raises(CannotAsk, match="TLS and tokens"):
        refuse_exposed(host, guarded=False, exposed=False)
    refuse_exposed(host, guarded=True, exposed=False)
    refuse_exposed(host, guarded=False, exposed=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_open_to_this_machine_alone(host):
    assert is_loopback(host)
    refuse_exposed(host, guarded=False, exposed=False)


def test_a_port_that_is_taken_is_told():
    with open_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotAsk, match=f"127.0.0.1:{port}: cannot listen there"):
            open_socket("127.0.0.1", port)
