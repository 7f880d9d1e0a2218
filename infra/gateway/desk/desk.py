"""Who answers a request, what the caller gets of the answer, and what is told of it to those who watch."""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil
from typing import Any

from infra.gateway.contract import About, Answered, Asked, Turned
from infra.gateway.desk.buckets import Buckets
from infra.gateway.desk.following import Following
from infra.gateway.desk.given import given
from infra.gateway.desk.hugging import Hugging
from infra.gateway.desk.loading import Loaded
from infra.gateway.desk.post import CHALLENGER, CHAMPION, Post, Seat
from infra.gateway.desk.scoring import answer_from
from infra.gateway.desk.shadow import Shadow
from infra.gateway.diary.diary import Diary
from infra.gateway.diary.metrics import Metrics
from infra.gateway.diary.reports import Reports
from infra.gateway.diary.truths import read_truths

LOG = logging.getLogger("seatrial.gateway")


class LedgerDesk:
    """The desk of one process: answers as the posts of `following` say."""

    def __init__(
        self, following: Following, diary: Diary, reports: Reports, metrics: Metrics, buckets: Buckets
    ) -> None:
        self._following, self._diary, self._reports, self._metrics = following, diary, reports, metrics
        self._buckets, self._hugging, self._shadow = buckets, Hugging(), Shadow()

    def ready(self) -> bool:
        """See Desk."""
        models, posts = self._following.models, self._following.posts
        return bool(models) and all(model in posts for model in models)

    def health(self) -> Mapping[str, Any]:
        """See Desk."""
        following = self._following
        served = {model: post.summary() for model, post in following.posts.items()}
        waiting = [model for model in following.models if model not in served]
        told = {"ready": self.ready(), "record": following.known.seq, "models": served}
        return {**told, "waiting_for": waiting, "problems": list(following.problems)}

    def models(self) -> Sequence[str]:
        """See Desk."""
        return self._following.models

    def about(self, model: str, version: str | None = None) -> About:
        """See Desk."""
        post = self._post(model)
        abouts = post.abouts
        if version is None:
            return abouts[post.champion.release]
        if version not in abouts:
            raise Turned(404, f"{model} has no version {version!r} here; there are {', '.join(abouts)}.")
        return abouts[version]

    async def answer(self, asked: Asked) -> Answered:
        """See Desk."""
        began = time.perf_counter()
        try:
            answered = await self._answer(asked, began)
        except Turned as turned:
            known = asked.model if asked.model in self._following.posts else ""
            self._metrics.answered(known, "", "", turned.status, time.perf_counter() - began, asked.rows)
            raise
        seconds = time.perf_counter() - began
        self._metrics.answered(asked.model, answered.release, answered.arm, 200, seconds, asked.rows)
        return answered

    def feedback(self, model: str, truths: Sequence[Mapping[str, Any]], caller: str) -> int:
        """See Desk."""
        # A challenger may know a class that the champion does not.
        classes = {name for about in self._post(model).abouts.values() for name in about.classes}
        try:
            read = read_truths(truths, classes)
        except Turned:
            self._metrics.feedback(model, caller, "refused", len(truths))
            raise
        self._diary.truths(model, read, caller)
        return len(read)

    def report(self, model: str, words: str, request_id: str | None, caller: str) -> None:
        """See Desk."""
        self._post(model)
        self._reports.report(model, words, request_id, caller)

    def rollout(self, model: str) -> bytes:
        """See Desk."""
        if model not in self._following.pages:
            raise Turned(404, f"{model} was never rolled out.")
        return self._following.pages[model]

    def metrics(self) -> tuple[bytes, str]:
        """See Desk."""
        return self._metrics.text()

    def _post(self, model: str) -> Post:
        post = self._following.posts.get(model)
        if post is not None:
            return post
        if model in self._following.models:
            problems = " ".join(self._following.problems)
            raise Turned(503, f"{model} is not served yet: {problems or 'no release of it was promoted.'}", 1)
        raise Turned(404, f"{model} is not served here. GET /v2/models tells what is.")

    async def _answer(self, asked: Asked, began: float) -> Answered:
        post = self._post(asked.model)
        post.expect_open()
        self._admit(post, asked)
        key = post.key(asked)
        seat = post.seat(asked, key)
        if seat.arm == CHAMPION and (beside := post.in_shadow()):
            self._score_beside(post, beside, asked, key)
        if seat.arm == CHALLENGER:
            answered = await self._by_challenger(post, seat, asked, began, key)
        else:
            answered = await self._by(post, seat, asked, began, key)
        # The champion's spec holds for the fallback too: it is no way round what callers may see.
        loaded = seat.loaded if answered.arm == CHALLENGER else post.champion
        if close := self._hugging.count(asked, loaded, answered):
            self._metrics.hugging(asked.model, asked.caller, close)
        notes = (*answered.notes, f"{asked.model}: {post.route.why}") if post.route.mode == "warn" else answered.notes
        outputs = given(answered.outputs, loaded.rules, asked.caller)
        return Answered(outputs, answered.release, answered.arm, notes, answered.refused, answered.fell_back)

    def _admit(self, post: Post, asked: Asked) -> None:
        rules = post.champion.rules
        if rules.records_per_minute is None:
            return
        who = f"{asked.model}\n{asked.who}"
        wait = self._buckets.take(who, asked.rows, rules.records_per_minute, rules.burst)
        if wait:
            self._metrics.limited(asked.model)
            words = f"more than {rules.records_per_minute:g} records a minute: come back in {wait:.1f} s."
            raise Turned(429, words, ceil(wait))

    async def _by(self, post: Post, seat: Seat, asked: Asked, began: float, key: str | None) -> Answered:
        """The answer of whoever serves; where it gives none, that is written down too."""
        note = partial(self._diary.record, asked, stage=post.route.stage_number, key=key)
        try:
            answered = await answer_from(post, seat, asked)
        except Turned as turned:
            if turned.status >= 500:
                note(None, began, fell_to=(seat.arm, seat.loaded.release), error=turned.words)
            raise
        note(answered, began)
        return answered

    async def _by_challenger(self, post: Post, seat: Seat, asked: Asked, began: float, key: str | None) -> Answered:
        """The challenger's answer; the champion's, where it gives none or not in time."""
        stage, champion = post.route.stage_number, Seat(CHAMPION, post.champion)
        fell_to = (CHALLENGER, seat.loaded.release)
        try:
            answered = await answer_from(post, seat, asked, seat.loaded.rules.timeout_ms / 1000)
        except Exception as error:  # noqa: BLE001  Whatever a challenger does, the caller has an answer.
            self._metrics.challenger_failed(asked.model, seat.loaded.release)
            told = failure(error)
        else:
            self._diary.record(asked, answered, began, stage=stage, key=key)
            return answered
        note = partial(self._diary.record, asked, fell_to=fell_to, stage=stage, error=told, key=key)
        try:
            answered = await answer_from(post, champion, asked)
        except Turned:
            note(None, began)
            raise
        note(answered, began)
        return answered

    def _score_beside(self, post: Post, beside: Loaded, asked: Asked, key: str | None) -> None:
        if not self._shadow.offer(partial(self._scored_beside, post, beside, asked, key)):
            self._metrics.shadow_dropped(asked.model)

    async def _scored_beside(self, post: Post, beside: Loaded, asked: Asked, key: str | None) -> None:
        began, seat, stage = time.perf_counter(), Seat(CHALLENGER, beside), post.route.stage_number
        fell_to = (CHALLENGER, beside.release)
        try:
            answered = await answer_from(post, seat, asked, beside.rules.timeout_ms / 1000)
        except Exception as error:  # noqa: BLE001  Nobody waits for it; it is written down.
            self._diary.record(
                asked, None, began, fell_to=fell_to, stage=stage, error=failure(error), shadow=True, key=key
            )
        else:
            self._diary.record(asked, answered, began, stage=stage, shadow=True, key=key)


def failure(error: Exception) -> str:
    """Why a challenger gave no answer, for those who watch it."""
    if isinstance(error, TimeoutError):
        return "took too long"
    return error.words if isinstance(error, Turned) else f"{type(error).__name__}: {error}"
