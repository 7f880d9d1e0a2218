"""Where the ledger stood at some record, signed: whoever reads on from there need not fold all that came before."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from securesystemslib.signer import CryptoSigner, SSlibKey

from expectations.errors import CannotAsk
from expectations.history import NOTHING_YET, Record, State, fold, state_from_json
from infra.envelopes import CHECKPOINT, Unsound, sign, signed
from infra.store import Missing, Store

EVERY = 1000
NONE_BEFORE = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Known:
    """The ledger up to a record that was verified: its number, its digest, and what all up to it adds up to."""

    seq: int = -1
    head: str = NONE_BEFORE
    state: State = NOTHING_YET

    def followed_by(self, records: Sequence[Record]) -> "Known":
        """With some more at its end."""
        return Known(records[-1].seq, records[-1].digest, fold(records, self.state)) if records else self


def checkpoint_key(seq: int) -> str:
    """Where a checkpoint lies."""
    return f"checkpoints/{seq:012d}.json"


def keep_checkpoint(store: Store, known: Known, signer: CryptoSigner) -> None:
    """Writes one down at every thousandth record. It only saves time, so a store that refuses it is no error."""
    if known.seq and known.seq % EVERY == 0:
        content = {"seq": known.seq, "head": known.head, "state": known.state.as_json()}
        with suppress(CannotAsk):
            store.put_if_absent(checkpoint_key(known.seq), sign(content, CHECKPOINT, signer))


def checkpoint(data: bytes, trusted: SSlibKey) -> Known:
    """What a checkpoint's bytes say. Raises Unsound."""
    content = signed(data, CHECKPOINT, trusted)
    try:
        return Known(int(content["seq"]), str(content["head"]), state_from_json(content["state"]))
    except (KeyError, TypeError, ValueError):
        raise Unsound("written by another version of Seatrial.") from None


def newest_checkpoint(store: Store, trusted: SSlibKey) -> Known | None:
    """The last one; None where there is none, or one that is not sound: then all records are read."""
    keys = store.keys("checkpoints/")
    with suppress(Unsound, Missing):
        return checkpoint(store.get(keys[-1]), trusted) if keys else None
    return None
