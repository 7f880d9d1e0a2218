"""One release as one file: its signed records, answers of steps, dossier and blobs, to be checked without the store."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from securesystemslib.signer import SSlibKey

from expectations.errors import CannotAsk
from expectations.history import Record
from expectations.records import canonical_json, digest_of, named_blobs
from infra.answers import step_content
from infra.envelopes import GENESIS, RECORD, Unsound, key_of, named_key, record_key, signed
from infra.garbage import named_by
from infra.ledger import Ledger
from infra.store import Corrupt, Missing, Store, blob_key

ABOUT = "seatrial.json"
FORMAT = "seatrial.archive/1"


def write_archive(store: Store, ledger: Ledger, release: str, out: Path) -> int:
    """Writes the release to `out` and returns how many blobs are in it. Raises CannotAsk where a part of it is lost."""
    records = ledger.read()
    mine = [record for record in records if record.kind == GENESIS or record.body.get("release") == release]
    if len(mine) < 2:
        known = sorted({str(record.body["release"]) for record in records if "release" in record.body})
        raise CannotAsk(f"{release}: the store has no such release. There are: {', '.join(known) or 'none'}.")
    texts = {record_key(record.seq): store.get(record_key(record.seq)) for record in mine}
    texts |= dict(_answers(store, release, key_of(mine[0].body["public_key"])))
    shown = [key for key in store.keys(f"dossiers/{release}.") if key.endswith((".html", ".bom.json"))]
    texts |= {key: store.get(key) for key in shown}
    roots = [digest for record in mine for _, digest in named_blobs(record.body)]
    blobs = named_by(store, [*map(_payload, texts.values()), "\n".join(roots).encode()])
    with _new_file(out) as archive:
        archive.writestr(ABOUT, canonical_json({"format": FORMAT, "release": release, "model": mine[-1].model}))
        for key, text in texts.items():
            archive.writestr(key, text)
        for digest in sorted(blobs):
            archive.write(_blob(store, digest, release), blob_key(digest))
    return len(blobs)


@contextmanager
def _new_file(out: Path) -> Iterator[zipfile.ZipFile]:
    """An archive that is there as a whole, or not at all."""
    try:
        archive = zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED)
    except FileExistsError:
        raise CannotAsk(f"{out}: expected no such file yet, found one. Name another with --out.") from None
    try:
        with archive:
            yield archive
    except BaseException:
        out.unlink()
        raise


def _blob(store: Store, digest: str, release: str) -> Path:
    try:
        return store.blob_path(digest)
    except Missing:
        raise CannotAsk(
            f"{release}: its blob {digest} is gone from the store. `seatrial verify` tells what else."
        ) from None


def _answers(store: Store, release: str, trusted: SSlibKey) -> Iterator[tuple[str, bytes]]:
    for key in store.keys("steps/"):
        text = store.get(key)
        if step_content(key, text, trusted)["inputs"].get("release") == release:
            yield key, text


def _payload(text: bytes) -> bytes:
    from securesystemslib.dsse import Envelope

    try:
        return bytes(Envelope.from_dict(json.loads(text)).payload)
    except (ValueError, KeyError, TypeError):
        return b""


class Archive:
    """An archive that was opened. Nothing of it is believed before `problems` is empty."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
            about = json.loads(self._zip.read(ABOUT))
            self.release, self.model = str(about["release"]), str(about["model"])
            self._genesis = self._zip.read(record_key(0))
            self.public_key = named_key(self._genesis)
            self._trusted = key_of(self.public_key)
        except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
            raise CannotAsk(
                f"{path}: expected an archive that `seatrial export` wrote, found something else ({error})."
            ) from None

    def keys(self, prefix: str) -> list[str]:
        """All keys that begin so, sorted."""
        return sorted(name for name in self._zip.namelist() if name.startswith(prefix))

    def get(self, key: str) -> bytes:
        """The bytes under a key."""
        return self._zip.read(key)

    def records(self) -> list[Record]:
        """The release's own records, in order. Raises Unsound."""
        found = []
        for key in self.keys("ledger/")[1:]:
            text = self.get(key)
            content = signed(text, RECORD, self._trusted)
            if key != record_key(content["seq"]) or content["body"].get("release") != self.release:
                raise Unsound("it is another record than its name says.")
            found.append(Record(**content, digest=digest_of(text)))
        return found

    def answers(self) -> list[dict[str, Any]]:
        """What the release's steps answered. Raises Corrupt."""
        return [step_content(key, self.get(key), self._trusted) for key in self.keys("steps/")]

    def problems(self) -> list[str]:
        """Everything that is not as it was written, or that a record names and is not here."""
        try:
            damaged = self._zip.testzip()
            if damaged:
                return [f"{damaged}: its bytes were changed."]
            records = self.records()
            self.answers()
        except (Unsound, Corrupt, zipfile.BadZipFile, KeyError, TypeError) as error:
            return [f"the archive of {self.release}: {error}"]
        return [*self._changed_blobs(), *self._lost_blobs(records), *self._changed_page(records)]

    def _changed_blobs(self) -> Iterator[str]:
        for key in self.keys("blobs/"):
            with self._zip.open(key) as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            if key != blob_key(f"sha256:{found}"):
                yield f"{key}: expected that content, found sha256:{found}."

    def _lost_blobs(self, records: list[Record]) -> Iterator[str]:
        here = set(self.keys("blobs/"))
        for record in records:
            for name, digest in named_blobs(record.body):
                if blob_key(digest) not in here:
                    yield f"record {record.seq}: its blob {name} is not in the archive: {digest}."

    def _changed_page(self, records: list[Record]) -> Iterator[str]:
        told = [r.body["blobs"] for r in records if isinstance(r.body.get("blobs"), dict)]
        pages = [blobs.get(name) for blobs in told for name in ("page", "bom")]
        for key in self.keys("dossiers/"):
            if pages and digest_of(self.get(key)) not in pages:
                yield f"{key}: not the page that the release was judged with."


