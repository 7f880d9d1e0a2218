"""People's own keys: a private one from a file of theirs, a public one from a line of text."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey

from expectations.errors import CannotAsk
from expectations.state import PublicKey
from expectations.statements import public_key

WANTED = "an Ed25519 or ECDSA (P-256, P-384) key; `ssh-keygen -t ed25519` makes one"


def personal_signer(path: Path, passphrase: Callable[[], str]) -> CryptoSigner:
    """Who signs with the private key in an SSH or PEM file; `passphrase` is asked if it is encrypted.

    Raises CannotAsk where there is none, where others may read it, and where it is of another type.
    """
    try:
        data, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise CannotAsk(f"{path}: expected your private key, found: {error.strerror}. Name it with --key.") from None
    if mode & 0o077:
        raise CannotAsk(f"{path}: expected mode 0600, found {mode:04o}: others can read the key. Run: chmod 600 {path}")
    key = _opened(path, data, passphrase)
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise CannotAsk(f"{path}: expected {WANTED}; found {type(key).__name__.removesuffix('PrivateKey')}.")
    return _signer(path, key)


def _opened(path: Path, data: bytes, passphrase: Callable[[], str]) -> Any:
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        return load(data, None)
    except TypeError:
        return _decrypted(path, data, load, passphrase())
    except (ValueError, UnsupportedAlgorithm):
        raise CannotAsk(f"{path}: expected {WANTED}; found no private key in SSH or PEM form.") from None


def _decrypted(path: Path, data: bytes, load: Callable[..., Any], passphrase: str) -> Any:
    try:
        return load(data, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CannotAsk(f"{path}: the passphrase does not open it.") from None


def _signer(path: Path, key: Any) -> CryptoSigner:
    try:
        return CryptoSigner(key)
    except ValueError:
        raise CannotAsk(f"{path}: expected {WANTED}; found another curve.") from None


def read_public_key(text: str) -> PublicKey:
    """The key in a line as `ssh-keygen` writes it, or in a PEM text. Raises CannotAsk where it is none of ours."""
    try:
        data = text.strip().encode()
        key = load_pem_public_key(data) if data.startswith(b"-----") else load_ssh_public_key(data)
        if isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey):
            return public_key(SSlibKey.from_crypto(key))
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise CannotAsk(f"{text[:40]!r} …: expected {WANTED}, and here the line of its .pub file.")


def ssh_line(key: PublicKey) -> str:
    """The key as its owner knows it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    loaded: Any = (
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public))
        if key.keytype == "ed25519"
        else load_pem_public_key(key.public.encode())
    )
    line: bytes = loaded.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return line.decode()
