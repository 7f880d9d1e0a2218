"""The gateway for a package that nobody has approved yet: the very processes of production, on a store of their own.

The package is copied into a scratch store whose ledger says that it serves, and `python -m infra.gateway.trial` serves
it there, on the processors and with the memory that production will have. Nothing of it stays.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from securesystemslib.signer import CryptoSigner

from expectations.approvals import decision
from expectations.errors import CannotAsk
from expectations.people import GRANTS, identity
from expectations.records import PACKAGE_SIGNATURE
from expectations.spec import ReleaseSpec
from expectations.state import Person
from expectations.statements import public_key
from infra.evidence_store import get_json, put_json
from infra.gateway.client import Client
from infra.ledger import Ledger, now
from infra.local_store import LocalStore
from infra.signatures import sign_files, signable_package
from infra.store import Store

MIB = 1 << 20
TRIAL = "trial"


@contextmanager
def trial_gateway(store: Store, package: str, spec: ReleaseSpec, live: bool = True) -> Iterator[Client]:
    """A client of a gateway that serves `package`, whose digest is in `store`, as `spec.serving` says; without `live`
    it asks no live source.

    Raises CannotAsk where the gateway does not come up, with what it said.
    """
    with TemporaryDirectory(prefix="seatrial-trial-") as name:
        folder = Path(name)
        _promoted(store, package, spec if live else frozen_only(spec), folder)
        plan = {"store": str(folder / "store"), "model": spec.model.name, **limits(spec)}
        environment = {**os.environ, "SEATRIAL_HOME": str(folder / "home")}
        with (folder / "log").open("w") as log:
            gateway = subprocess.Popen(
                [sys.executable, "-P", "-m", "infra.gateway.trial", json.dumps(plan)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                cwd=name,
            )
            try:
                client = Client(_listening(gateway, folder / "log"), spec.model.name)
                yield client
                client.close()
            finally:
                gateway.send_signal(signal.SIGINT)
                gateway.wait(timeout=30)


def frozen_only(spec: ReleaseSpec) -> ReleaseSpec:
    """The same spec without live lookups."""
    lookups = tuple(lookup.model_copy(update={"live": None}) for lookup in spec.data.lookups)
    return spec.model_copy(update={"data": spec.data.model_copy(update={"lookups": lookups})})


def limits(spec: ReleaseSpec) -> dict[str, int]:
    """What production gives one process: processors and megabytes."""
    return {"cpus": spec.serving.cpus, "memory_mb": spec.serving.memory_mb}


def _promoted(store: Store, package: str, spec: ReleaseSpec, folder: Path) -> None:
    """A store in which the package serves."""
    scratch = LocalStore(folder / "store")
    about: Mapping[str, Any] = get_json(store, package)
    for digest in (package, about["graph"], about["golden"]):
        scratch.put_blob(store.get_blob(digest))
    # What the package says is measured; what callers get of it, and how often, is the spec's affair.
    whole = {"on_distrust": "flag", "outputs": "all", "records_per_minute": None}
    told = spec.model_copy(update={"serving": spec.serving.model_copy(update=whole)})
    document = put_json(scratch, {"spec": told.model_dump(mode="json")})
    ledger, signature = Ledger(scratch, folder / "home"), _signed(scratch, package, folder / "home")
    judged = {
        "outcome": "passed",
        "champion_compared": None,
        "approvals_needed": 1,
        "dossier_digest": document,
        "package_digest": package,
        "blobs": {"document": document, PACKAGE_SIGNATURE: signature},
    }
    started = {"spec_digest": "", "as_of": "", "developers": [], "approvals_needed": 1}
    name = spec.model.name
    _append(ledger, "release started", name, {"release": TRIAL, **started})
    _append(ledger, "release judged", name, {"release": TRIAL, **judged})
    say_yes(ledger, name, TRIAL, found(ledger))
    _append(ledger, "promoted", name, {"release": TRIAL})


def found(ledger: Ledger) -> CryptoSigner:
    """The first person of a store that nobody else will ever decide in, and their key, which is kept nowhere."""
    signer = CryptoSigner.generate_ed25519()
    person = Person(TRIAL, ("validator", GRANTS), (public_key(signer.public_key),))
    ledger.decide_and_append(lambda state: ("identity set", "", identity(state, person, TRIAL, signer)))
    return signer


def say_yes(ledger: Ledger, model: str, release: str, signer: CryptoSigner) -> None:
    """That person's approval."""
    ledger.decide_and_append(
        lambda state: ("decided", model, decision(state.releases[release], TRIAL, "approve", "", now(), signer))
    )


def _signed(scratch: Store, package: str, home: Path) -> str:
    """By a key that only the trial's own gateway trusts, and that is gone with it."""
    return sign_files(scratch, signable_package(scratch, package), home)


def _append(ledger: Ledger, kind: str, model: str, body: dict[str, Any]) -> None:
    ledger.decide_and_append(lambda _state: (kind, model, body))


def _listening(gateway: "subprocess.Popen[str]", log: Path) -> str:
    assert gateway.stdout is not None
    said = []
    for line in gateway.stdout:
        told = json.loads(line)
        if "listening" in told:
            return str(told["listening"])
        said.append(told["words"])
    gateway.wait()
    words = " ".join([*said, *log.read_text().strip().splitlines()[-1:]])
    raise CannotAsk(f"the gateway did not come up on the trial's processors and memory: {words or 'it said nothing'}")


def _limit(cpus: int, memory_mb: int) -> None:
    """This process and those that it begins, by the operating system's own means; where it has none, not at all."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[-cpus:]))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb * MIB, memory_mb * MIB))


def main(plan: dict[str, Any]) -> None:
    """Serves until SIGINT; lines of JSON tell what there is to say."""
    from infra.gateway.supervisor import Gateway, run_gateway

    _limit(plan["cpus"], plan["memory_mb"])
    gateway = Gateway(plan["store"], (plan["model"],), "127.0.0.1", 0, 1, None, None, None, False)
    run_gateway(
        gateway,
        lambda level, words: print(json.dumps({"level": level, "words": words}), flush=True),
        lambda url: print(json.dumps({"listening": url}), flush=True),
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
