"""Work that a store does while a fault happens, and what is to be there of it afterwards."""

import hashlib

from expectations.records import canonical_json, digest_of
from infra.answers import once

BODY = {"spec_digest": "s", "as_of": "2026-01-01T00:00:00", "developers": ["dev"], "approvals_needed": 1}


def start(name, **more):
    """The decision to start a release once."""
    return lambda state: None if name in state.releases else ("release started", "m", {**BODY, "release": name, **more})


def judged(state, name, **more):
    """The record that a release passed, compared with what serves."""
    body = {"release": name, "outcome": "passed", "champion_compared": state.models.get("m"), "approvals_needed": 1}
    return "release judged", "m", {**body, "dossier_digest": digest_of(name.encode()), "blobs": {}, **more}


def content(name, size):
    """Bytes of a name that nothing makes smaller: a server would."""
    return hashlib.shake_256(name.encode()).digest(size)


def step(place, name, size=1000):
    """A finished step with a blob of its own, named by a record: what a release does, in little."""
    store = place.store()

    def compute():
        return {"blobs": {"data": store.put_blob(content(name, size))}}

    answer = once(store, place.home, "step", {"release": name}, compute)
    place.ledger().decide_and_append(start(name, **answer))
    return name


def lost_steps(place, names, size=1000):
    """Which of those that `step` acknowledged are not there as they were."""
    store, state = place.store(), place.ledger().state()
    held = {digest_of(content(name, size)): name for name in names}
    gone = [f"the record of {name}" for name in names if name not in state.releases]
    return [*gone, *(f"the blob of {name}" for digest, name in held.items() if not _lies(store, digest))]


def _lies(store, digest):
    try:
        store.check_blob(digest)
    except Exception:
        return False
    return True


def whole_release(place, name):
    """One judged release as the flow leaves it: answers of steps, blobs that name blobs, a page, records."""
    store, ledger = place.store(), place.ledger()
    evidence = {"blobs": {"metrics": store.put_blob(f"metrics of {name}".encode())}}
    once(store, place.home, "quality", {"release": name}, lambda: evidence)
    page = f"<html>{name}</html>".encode()
    store.put_if_absent(f"dossiers/{name}.html", page)
    data = store.put_blob(f"data of {name}".encode())
    manifest = {"blobs": {"data": data}, "rows": 3}
    once(store, place.home, "snapshot", {"release": name}, lambda: manifest)
    blobs = {"page": store.put_blob(page), "manifest": store.put_blob(canonical_json(manifest)), "data": data}
    ledger.decide_and_append(start(name))
    ledger.decide_and_append(lambda state: judged(state, name, blobs={**blobs, **evidence["blobs"]}))
