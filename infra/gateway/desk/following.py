"""From the ledger to the posts: read on twice a second, load what is new, exchange.

What was read last is kept in this account's home, and so is every package: a gateway that starts while the store is
away stands where it stood. It never goes back behind a record that it has seen.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from expectations.errors import CannotAsk
from expectations.state import Release, Rollout, State
from expectations.traffic import Route, route
from infra.checkpoints import Known
from infra.gateway.desk.last_state import keep_state, last_state
from infra.gateway.desk.loading import Copies, Loaded, Named, load
from infra.gateway.desk.post import Post, make_post
from infra.gateway.diary.metrics import Metrics
from infra.ledger import Ledger
from infra.rollout_page import build_rollout_page
from infra.store import Store
from infra.trust import Trust

LOG = logging.getLogger("seatrial.gateway")
EVERY = 0.5
# How long a start waits for the store before it goes by what was seen last.
FIRST_LOOK = 5.0
# Until a package that was refused is looked at again, at first and at most.
AGAIN, SELDOM = 2.0, 60.0


@dataclass(frozen=True)
class Refused:
    """Why a release could not be loaded, and when it is tried again."""

    words: str
    pause: float
    at: float


class Following:
    """The posts of some models, or of all that the ledger names where none are given.

    `step` is for one thread; everybody else reads `posts`, `pages` (of rollouts), `known` and `problems`, which are
    exchanged whole. `know` is told of each release before it answers. Packages are to be signed by a key that `trust`
    knows: this account's own, where none is given.
    """

    def __init__(
        self,
        store: Store,
        home: Path,
        models: tuple[str, ...],
        metrics: Metrics,
        know: Callable[[Loaded], None],
        trust: Trust | None = None,
    ) -> None:
        self._trust = trust or Trust(home)
        self._url, self._home, self._models, self._metrics, self._know = store.url, home, models, metrics, know
        self._ledger, self._copies = Ledger(store, home), Copies(store)
        self._loaded: dict[str, Loaded] = {}
        self._refused: dict[str, Refused] = {}
        self._away, self._floor = "", -1
        self.known = Known()
        self.posts: Mapping[str, Post] = {}
        self._drawn: dict[str, Rollout] = {}
        self.pages: Mapping[str, bytes] = {}

    @property
    def models(self) -> tuple[str, ...]:
        """Those that were named, else all that the ledger knows a champion of."""
        return self._models or tuple(sorted(self.known.state.models))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong now, in words."""
        away = (self._away,) if self._away else ()
        return (*away, *(refused.words for refused in list(self._refused.values())))

    def start(self) -> None:
        """Stands where the ledger says before it returns, or where it said last if the store does not answer soon."""
        looked = threading.Event()
        threading.Thread(target=self._follow, args=(looked,), name="seatrial-following", daemon=True).start()
        looked.wait(FIRST_LOOK + 1)

    def _follow(self, looked: threading.Event) -> None:
        last = last_state(self._home, self._url)
        self._floor = last.seq
        first = threading.Thread(target=self._tried, args=(self._read,), name="seatrial-first-look", daemon=True)
        first.start()
        first.join(FIRST_LOOK)
        self._take(last)
        self._tried(self._exchange)
        looked.set()
        first.join()
        while True:
            time.sleep(EVERY)
            self.step()

    def step(self) -> None:
        """Reads on, and exchanges the posts that have changed."""
        self._tried(self._read)
        self._tried(self._exchange)
        self._tried(self._draw)

    def _tried(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:
            # Whatever it is, what is served goes on being served, and the ledger is looked at again.
            LOG.exception("the ledger could not be followed")

    def _read(self) -> None:
        try:
            known = self._ledger.known()
            if known.seq < self._floor:
                raise CannotAsk(
                    f"{self._url}: it ends at record {known.seq}, and record {self._floor} was seen before."
                )
            if known.seq > self._floor:
                keep_state(self._home, self._url, known)
            self._floor = known.seq
            self._take(known)
            self._metrics.followed(known.seq)
            self._back()
        except (CannotAsk, OSError) as error:
            self._gone(str(error))

    def _take(self, known: Known) -> None:
        if known.seq > self.known.seq:
            self.known = known

    def _gone(self, words: str) -> None:
        told = f"the ledger cannot be read; what it said up to record {self.known.seq} holds: {words}"
        if told != self._away:
            LOG.warning(told)
        self._away = told

    def _back(self) -> None:
        if self._away:
            LOG.info("the ledger is read again, up to record %d", self.known.seq)
        self._away = ""

    def _exchange(self) -> None:
        state = self.known.state
        routes = [found for model in self.models if (found := route(state, model))]
        wanted = {name: state.releases[name] for found in routes for name in self._wanted(found, state)}
        self._load(wanted)
        posts = dict(self.posts)
        for found in routes:
            former = state.releases[found.champion].replaced
            if post := make_post(found, self._loaded, posts.get(found.model), former):
                posts[found.model] = post
        before, self.posts = self.posts, posts
        self._count(posts)
        for words in told(before, posts):
            LOG.info(words)
        self._forget(wanted, posts)

    def _draw(self) -> None:
        """The pages of the rollouts that went on since the last look."""
        for model in self.models:
            rollout = self.known.state.rollouts.get(model)
            if rollout is None or rollout == self._drawn.get(model):
                continue
            evidence = json.loads(self._copies.get_blob(rollout.evidence)) if rollout.evidence else None
            self.pages = {**self.pages, model: build_rollout_page(model, rollout, evidence).encode()}
            self._drawn[model] = rollout

    def _wanted(self, found: Route, state: State) -> Iterator[str]:
        """What the route names; and what the champion replaced, where the champion was refused and nothing serves."""
        yield from found.releases
        former = state.releases[found.champion].replaced
        if former and found.champion in self._refused and found.model not in self.posts:
            yield former

    def _load(self, wanted: Mapping[str, Release]) -> None:
        for name, release in wanted.items():
            refused = self._refused.get(name)
            if name in self._loaded or (refused and time.monotonic() < refused.at):
                continue
            try:
                loaded = load(self._copies, _named(release), self._trust)
                self._know(loaded)
                self._loaded[name] = loaded
                self._refused.pop(name, None)
            except Exception as error:  # noqa: BLE001  onnxruntime raises classes of its own; none may end the serving.
                self._refuse(release, refused, f"{name} is not served: {_words(error)}")

    def _refuse(self, release: Release, before: Refused | None, words: str) -> None:
        if before is None or before.words != words:
            LOG.error(words)
        self._metrics.package_refused(release.model, release.id)
        pause = min(before.pause * 2, SELDOM) if before else AGAIN
        self._refused[release.id] = Refused(words, pause, time.monotonic() + pause)

    def _count(self, posts: Mapping[str, Post]) -> None:
        for model, post in posts.items():
            self._metrics.mode(model, post.route.mode)
            self._metrics.traffic(model, post.shares())
            for seat in post.at_hand():
                if seat.loaded.lookups:
                    self._metrics.looked_up(model, seat.loaded.lookups.taken())

    def _forget(self, wanted: Mapping[str, Release], posts: Mapping[str, Post]) -> None:
        """What nobody is sent to any more; who is answering with it just now keeps it until then."""
        kept = {*wanted, *(seat.loaded.release for post in posts.values() for seat in post.at_hand())}
        for name in [name for name in self._loaded if name not in kept]:
            del self._loaded[name]
        for name in [name for name in self._refused if name not in wanted]:
            del self._refused[name]


def _named(release: Release) -> Named:
    return Named(release.id, release.package_digest, release.document_digest, release.package_signature)


def told(before: Mapping[str, Post], after: Mapping[str, Post]) -> Iterator[str]:
    """What has changed, a sentence for each model."""
    for model, post in after.items():
        was = before.get(model)
        if was is None or _line(was) != _line(post):
            yield f"{model}: {_line(post)}"


def _line(post: Post) -> str:
    route, parts = post.route, [f"{post.champion.release} serves"]
    if route.mode != "normal":
        parts.append(f"mode {route.mode}: {route.why}")
    if post.challenger and route.stage:
        stage = route.stage
        part = "shadow" if stage.shadow else " and ".join(["its groups"] * bool(stage.groups) + [f"{stage.share:.0%}"])
        parts.append(f"challenger {post.challenger.release}, {part}")
    if post.fallback:
        parts.append(f"fallback {post.fallback.release}")
    return "; ".join(parts)


def _words(error: Exception) -> str:
    # onnxruntime's texts can be long.
    return str(error)[:500] if isinstance(error, CannotAsk) else f"{type(error).__name__}: {error}"[:500]
