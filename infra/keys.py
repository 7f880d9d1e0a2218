"""The pipeline's key, and the one place that reads where this account keeps it."""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from expectations.errors import CannotAsk
from infra.store import LocalStore


def home() -> Path:
    """This account's folder for keys and for what it has seen of each store: SEATRIAL_HOME, or ~/.config/seatrial."""
    return Path(os.environ.get("SEATRIAL_HOME") or Path.home() / ".config" / "seatrial")


def pipeline_key(folder: Path) -> CryptoSigner:
    """The Ed25519 key in `pipeline.pem`, made at first use, mode 0600. Raises CannotAsk where others may read it."""
    path = folder / "pipeline.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Written as a whole and only by the first of several: the temporary file is 0600 from its birth.
        LocalStore(folder).put_if_absent(path.name, CryptoSigner.generate_ed25519().private_bytes)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise CannotAsk(f"{path}: expected mode 0600, found {mode:04o}: others can read the key. Run: chmod 600 {path}")
    return CryptoSigner(load_pem_private_key(path.read_bytes(), password=None))
