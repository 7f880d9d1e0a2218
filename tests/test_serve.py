"""`seatrial serve` as it is run: processes that are killed, packages that are damaged, a store that is away."""

import http.client
import os
import signal
import socket
import threading
import time
from statistics import median

import pytest
from served import Written, price_graph, slow_graph
from serving import BODY, JSON, Callers, Gateway, alive, serve, until

pytestmark = pytest.mark.xdist_group("serve")
NAMES = iter(f"r{number}" for number in range(1, 1000))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    made = Written(tmp_path_factory.mktemp("serve"))
    made.promoted(next(NAMES), price_graph())
    return made


@pytest.fixture(scope="module")
def gateway(written):
    with serve(written.url, written.home, "--model", "cars", "--processes", 2) as made:
        until(lambda: len(made.workers()) == 2, "two workers")
        yield made
    assert made.process.returncode == 0


def promoted(written):
    """The name of a release that serves from now on."""
    name = next(NAMES)
    written.promoted(name, price_graph(factor=1.0 + int(name[1:]) / 100))
    return name


def test_ten_promotions_under_load_fail_no_request_and_all_processes_follow_in_two_seconds(written, gateway):
    took = []
    with Callers(gateway.port) as callers:
        for _ in range(10):
            name = promoted(written)
            took.append(gateway.until_all_say(name))
            until(lambda name=name: name in {release for _, release in callers.answers}, f"a caller answered by {name}")
    assert callers.failures == []
    # Each alone can be longer on a machine that has other things to do.
    assert median(took) < 2.0, took


def test_a_rollback_fails_no_request(written, gateway):
    # A process that is late still answers with an older one.
    before = written.ledger.state().models["cars"]
    name = promoted(written)
    gateway.until_all_say(name)
    with Callers(gateway.port) as callers:
        written.rolled_back(name)
        gateway.until_all_say(before)
    assert callers.failures == []


def test_after_a_kill_only_what_was_on_the_way_fails_and_the_worker_is_begun_again(gateway):
    victim, other = gateway.workers()
    with Callers(gateway.port, 8) as callers:
        time.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(gateway.workers()) == 2, "a new worker")
        gateway.until_words("ended by signal 9; begun again in 0.1 s")
        time.sleep(0.5)
    # Each caller has one connection: at most that of each broke, once.
    assert len(callers.failures) <= 8
    assert {words.split(":")[0] for words in callers.failures} <= {
        "ConnectionResetError",
        "RemoteDisconnected",
        "BrokenPipeError",
        # Killed between the head of an answer and its body.
        "IncompleteRead",
    }
    assert other in gateway.workers()
    with Callers(gateway.port) as callers:
        time.sleep(1)
    assert callers.failures == []


def test_a_damaged_package_is_refused_loudly_and_the_old_one_goes_on(written, gateway):
    before, name = gateway.ask().json["release"], next(NAMES)
    package = written.approved(name, price_graph(factor=7.0))
    written.store.blob_path(package).write_bytes(b"other bytes")
    with Callers(gateway.port) as callers:
        written.append("promoted", release=name, without_rollout="a test")
        gateway.until_words(f"{name} is not served: blob {package}")
        gateway.until_all_say(before)
    assert callers.failures == []
    written.rolled_back(name)


def test_while_the_store_is_away_workers_even_begin_anew(written, gateway):
    before = gateway.ask().json["release"]
    os.rename(written.url, f"{written.url}.away")
    try:
        gateway.until_words("the ledger cannot be read")
        for pid in gateway.workers():
            os.kill(pid, signal.SIGKILL)
        gateway.until_all_say(before, 60)
        until(lambda: len(gateway.workers()) == 2, "two workers")
    finally:
        os.rename(f"{written.url}.away", written.url)
    gateway.until_all_say(promoted(written), 30)


def test_a_challenger_ends_with_its_lease_without_a_word_of_the_ledger(written, gateway):
    champion, name = written.ledger.state().models["cars"], next(NAMES)
    written.approved(name, price_graph(factor=9.0))
    # Long enough for a busy machine to see it serve.
    written.rolled_out(name, {"share": 1.0}, seconds=12.0)
    with Callers(gateway.port) as callers:
        gateway.until_all_say(name)
        gateway.until_all_say(champion, 30)
    assert callers.failures == []
    written.rolled_back(name)


def test_a_gateway_waits_for_the_first_promotion_and_then_serves_by_itself(tmp_path):
    empty = Written(tmp_path)
    with serve(empty.url, tmp_path / "home", "--model", "cars") as gateway:
        assert gateway.get("/v2/health/ready").status == 503
        turned = gateway.ask()
        assert (turned.status, turned.json["error"]) == (
            503,
            "cars is not served yet: no release of it was promoted.",
        )
        empty.promoted("r1", price_graph())
        gateway.until_all_say("r1")
        assert gateway.get("/v2/health/ready").status == 200
        with Callers(gateway.port) as callers:
            os.kill(gateway.workers()[0], signal.SIGKILL)
            gateway.until_all_say("r1", 30)
        # The socket is the supervisor's: while there is no worker, callers wait and are not refused.
        assert not [words for words in callers.failures if "refused" in words]


def test_ctrl_c_lets_what_was_asked_be_answered(tmp_path):
    slow = Written(tmp_path)
    slow.promoted("r1", slow_graph(20), record={"year": 1.0})
    with serve(slow.url, slow.home, "--model", "cars") as gateway:
        answers = []
        asking = [threading.Thread(target=lambda: answers.append(gateway.ask(body=YEAR).status)) for _ in range(3)]
        for thread in asking:
            thread.start()
        time.sleep(0.15)
        assert gateway.stop() == 0
        for thread in asking:
            thread.join()
        assert answers == [200] * 3
        assert not gateway.workers()


YEAR = '{"records": [{"year": 2005.0}]}'


def test_workers_end_when_the_supervisor_is_killed(written):
    gateway = Gateway(written.url, written.home, "--model", "cars", "--processes", 2)
    until(lambda: len(gateway.workers()) == 2, "two workers")
    workers = gateway.workers()
    gateway.process.kill()
    gateway.process.wait()
    until(lambda: not any(alive(pid) for pid in workers), "the end of both workers")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tokens", "nowhere.yaml"], "expected a file of tokens"),
        (["--tls-cert", "cert.pem"], "go together"),
        (["--host", "0.0.0.0"], "expected an address of this machine alone"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "not a certificate and its key"),
    ],
)
def test_what_cannot_be_served_is_told_at_once(seatrial, options, words):
    done = seatrial("serve", "--port", 0, *options)
    assert done.code == 2
    assert words in done.err


def test_a_gateway_whose_workers_never_come_up_ends_and_says_why(tmp_path, seatrial):
    # The account's home, where it would keep its copies, is a file.
    (tmp_path / "home").write_text("")
    done = seatrial("serve", "--port", 0, "--processes", 2, "--store", tmp_path / "store")
    assert done.code == 2
    assert "File exists" in done.out
    assert "its workers ended each time" in done.err


def test_a_port_that_is_taken_is_told(seatrial):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = seatrial("serve", "--port", taken.getsockname()[1])
    assert done.code == 2
    assert "cannot listen there" in done.err


def test_a_kept_connection_outlives_a_swap(written, gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.connect()
    kept = connection.sock
    for _ in range(2):
        gateway.until_all_say(promoted(written))
        connection.request("POST", "/v2/models/cars/records", BODY, JSON)
        assert connection.getresponse().read()
    assert connection.sock is kept
    connection.close()
