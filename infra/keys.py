"""This account's home: its two keys, what it has seen of each store, and the one place that says where it is."""

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from securesystemslib.signer import CryptoSigner

from expectations.errors import CannotAsk
from expectations.records import canonical_json, digest_of
from infra.local_store import LocalStore, on_disk
from infra.store import WRITING


def home() -> Path:
    """This account's folder for keys and for what it has seen of each store: SEATRIAL_HOME, or ~/.config/seatrial."""
    return Path(os.environ.get("SEATRIAL_HOME") or Path.home() / ".config" / "seatrial")


def pipeline_key(folder: Path) -> CryptoSigner:
    """The Ed25519 key in `pipeline.pem`, made at first use, mode 0600. Raises CannotAsk where others may read it."""
    made = _private(folder / "pipeline.pem", lambda: CryptoSigner.generate_ed25519().private_bytes)
    return CryptoSigner(load_pem_private_key(made, password=None))


def existing_key(folder: Path) -> CryptoSigner | None:
    """The pipeline's key, if this account has one."""
    return pipeline_key(folder) if (folder / "pipeline.pem").exists() else None


def signing_key(folder: Path) -> Path:
    """The file of the ECDSA key (P-256) in `signing.pem`, made at first use, mode 0600; `signing.pub.pem` beside it is
    what others need to check what it signs.

    A second key, since the format of signed packages knows no Ed25519. Raises CannotAsk where others may read it, or
    where the public part is another key's.
    """
    made = _private(folder / "signing.pem", lambda: CryptoSigner.generate_ecdsa().private_bytes)
    public = load_pem_private_key(made, password=None).public_key()
    text, beside = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), public_signing_key(folder)
    LocalStore(folder).put_if_absent(beside.name, text)
    if beside.read_bytes() != text:
        raise CannotAsk(f"{beside}: expected the public part of signing.pem, found another's. Bring both files back.")
    return folder / "signing.pem"


def public_signing_key(folder: Path) -> Path:
    """Where the public part of `signing_key` lies, if it was ever made."""
    return folder / "signing.pub.pem"


def store_secret(folder: Path, store_url: str) -> bytes:
    """32 random bytes of a store, made at first use, mode 0600. Raises CannotAsk where others may read them."""
    _make_private(folder)
    path = _seen_path(folder, store_url).with_suffix(".secret")
    return _private(path, lambda: secrets.token_bytes(32))


def spool_folder(folder: Path, store_url: str) -> Path:
    """Where what is on its way to a store waits."""
    return folder / "spool" / place_name(store_url)


def change_private(path: Path, change: Callable[[bytes | None], bytes]) -> None:
    """Puts what `change` makes of a file, None where there is none, in its place: one at a time, whole, mode 0600.

    Raises CannotAsk where others may read the file.
    """
    _make_private(path.parent)
    with on_disk(f"keeping {path}"), path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = _read_private(path) if path.exists() else None
        after = change(before)
        if after != before:
            _replace(path, after)


def _private(path: Path, make: Callable[[], bytes]) -> bytes:
    if not path.exists():
        _make_private(path.parent)
        # Written as a whole and only by the first of several: the temporary file is 0600 from its birth.
        LocalStore(path.parent).put_if_absent(path.name, make())
    return _read_private(path)


def _read_private(path: Path) -> bytes:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise CannotAsk(f"{path}: expected mode 0600, found {mode:04o}: others can read the key. Run: chmod 600 {path}")
    return path.read_bytes()


def seen(home: Path, store_url: str) -> dict[str, Any] | None:
    """The last record of a store that this account saw: {seq, digest, public_key}; None before the first time."""
    path = _seen_path(home, store_url)
    try:
        pinned: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise CannotAsk(f"{path}: expected what was seen of {store_url}, found no JSON. Bring it back.") from None
    return pinned


def remember(home: Path, store_url: str, last: dict[str, Any]) -> None:
    """Keeps `last` as what was seen. It never goes back: of many threads and processes the highest `seq` stays."""
    keep_highest(home, _seen_path(home, store_url), last, lambda: seen(home, store_url))


def keep_highest(home: Path, path: Path, last: dict[str, Any], found: Callable[[], dict[str, Any] | None]) -> None:
    """`last`, with its `seq`, in a file of this account's home, unless what is `found` there is as high or higher."""
    _make_private(home)
    _make_private(path.parent)
    with on_disk(f"keeping what was seen in {path}"), path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = found()
        if before is None or before["seq"] < last["seq"]:
            _replace(path, canonical_json(last))


def _replace(path: Path, data: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=WRITING, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        finally:
            Path(file.name).unlink(missing_ok=True)


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _seen_path(home: Path, store_url: str) -> Path:
    return home / "stores" / f"{place_name(store_url)}.json"


def place_name(store_url: str) -> str:
    """A store's name among this account's files."""
    # By place, not by content: that is how another ledger in the same place is found.
    place = store_url if "://" in store_url else str(Path(store_url).resolve())
    return digest_of(place.encode())[7:23]
