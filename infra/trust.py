"""Whose signatures are believed: public keys that are configuration, never a part of the store."""

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from expectations.errors import CannotAsk
from infra.keys import public_signing_key

CURVES = (SECP256R1, SECP384R1, SECP521R1)
SHOWN = 16


class Trust:
    """The keys by which something may be signed: those named, and no others; else this account's own.

    Its own is looked up each time: the first release makes it.
    """

    def __init__(self, home: Path, named: Sequence[str] = ()) -> None:
        self._own = public_signing_key(home)
        self._named = {hint_of(text): text.encode() for text in named}

    def key(self, hint: str, what: str) -> bytes:
        """The PEM of the trusted key with this hint. Raises CannotAsk where there is none."""
        trusted = self._named or self._of_home()
        if hint in trusted:
            return trusted[hint]
        others = f"trusted: {', '.join(known[:SHOWN] for known in trusted)}" if trusted else "no key is trusted"
        raise CannotAsk(
            f"{what} is signed by the key {hint[:SHOWN]!r}, which is not trusted; {others}. If the signer is right, "
            "name its key with --trust KEY.pem (docs/signatures.md)."
        )

    def _of_home(self) -> dict[str, bytes]:
        if not self._own.is_file():
            return {}
        text = read_public_key(self._own)
        return {hint_of(text): text.encode()}


def read_public_key(path: Path) -> str:
    """A public key's one PEM text. Raises CannotAsk where it is none that can sign here, or where others may write."""
    try:
        mode, data = stat.S_IMODE(path.stat().st_mode), path.read_bytes()
    except OSError as error:
        raise CannotAsk(f"{path}: expected a public key, and it cannot be read: {error.strerror}.") from None
    if mode & 0o022:
        raise CannotAsk(f"{path}: expected a file of one writer, found mode {mode:04o}. Run: chmod go-w {path}")
    try:
        key = load_pem_public_key(data)
    except ValueError:
        private = b"PRIVATE" in data
        found = "a private key; give its public part, signing.pub.pem" if private else "something else"
        raise CannotAsk(f"{path}: expected a public key as PEM, found {found}.") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, CURVES):
        raise CannotAsk(f"{path}: expected an ECDSA key on P-256, P-384 or P-521, found another kind.")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def hint_of(text: str) -> str:
    """What a bundle calls a key: SHA-256 of its PEM text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
