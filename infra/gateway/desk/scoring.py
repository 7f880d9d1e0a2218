"""One request scored by one release: at once or in a thread, in time, and with what its spec says of distrust."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.gateway.contract import Answered, Asked, Tensors, Turned
from infra.gateway.desk.distrust import Distrusted, can_stand_in, distrusted, emptied, filled, only
from infra.gateway.desk.loading import Loaded, as_served
from infra.gateway.desk.pool import Full
from infra.gateway.desk.post import CHALLENGER, FALLBACK, Post, Seat

Outputs = Mapping[str, npt.NDArray[Any]]


async def answer_from(post: Post, seat: Seat, asked: Asked, seconds: float | None = None) -> Answered:
    """The release's answer in full; of records that it does not trust, what its spec wants.

    Raises Turned; of a challenger whatever happened, TimeoutError after `seconds` too.
    """
    outputs = await scored(seat, asked.tensors, asked.rows, seconds)
    notes = (f"answered by the fallback: {post.route.why}",) if post.route.mode == "fallback" else ()
    answered = Answered(outputs, seat.loaded.release, seat.arm, notes)
    what = distrusted(seat.loaded, outputs)
    return await _instead(post, seat, asked, answered, what) if what else answered


async def scored(seat: Seat, tensors: Tensors, rows: int, seconds: float | None = None) -> Outputs:
    """Every output, as it is served. Raises as `answer_from` does."""
    loaded = seat.loaded
    try:
        if rows <= loaded.inline_rows and loaded.arm.enrich is None:
            outputs = loaded.arm.answer(tensors, rows)
        else:
            outputs = await asyncio.wait_for(_elsewhere(loaded, tensors, rows), seconds)
    except Full:
        raise Turned(503, "more is asked at once than can be answered: come back soon.", 1) from None
    except Turned:
        raise
    except Exception as error:
        if seat.arm == CHALLENGER:
            raise
        raise Turned(500, f"{loaded.release} could not score these records: {error}"[:300]) from error
    if loaded.rules.on_distrust == "flag":
        return outputs
    return {name: as_served(name, values, loaded.rules) for name, values in outputs.items()}


async def _elsewhere(loaded: Loaded, tensors: Tensors, rows: int) -> dict[str, npt.NDArray[Any]]:
    arm = loaded.arm
    if arm.enrich is not None:
        tensors = await arm.enrich(tensors, rows)
    if rows <= loaded.inline_rows:
        return arm.answer(tensors, rows)
    return await loaded.pool.run(partial(arm.answer, tensors, rows))


async def _instead(post: Post, seat: Seat, asked: Asked, answered: Answered, what: Distrusted) -> Answered:
    """What is answered for records that are not trusted. Without a fallback that can, nothing is."""
    fallback = post.fallback
    if seat.loaded.rules.on_distrust == "refuse" or seat.arm == FALLBACK:
        return emptied(answered, what)
    if fallback is None or not can_stand_in(fallback, seat.loaded):
        return emptied(answered, what, ", and there is no fallback that can")
    try:
        said = await scored(Seat(FALLBACK, fallback), only(asked.tensors, what.rows), len(what.rows))
    except Turned as turned:
        return emptied(answered, what, f", and the fallback could not ({turned.words})")
    doubted = np.flatnonzero(~said["trusted"].reshape(-1)) if "trusted" in said else np.arange(0)
    return _without_doubted(filled(answered, what, fallback, said), what, doubted)


def _without_doubted(answered: Answered, what: Distrusted, doubted: npt.NDArray[np.intp]) -> Answered:
    """Where the fallback does not trust its own answer either, there is none."""
    if not len(doubted):
        return answered
    rows = what.rows[doubted]
    left = emptied(answered, Distrusted(rows, what.words), ", by the fallback neither")
    fell_back = tuple(row for row in answered.fell_back if row not in set(rows.tolist()))
    return Answered(left.outputs, left.release, left.arm, left.notes, left.refused, fell_back)
