"""How long does it take to know where a ledger of 100,000 records stands? `make bench-ledger`.

The records are signed and chained like any others, and laid into the store without fsync: what is measured is reading.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.results import Claim, write_results
from expectations.approvals import decision
from expectations.history import Record
from expectations.people import GRANTS, identity
from expectations.records import digest_of
from expectations.state import Person
from expectations.statements import public_key
from infra import checkpoints
from infra.checkpoints import NONE_BEFORE, Known
from infra.envelopes import CHECKPOINT, GENESIS, RECORD, public_part, record_key, sign
from infra.keys import pipeline_key
from infra.ledger import Ledger, now
from infra.local_store import LocalStore

RECORDS, MODELS = 100_000, 50
DIGEST = "sha256:" + "0" * 64


def main() -> None:
    """Writes the ledger, then folds it from its newest checkpoint, and once from its first record."""
    with tempfile.TemporaryDirectory() as folder:
        store, home = Path(folder, "store"), Path(folder, "home")
        _write(store, home)
        checkpointed = min(_seconds(store, home) for _ in range(3))
        for path in (store / "checkpoints").iterdir():
            path.unlink()
        whole = _seconds(store, home)
    print(
        f"{RECORDS:,} records: {checkpointed:.2f} s from the newest checkpoint on, {whole:.1f} s from the first record"
    )
    claims: list[Claim] = [
        {"name": "fold_100k_s", "value": round(checkpointed, 3), "unit": "CPU s", "goal": "<= 1"},
        {"name": "fold_100k_without_checkpoint_s", "value": round(whole, 2), "unit": "CPU s", "goal": "stated"},
    ]
    print(write_results("ledger", ("securesystemslib", "cryptography"), claims))


def _seconds(store: Path, home: Path) -> float:
    began = time.process_time()
    state = Ledger(LocalStore(store), home).state()
    assert len(state.models) == MODELS
    return time.process_time() - began


def _write(store: Path, home: Path) -> None:
    """Releases that go from started to champion, four records each, and a checkpoint at every thousandth."""
    signer, known = pipeline_key(home), Known()
    vera = Person("vera", ("validator", GRANTS), (public_key(signer.public_key),))
    public = public_part(signer)
    for folder in ("ledger", "checkpoints"):
        (store / folder).mkdir(parents=True)
    bodies = [("", GENESIS, {"keyid": public["keyid"], "public_key": public})]
    bodies.append(("", "identity set", identity(known.state, vera, "vera", signer)))
    served: dict[str, str] = {}
    for seq in range(RECORDS):
        if not bodies:
            bodies = _life(seq // 4, served)
        model, kind, body = bodies.pop(0)
        if kind == "decided":
            body = decision(known.state.releases[body["release"]], "vera", "approve", "", now(), signer)
        content = _content(seq, known.head, kind, model, body)
        data = sign(content, RECORD, signer)
        (store / record_key(seq)).write_bytes(data)
        known = known.followed_by([Record(**content, digest=digest_of(data))])
        # In the last checkpoints only: the older ones are never read.
        if seq and seq % checkpoints.EVERY == 0 and seq > RECORDS - 3 * checkpoints.EVERY:
            told = {"seq": seq, "head": known.head, "state": known.state.as_json()}
            (store / checkpoints.checkpoint_key(seq)).write_bytes(sign(told, CHECKPOINT, signer))
    os.sync()


def _content(seq: int, head: str, kind: str, model: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"seq": seq, "previous": head or NONE_BEFORE, "time": now(), "kind": kind, "model": model, "body": body}


def _life(number: int, served: dict[str, str]) -> list[tuple[str, str, dict[str, Any]]]:
    release, model = f"r{number}", f"m{number % MODELS}"
    one = {"release": release, "approvals_needed": 1}
    before, served[model] = served.get(model), release
    judged = {"outcome": "passed", "champion_compared": before, "dossier_digest": DIGEST, "blobs": {"page": DIGEST}}
    return [
        (model, "release started", {**one, "spec_digest": DIGEST, "as_of": "2026-01-01T00:00:00", "developers": ["d"]}),
        (model, "release judged", {**one, **judged}),
        (model, "decided", {"release": release}),
        (model, "promoted", {"release": release, "without_rollout": "nobody is served"}),
    ]


if __name__ == "__main__":
    main()
