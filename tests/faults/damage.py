"""What is done to a store behind its back: does `seatrial verify` find it, and is all well again with it undone?"""

import base64
import json
import re
from functools import partial
from itertools import pairwise

from expectations.records import canonical_json
from faults.campaign import Fault, Tried
from faults.work import start, whole_release
from infra import checkpoints
from infra.ledger import Ledger
from infra.store import open_store


def filled(ground):
    """A store with two releases, checkpoints, answers, pages and blobs."""
    place, every = ground.place(), checkpoints.EVERY
    checkpoints.EVERY = 2
    try:
        for name in ("r0", "r1"):
            whole_release(place, name)
    finally:
        checkpoints.EVERY = every
    return place


def flip(random, data):
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def cut(random, data):
    return data[: random.randrange(len(data))]


def grow(_random, data):
    return data + b" "


def edit(random, data):
    """Another outcome, time or name in a signed envelope, with the signature as it was."""
    envelope = json.loads(data)
    payload = base64.b64decode(envelope["payload"]).decode()
    texts = re.findall(r'"([a-z0-9:. -]+)"', payload)
    text = random.choice(texts)
    envelope["payload"] = base64.b64encode(payload.replace(f'"{text}"', f'"{text}x"').encode()).decode()
    return canonical_json(envelope)


def changed(ground, place, key, change, random):
    """One key's bytes are others."""
    before = place.raw.read(key)
    return attempt(place, {key: change(random, before)}, f"{change.__name__} {key}")


def removed(ground, place, key):
    return attempt(place, {key: None}, f"remove {key}")


def swapped(ground, place, one, other):
    changes = {one: place.raw.read(other), other: place.raw.read(one)}
    return attempt(place, changes, f"swap {one} and {other}")


def tail_cut(ground, place, keys, count):
    return attempt(place, dict.fromkeys(keys[-count:]), f"the last {count} record(s) cut off")


def put_back(ground, place, keys, count):
    """The whole store as it was some records ago: what was kept since is gone, and everything fits together."""
    changes = dict.fromkeys(key for key in keys if key.startswith(("ledger/", "checkpoints/")))
    before = {key: place.raw.read(key) for key in keys if key.startswith("ledger/")}
    kept = dict(list(before.items())[:count])
    return attempt(place, {**changes, **kept}, f"put back to {count} records")


def forged(ground, place, key):
    """A record that somebody else's key signed, in the place of ours."""
    thief = ground.place()
    ledger = Ledger(open_store(thief.url), thief.folder / "thief")
    for n in range(12):
        ledger.decide_and_append(start(f"forged{n}"))
    return attempt(place, {key: thief.raw.read(key)}, f"forge {key}")


def attempt(place, changes, words):
    """Does it, asks `seatrial verify`'s question, undoes it, and asks again."""
    before = {key: place.raw.read(key) for key in changes}
    apply(place, changes)
    found = bool(place.ledger().problems())
    apply(place, before)
    after = place.ledger().problems()
    broken = tuple(f"{words}, undone: {problem}" for problem in after)
    return Tried(broken=broken if found else (*broken, words), damaged=True, found=found)


def apply(place, changes):
    for key, data in changes.items():
        if data is None:
            place.raw.remove(key)
        else:
            place.raw.write(key, data)


def of(keys, *prefixes):
    return [key for key in keys if key.startswith(prefixes)]


SIGNED = ("ledger/", "steps/", "checkpoints/")


def plan_bits(ground, random):
    place = filled(ground)
    keys = place.store().keys("")
    return [partial(changed, ground, place, key, how, random) for key in keys for how in (flip, cut, grow)]


def plan_edits(ground, random):
    place = filled(ground)
    keys = of(place.store().keys(""), *SIGNED)
    edits = [partial(changed, ground, place, key, edit, random) for key in keys]
    return [*edits, *(partial(forged, ground, place, key) for key in of(keys, "ledger/"))]


def plan_removals(ground, _random):
    place = filled(ground)
    # Of answers and checkpoints nothing is lost by it: the step runs again, the records are read.
    return [
        partial(removed, ground, place, key) for key in of(place.store().keys(""), "ledger/", "blobs/", "dossiers/")
    ]


def plan_order(ground, _random):
    place = filled(ground)
    keys = place.store().keys("")
    kinds = [of(keys, prefix) for prefix in (*SIGNED, "blobs/", "dossiers/")]
    return [partial(swapped, ground, place, one, other) for kind in kinds for one, other in pairwise(kind)]


def plan_tails(ground, _random):
    place = filled(ground)
    keys = place.store().keys("")
    records = of(keys, "ledger/")
    cuts = [partial(tail_cut, ground, place, records, count) for count in range(1, len(records) + 1)]
    return [*cuts, *(partial(put_back, ground, place, keys, count) for count in range(1, len(records)))]


FAULTS = [
    Fault("a bit flipped, bytes cut off or added", plan_bits),
    Fault("a record, an answer, a checkpoint edited", plan_edits),
    Fault("a record, a blob, a dossier removed", plan_removals),
    Fault("two in each other's place", plan_order),
    Fault("the tail cut off, an old ledger put back", plan_tails),
]
