"""How one model is answered for now: an immutable value, exchanged whole."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from expectations.traffic import Route
from infra.gateway.contract import About, Asked, Tensor, Turned
from infra.gateway.desk.loading import Loaded
from infra.gateway.desk.split import goes_to_challenger, key_of, seed_of

CHAMPION, CHALLENGER, FALLBACK = "champion", "challenger", "fallback"


@dataclass(frozen=True)
class Seat:
    """Who answers a request: a release that is loaded, and as what."""

    arm: str
    loaded: Loaded


@dataclass(frozen=True)
class Post:
    """A route, and those of its releases that are loaded. `seed` is of the route's salt.

    Where the champion's package was refused, `champion` is the one that served before it.
    """

    route: Route
    champion: Loaded
    challenger: Loaded | None = None
    fallback: Loaded | None = None
    seed: int = 0

    def at_hand(self) -> Iterator[Seat]:
        """Everybody who can answer, whoever answers most first."""
        yield Seat(CHAMPION, self.champion)
        if self.challenger:
            yield Seat(CHALLENGER, self.challenger)
        if self.fallback:
            yield Seat(FALLBACK, self.fallback)

    def summary(self) -> dict[str, Any]:
        """For people who look after it."""
        route = self.route
        told: dict[str, Any] = {
            "mode": route.mode,
            "champion": route.champion,
            "challenger": route.challenger,
            "stage": route.stage_number,
        }
        answers = {seat.arm: seat.loaded.release for seat in self.at_hand()}
        lookups = [seat.loaded.lookups for seat in self.at_hand() if seat.loaded.lookups]
        if away := {source: words for one in lookups for source, words in one.problems().items()}:
            told["live_sources_away"] = away
        return {**told, "at_hand": answers, "one_record_ms": round(self.champion.single_ms, 3)}

    @cached_property
    def abouts(self) -> Mapping[str, About]:
        """By release; of each the same object for as long as nothing changes."""
        versions = tuple(dict.fromkeys(seat.loaded.release for seat in self.at_hand()))
        return {seat.loaded.release: self._about(seat.loaded, versions) for seat in self.at_hand()}

    def _about(self, loaded: Loaded, versions: tuple[str, ...]) -> About:
        told = loaded.signature.get("reasons") or {}
        return About(
            self.route.model,
            loaded.release,
            versions,
            loaded.inputs,
            loaded.outputs,
            tuple(loaded.signature["classes"]),
            tuple(told.get("bits", ())),
            tuple(told.get("flags", ())),
            {"mode": self.route.mode, **({"why": self.route.why} if self.route.mode != "normal" else {})},
            self._also(loaded),
        )

    def _also(self, loaded: Loaded) -> tuple[Tensor, ...]:
        groups = self.route.stage.groups if self.route.stage else ()
        asked = dict.fromkeys([*filter(None, [self.champion.rules.key]), *(group.column for group in groups)])
        known = {name for tensor in loaded.inputs for name in (tensor.name, tensor.column)}
        return tuple(Tensor(name, "BYTES", (-1, 1), name) for name in asked if name not in known)

    def expect_open(self) -> None:
        """Raises Turned where the ledger says that nobody answers."""
        route = self.route
        if route.mode == "refuse":
            raise Turned(503, f"{route.model} does not answer for now: {route.why or 'the ledger says so'}.")
        if route.mode == "off":
            raise Turned(404, f"{route.model} is switched off: {route.why or 'the ledger says so'}.")
        if route.mode == "fallback" and self.fallback is None:
            raise Turned(503, f"{route.model} is to be answered by its fallback, and that could not be loaded.")

    def key(self, asked: Asked) -> str | None:
        """What makes the request sticky, if anything does."""
        return key_of(asked, self.champion.rules.key)

    def seat(self, asked: Asked, key: str | None) -> Seat:
        """Who answers. Raises Turned (404) for a version that is not at hand, or not to be asked."""
        if asked.version is not None:
            return self._of_version(asked.version)
        if self.route.mode == "fallback" and self.fallback:
            return Seat(FALLBACK, self.fallback)
        stage = self.route.stage
        if self.challenger and stage and self.on_lease() and goes_to_challenger(stage, self.seed, key, asked):
            return Seat(CHALLENGER, self.challenger)
        return Seat(CHAMPION, self.champion)

    def _of_version(self, version: str) -> Seat:
        only = FALLBACK if self.route.mode == "fallback" else None
        found = [seat for seat in self.at_hand() if only in (None, seat.arm)]
        for seat in found:
            if seat.loaded.release == version:
                return seat
        there = ", ".join(seat.loaded.release for seat in found)
        raise Turned(404, f"{self.route.model} has no version {version!r} here; there are {there}.")

    def on_lease(self) -> bool:
        """Whether the challenger's time has not run out: asked for each request, whatever becomes of the ledger."""
        return time.time() < self.route.lease_until

    def shares(self) -> dict[str, float]:
        """What share of the traffic each release is to get, but for what is in groups."""
        if self.route.mode in ("refuse", "off"):
            return {}
        if self.route.mode == "fallback":
            return {self.fallback.release: 1.0} if self.fallback else {}
        stage = self.route.stage
        share = stage.share if stage and self.challenger and self.on_lease() and not stage.shadow else 0.0
        mine = {self.champion.release: 1.0 - share}
        return {**mine, self.challenger.release: share} if self.challenger else mine

    def in_shadow(self) -> Loaded | None:
        """The challenger, where it is to be scored beside the champion."""
        stage = self.route.stage
        return self.challenger if stage and stage.shadow and self.on_lease() else None


def make_post(route: Route, loaded: dict[str, Loaded], before: Post | None, former: str | None) -> Post | None:
    """The post of a route, of what could be loaded. `former` is the release that the champion replaced.

    None where neither the champion nor any that served before is there.
    """
    champion = loaded.get(route.champion) or (before.champion if before else loaded.get(former or ""))
    if champion is None:
        return None
    challenger = loaded.get(route.challenger or "")
    # Of the same release nobody learns anything: its package was refused as champion, and it serves no other way.
    challenger = None if challenger is champion else challenger
    post = Post(route, champion, challenger, loaded.get(route.fallback or ""), seed_of(route.salt))
    return before if before == post else post
