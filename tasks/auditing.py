"""Is everything in a store as it was written, and can what serves be brought back from an archive of it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from expectations.errors import Away, CannotAsk
from expectations.state import Release
from infra.archive import Archive, read_back, write_archive
from infra.evidence_store import get_json
from infra.keys import home
from infra.ledger import Ledger
from infra.local_store import LocalStore
from infra.packages import open_package, replay
from infra.signatures import check_signature, signable_package
from infra.store import Store
from infra.trust import Trust
from tasks.job import open_ledger

SOUND = "Every record is in its place and signed, every blob is what its digest says."


@dataclass(frozen=True)
class Audited:
    """What is sound and what is not, a sentence for each."""

    sound: tuple[str, ...]
    problems: tuple[str, ...]


def measure_audit(store_url: str, trusted: Sequence[str] = (), restores: bool = True) -> Audited:
    """Of every record, signature, answer of a step and blob; and of a restore of each release that serves.

    `trusted` are public keys (PEM) that may sign, this account's own where none are given. Raises CannotAsk where
    nothing is there, Away where the store is.
    """
    ledger, trust = open_ledger(store_url), Trust(home(), list(trusted))
    problems = ledger.problems(trust)
    sound = [] if problems else [f"{store_url}: sound. {SOUND}"]
    for release in _serving(ledger) if restores else []:
        found = restore(ledger.store, ledger, release, trust)
        problems += found
        sound += [] if found else [f"{release.id} was brought back elsewhere: its golden records get the same answers."]
    return Audited(tuple(sound), tuple(problems))


def _serving(ledger: Ledger) -> list[Release]:
    """Nothing, where the ledger cannot be read: that is told already."""
    try:
        state = ledger.state()
    except CannotAsk:
        return []
    return [state.releases[name] for _, name in sorted(state.models.items())]


def restore(store: Store, ledger: Ledger, release: Release, trust: Trust) -> list[str]:
    """Brings a release back into a store and an account that know nothing of it, and asks its package what it was
    asked when it was released. A sentence for each thing that is not as it should be; raises Away.
    """
    with TemporaryDirectory(prefix="seatrial-restore-") as name:
        folder = Path(name)
        try:
            write_archive(store, ledger, release.id, folder / "release.zip")
            elsewhere = LocalStore(folder / "store")
            read_back(Archive(folder / "release.zip"), elsewhere, Ledger(elsewhere, folder / "home"))
            return _answers_differ(elsewhere, release, trust)
        except Away:
            raise
        except CannotAsk as error:
            return [f"{release.id} cannot be brought back from an archive: {problem}" for problem in error.problems]


def _answers_differ(store: Store, release: Release, trust: Trust) -> list[str]:
    check_signature(store, signable_package(store, release.package_digest), release.package_signature, trust)
    golden = get_json(store, get_json(store, release.package_digest)["golden"])
    wrong = replay(open_package(store, release.package_digest), golden)
    if not wrong:
        return []
    said = f"{len(wrong)} golden record(s) get another answer; the first is number {wrong[0]}"
    return [f"{release.id}, brought back elsewhere: {said}. `seatrial rollback {release.model}` if it serves so."]
