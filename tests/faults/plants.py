"""Defects that are planted on purpose, one for each fault and ground: a campaign that does not see them sees nothing.

`planted(defect)` has one in this process; the other processes of the campaign find its name in their environment
(`plant_here`), and `python -m faults.plants` is the `seatrial` command with it.
"""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from unittest.mock import patch

from botocore.exceptions import BotoCoreError, ClientError

from expectations.errors import CannotAsk
from expectations.records import digest_of
from infra import local_store
from infra.envelopes import ANSWER, public_part, signed
from infra.ledger import Ledger
from infra.local_store import LocalStore
from infra.s3_store import S3Store

PLANT = "FAULTS_PLANT"


@dataclass(frozen=True)
class Defect:
    """`replaces()` gives, by dotted name, what is put in its place; `seen_by` what shows it: `fault, ground`."""

    name: str
    seen_by: tuple[str, ...]
    replaces: Callable


def write_in_place(store, file, key):
    """As `LocalStore._link`, without a link: whoever is killed in between leaves half of it."""
    path = store._path(key)
    if path.exists():
        return False
    file.flush()
    file.seek(0)
    data = file.read()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb", buffering=0) as there:
        there.write(data[: len(data) // 2])
        there.write(data[len(data) // 2 :])
    return True


def later(write):
    """Acknowledged at once, written with the next one."""
    pending = []

    def acknowledge(store, *asked):
        pending.append((store, asked))
        if len(pending) > 1:
            before, other = pending.pop(0)
            write(before, *other)
        return _acknowledged(*asked)

    return acknowledge


def swallowed(write):
    """What is refused is taken for done."""

    def done(store, *asked):
        try:
            return write(store, *asked)
        except CannotAsk:
            return _acknowledged(*asked)

    return done


def _acknowledged(content, *data):
    """What `put_if_absent(key, data)` or `put_blob(content)` answers when all went well."""
    return True if data else digest_of(content if isinstance(content, bytes) else content.read_bytes())


def look_then_write(store, key, data):
    """`put_if_absent` of two who look at once: both write."""
    path = store._path(key)
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return True


def look_then_send(store, key, data):
    """The same on S3, without the condition."""
    if store._lies(key, data) is not None:
        return False
    store._client.put_object(**store._at(key), Body=data)
    return True


def taken_for_a_yes(write, _look):
    """`write_once`, for which every end is a good one."""
    with suppress(ClientError, BotoCoreError):
        write()
    return True


@contextmanager
def untold(_place, _operation):
    """`asking`, which makes no sentence of what the client raises."""
    yield


def remember_first(write=Ledger._write):
    """The account's memory of a record comes before the record."""

    def remember_and_write(ledger, seq, *more):
        put = ledger._store.put_if_absent

        def remembering(key, data):
            ledger._remember(seq, digest_of(data), public_part(ledger._signer()))
            return put(key, data)

        with patch.object(ledger._store, "put_if_absent", remembering):
            return write(ledger, seq, *more)

    return remember_and_write


def on(kind, method, change):
    """{dotted name: the method of a kind of store, changed}."""
    return {f"{kind.__module__}.{kind.__name__}.{method}": change(getattr(kind, method))}


def nothing(*_asked, **_more):
    """In the place of a check: it finds nothing."""
    return ()


def by_own_clock(store, key):
    """`age_seconds`, by the clock of this process."""
    return time.time() - store._client.head_object(**store._at(key))["LastModified"].timestamp()


def unasked():
    """An answer's blobs are not looked for before it is kept."""
    return {"infra.answers.named_blobs": nothing}


BITS, EDITS = "a bit flipped, bytes cut off or added", "a record, an answer, a checkpoint edited"
REMOVALS, ORDER = "a record, a blob, a dossier removed", "two in each other's place"
TAIL, CLOCK = "the tail cut off, an old ledger put back", "the clock jumps"
RACE, CONTENTION = "two releases of one model at once", "16 writers, 1,000 records"
KILLED, TWICE = "kill -9 at each of a release's steps", "one release by two accounts at once"


def both(fault):
    """A fault on both grounds."""
    return f"{fault}, directory", f"{fault}, SeaweedFS"


def of_server(*kinds):
    """What the server answers."""
    return tuple(f"the server answers: {kind}, SeaweedFS" for kind in kinds)


DEFECTS = [
    Defect(
        "keys and blobs are written in place",
        ("kill -9 inside put_if_absent, directory", "kill -9 inside put_blob, directory"),
        lambda: {"infra.local_store.LocalStore._link": write_in_place},
    ),
    Defect(
        "keys are acknowledged before they are written",
        ("kill -9 inside put_if_absent, SeaweedFS",),
        lambda: on(S3Store, "put_if_absent", later),
    ),
    Defect(
        "blobs are acknowledged before they are written",
        ("kill -9 inside put_blob, SeaweedFS", "kill -9 inside put_blob, in parts, SeaweedFS"),
        lambda: on(S3Store, "put_blob", later),
    ),
    Defect(
        "a record is remembered before it is written",
        both("kill -9 inside append"),
        lambda: {"infra.ledger.Ledger._write": remember_first()},
    ),
    Defect(
        "a blob that was refused is acknowledged",
        both("the disk is full"),
        lambda: {**on(LocalStore, "put_blob", swallowed), **on(S3Store, "put_blob", swallowed), **unasked()},
    ),
    Defect(
        "whichever folder is there is taken for the store",
        ("away for 30 s: the disk, directory",),
        lambda: {
            "infra.local_store.LocalStore._link": lambda store, file, key: local_store.link(file, store._path(key))
        },
    ),
    Defect(
        "what the client raises is passed on",
        (
            "away for 30 s: the server is killed, SeaweedFS",
            *of_server("a flipped byte", "a lost answer", "a late answer"),
        ),
        lambda: {"infra.s3_store.asking": untold},
    ),
    Defect(
        "nothing is asked twice, and what the client raises is passed on",
        ("away for 30 s: the server stands still, SeaweedFS", *of_server("half a body")),
        lambda: {"infra.s3_store.asking": untold, "infra.s3_store.CUT": (), "infra.s3_place.ATTEMPTS": 1},
    ),
    Defect(
        "every answer to a write is taken for a yes",
        of_server("503", "409", "a lost request", "any of these"),
        lambda: {"infra.s3_write.write_once": taken_for_a_yes},
    ),
    Defect(
        "a list is believed",
        of_server("a stale list"),
        lambda: {"infra.chain.Chain.keys": lambda chain: chain._store.keys("ledger/")},
    ),
    Defect(
        "verify reads no blob",
        both(BITS),
        lambda: {**on(LocalStore, "check_blob", lambda _: nothing), **on(S3Store, "check_blob", lambda _: nothing)},
    ),
    Defect("verify checks no signature", both(EDITS), lambda: {"securesystemslib.dsse.Envelope.verify": nothing}),
    Defect("verify misses no blob", both(REMOVALS), lambda: {"infra.audit._lost": nothing}),
    Defect(
        "an answer may lie in another's place",
        both(ORDER),
        lambda: {"infra.answers.step_content": lambda _key, data, trusted: signed(data, ANSWER, trusted)},
    ),
    Defect("nothing is remembered outside the store", both(TAIL), lambda: {"infra.ledger.seen": lambda *_: None}),
    Defect(
        "an answer may name what is gone, and this machine's clock says what is old",
        both(CLOCK),
        lambda: {**unasked(), "infra.s3_store.S3Store.age_seconds": by_own_clock},
    ),
    Defect(
        "a key is looked for, and then written",
        (*both(RACE), *both(CONTENTION)),
        lambda: {
            "infra.local_store.LocalStore.put_if_absent": look_then_write,
            "infra.s3_store.S3Store.put_if_absent": look_then_send,
        },
    ),
    Defect(
        "a finished step is done again",
        both(KILLED),
        lambda: {"tasks.steps.once": lambda _store, _home, _step, _inputs, compute: compute()},
    ),
    Defect("a release is judged as often as it ends", both(TWICE), lambda: {"tasks.record.judged": judged_again()}),
    Defect(
        "nobody waits for a store that is away",
        ("away for 30 s: the server, in a release, SeaweedFS",),
        lambda: {"infra.s3_errors._can_pass": lambda _error: False},
    ),
]


def judged_again():
    """`record.judged`, for which every release was just begun."""
    from dataclasses import replace

    from tasks import record

    judged = record.judged

    def again(job, state, outcome, told):
        begun = replace(state.releases[job.release], status="started")
        return judged(job, replace(state, releases={**state.releases, job.release: begun}), outcome, told)

    return again


def planted_name():
    """The name of the defect that this process and its children have; empty where all is as it should be."""
    return os.environ.get(PLANT, "")


@contextmanager
def planted(defect):
    """This process, and all that it starts, have the defect."""
    with ExitStack() as all_of_them:
        all_of_them.enter_context(patch.dict(os.environ, {PLANT: defect.name}))
        for name, value in defect.replaces().items():
            all_of_them.enter_context(patch(name, value))
        yield


def plant_here():
    """For good, in a process that was told of one."""
    for defect in DEFECTS:
        if defect.name == planted_name():
            for name, value in defect.replaces().items():
                patch(name, value).start()


if __name__ == "__main__":
    from flows import settings
    from flows.cli import main

    settings.set_defaults()
    plant_here()
    main()
