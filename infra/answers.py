"""What finished steps answered, signed: a crash, a retry and another machine of this account go on from there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from securesystemslib.signer import SSlibKey

from expectations.records import digest_of, named_blobs
from infra.envelopes import ANSWER, Unsound, sign, signed
from infra.keys import pipeline_key
from infra.store import Corrupt, Missing, Store, blob_key

Answer = dict[str, Any]


def once(store: Store, home: Path, step: str, inputs: dict[str, Any], compute: Callable[[], Answer]) -> Answer:
    """What a step answered for these inputs: from the store if it ever finished, else computed and kept.

    Of two that finish at once the first to write counts, for both. Signed with the pipeline's key, so that whoever
    can write to the store, and has no key, cannot say what was measured. Raises Corrupt for any other answer, and
    Missing where a blob that the new answer names is not there any more: taken for garbage by a clock that jumped, or
    written into the folder below a disk that was away.
    """
    key, signer = f"steps/{digest_of({'step': step, 'inputs': inputs})[7:]}.json", pipeline_key(home)
    try:
        return step_answer(store, key, signer.public_key)
    except Missing:
        answer = compute()
        for _, digest in named_blobs(answer):
            store.age_seconds(blob_key(digest))
        store.put_if_absent(key, sign({"key": key, "step": step, "inputs": inputs, "answer": answer}, ANSWER, signer))
        return step_answer(store, key, signer.public_key)


def step_answer(store: Store, key: str, trusted: SSlibKey) -> Answer:
    """What a finished step answered. Raises Missing, or Corrupt where it is not what that key signed for this place."""
    answer: Answer = step_content(key, store.get(key), trusted)["answer"]
    return answer


def step_content(key: str, data: bytes, trusted: SSlibKey) -> dict[str, Any]:
    """{key, step, inputs, answer} of a finished step. Raises Corrupt where that key did not sign it for this place."""
    try:
        content = signed(data, ANSWER, trusted)
        if content["key"] != key:
            raise Unsound(f"it is the answer of {content['step']}, in another's place.")
    except Unsound as error:
        raise Corrupt(f"{key}: {error} Remove it: the step runs again.") from None
    return content