def read_back(archive: Archive, store: Store, ledger: Ledger) -> str:
    """Brings everything back that is not there; returns `restored`, or `imported` where the ledger is another one.

    Into the ledger that it came from, what was lost comes back to its place. Any other ledger gets one record of its
    own that says so: a release that was imported is there to be read, and never serves. Raises CannotAsk where the
    archive is not sound, changing nothing.
    """
    if problems := archive.problems():
        raise CannotAsk.all_of(problems)
    records = archive.records()
    at_home = _comes_from(archive, store, records)
    for key in archive.keys("blobs/"):
        store.put_blob(archive.get(key))
    if at_home:
        for key in (*archive.keys("steps/"), *archive.keys("dossiers/")):
            store.put_if_absent(key, archive.get(key))
        return "restored"
    _append_import(archive, store, ledger, records)
    return "imported"


def _comes_from(archive: Archive, store: Store, records: list[Record]) -> bool:
    try:
        return all(digest_of(store.get(record_key(record.seq))) == record.digest for record in records)
    except Missing:
        return False


def _append_import(archive: Archive, store: Store, ledger: Ledger, records: list[Record]) -> None:
    last = next((record for record in reversed(records) if record.kind == "release judged"), records[-1])
    told = {
        "records": [record.__dict__ for record in records],
        "answers": archive.answers(),
        "envelopes": {key: json.loads(archive.get(key)) for key in (*archive.keys("ledger/"), *archive.keys("steps/"))},
    }
    body = {
        "release": archive.release,
        "outcome": str(last.body.get("outcome", "")),
        "signed_by": archive.public_key["keyid"],
        "dossier_digest": str(last.body.get("dossier_digest", "")),
        "blobs": {**dict(named_blobs(last.body)), "history": store.put_blob(canonical_json(told))},
    }
    for key in archive.keys("dossiers/"):
        store.put_if_absent(key, archive.get(key))
    ledger.decide_and_append(
        lambda state: None if archive.release in state.releases else ("release imported", archive.model, body)
    )
