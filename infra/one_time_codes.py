"""One-time codes (TOTP, RFC 6238: SHA-1, 6 digits, 30 seconds) and the secrets behind them.

The secrets lie in one 0600 file of the account that verifies: never in the store, the ledger, Prefect or a log. The
same file counts wrong tries and keeps each verdict, so that an answer that is read again neither counts again nor is
judged otherwise.
"""

import hmac
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyotp

from expectations.errors import CannotAsk
from expectations.records import canonical_json
from infra.keys import change_private

ISSUER = "Seatrial"
STEP_S = 30
DRIFT_STEPS = 1
TRIES = 5
# Verdicts that are remembered. Of a forgotten one only this is lost: read again, a wrong answer counts again.
REMEMBERED = 1000
SECRET_CHARACTERS = 32  # Base 32: 160 bits, as RFC 4226 recommends.
CODE = re.compile(r"[0-9]{6}")

Kept = dict[str, Any]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Checked:
    """The verdict on one answer: `step` is the time step of a right code, else None and `reason` says why not.

    `locked`: no code of this person is accepted until they are enrolled again.
    """

    step: int | None
    reason: str = ""
    locked: bool = False


def codes_file(home: Path) -> Path:
    """Where the secrets lie."""
    return home / "one-time-codes.json"


def enrol(home: Path, person: str) -> str:
    """A new secret for a person; an older one is void and a lock is lifted. Returns its otpauth URI: show it once."""
    secret = pyotp.random_base32(SECRET_CHARACTERS)

    def put(kept: Kept) -> None:
        before = kept["people"].get(person, {})
        # A step that was used stays used: the ledger has it too.
        kept["people"][person] = {"secret": secret, "step": before.get("step", -1), "wrong": 0, "locked": False}

    _change(home, put)
    return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name=ISSUER)


def check(home: Path, person: str, code: str, at: datetime, question: str) -> Checked:
    """Whether `code` was the person's at the moment `at` (aware), give or take one step of 30 seconds.

    Each step is accepted once, and never after a later one. Five wrong tries in a row lock the person out. The verdict
    on one `question` is given once and remembered. Raises CannotAsk where others may read the secrets.
    """

    def decide(kept: Kept) -> Checked:
        known = kept["answers"].get(question)
        if known is not None:
            return Checked(**known)
        verdict = _verdict(kept["people"].get(person), person, code, at)
        kept["answers"][question] = asdict(verdict)
        for oldest in list(kept["answers"])[:-REMEMBERED]:
            del kept["answers"][oldest]
        return verdict

    return _change(home, decide)


def _verdict(account: Kept | None, person: str, code: str, at: datetime) -> Checked:
    """Changes the account's tries and last step along with what it says."""
    if account is None:
        return Checked(
            None, f"{person} has no one-time code yet. An administrator runs: seatrial identity enrol {person}"
        )
    if account["locked"]:
        return _locked_out(person)
    digits = re.sub(r"\s", "", code)
    if not CODE.fullmatch(digits):
        # Nobody's guess: it cannot be right.
        return Checked(None, "the one-time code is six digits, found something else.")
    step = _step_of(account["secret"], digits, at)
    if step is None:
        return _wrong(account, person, at)
    if step <= account["step"]:
        return Checked(None, "this one-time code was used before. Wait for the next one, half a minute at most.")
    account |= {"step": step, "wrong": 0}
    return Checked(step)


def _wrong(account: Kept, person: str, at: datetime) -> Checked:
    account["wrong"] += 1
    left = TRIES - account["wrong"]
    if left <= 0:
        account["locked"] = True
        return _locked_out(person)
    words = f"the one-time code is not {person}'s at {at:%H:%M:%S} {at:%Z}, when the answer came"
    return Checked(None, f"{words}. {left} {'try' if left == 1 else 'tries'} left.")


def _locked_out(person: str) -> Checked:
    words = f"{person} is locked out after {TRIES} wrong codes. An administrator runs: seatrial identity enrol {person}"
    return Checked(None, words, locked=True)


def _step_of(secret: str, digits: str, at: datetime) -> int | None:
    """The step whose code this is, the latest of several; every one is compared, so that time tells nothing."""
    now, codes = int(at.timestamp()) // STEP_S, pyotp.TOTP(secret, interval=STEP_S)
    steps = range(max(now - DRIFT_STEPS, 0), now + DRIFT_STEPS + 1)
    right = [step for step in steps if hmac.compare_digest(codes.generate_otp(step), digits)]
    return max(right, default=None)


def _change(home: Path, act: Callable[[Kept], Result]) -> Result:
    """What `act` returns; what it changed is kept, or nothing is."""
    done: list[Result] = []

    def change(data: bytes | None) -> bytes:
        kept = _read(codes_file(home), data)
        done.append(act(kept))
        return canonical_json({**kept, "answers": list(kept["answers"].items())})

    change_private(codes_file(home), change)
    return done[0]


def _read(path: Path, data: bytes | None) -> Kept:
    if data is None:
        return {"people": {}, "answers": {}}
    try:
        found = json.loads(data)
        return {"people": dict(found["people"]), "answers": dict(found["answers"])}
    except (ValueError, KeyError, TypeError):
        raise CannotAsk(
            f"{path}: expected the secrets of one-time codes, found something else. Bring it back."
        ) from None
