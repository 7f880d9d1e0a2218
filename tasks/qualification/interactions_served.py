"""What other models of the store are for the check `interactions`: their packages, data and specs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from expectations.errors import CannotAsk
from expectations.graph import Place, feeds_of, standing
from expectations.history import Release, State
from expectations.spec import Cost
from expectations.state import Fed
from expectations.upstream_spec import consumed
from infra.evidence_store import get_json
from infra.packages import open_package
from infra.spec_file import SpecFile
from tasks.check import TEST, Subject
from tasks.cost import price_of
from tasks.job import Job, read_part
from tasks.qualification.case import MOST_TEST, sampled
from tasks.qualification.feeding import Link
from tasks.qualification.interactions_downstream import Downstream, Requalified, cannot_tell, requalify
from tasks.qualification.interactions_upstream import Served
from tasks.rollout.plan import approved_spec

# Rows that are older than the last so many releases of their model are told as not confirmed.
MOST_RELEASES = 10
SERVED = ("champion", "retired", "rolling out", "rolled back")


def releases_of(job: Job, state: State, fed: Fed) -> list[Served]:
    """The releases of an upstream model that may have given a column its values: the one that serves, then those
    before it, the latest first; the stated version alone where there is one."""
    theirs = [one for one in state.releases.values() if one.model == fed.model and one.package_digest]
    served = [one for one in theirs if (one.id == fed.version if fed.version else one.status in SERVED)]
    served.sort(key=lambda one: (one.status == "champion", one.as_of), reverse=True)
    return [_served(job, one) for one in served[:MOST_RELEASES]]


def served_now(job: Job, state: State) -> Iterator[Served]:
    """All that serves, the model's own champion too: a model can be fed with what it said itself."""
    for name in state.models.values():
        target = approved_spec(job.store(), job.ledger(), state.releases[name]).data.target
        yield replace(_served(job, state.releases[name]), target=target)


def _served(job: Job, release: Release) -> Served:
    return Served(release.model, release.id, partial(open_package, job.store(), release.package_digest))


def requalified(subject: Subject, state: State, place: Place) -> list[Requalified]:
    """Each model downstream, the nearest first, asked on the champion's outputs and on the candidate's."""
    job, name = subject.job, place.model
    releases = {one: found for one in place.downstream if (found := standing(state, one))}
    links = {one: _link(job, release) for one, release in releases.items()}
    serving = subject.champion()
    # What is fed with a model that does not serve yet has its answers in its data alone.
    before = {**links, name: _link(job, serving)} if serving else links
    after = {**links, name: Link(subject.scorer(), consumed(job.spec.data.upstream))}

    def asked(release: Release) -> Requalified:
        try:
            one = _downstream(job, state, release, place)
        except CannotAsk as error:
            about = {"model": release.model, "release": release.id, "owner": release.owner}
            return cannot_tell(release.model, about, str(error))
        return requalify(one, before, after, (name, *place.downstream), job.tier.min_records)

    return [asked(release) for release in releases.values()]


def _link(job: Job, release: Release) -> Link:
    return Link(open_package(job.store(), release.package_digest), release.consumes)


def _downstream(job: Job, state: State, release: Release, place: Place) -> Downstream:
    theirs = job_of(job, release)
    manifest = get_json(job.store(), job.ledger().verdict(release)["blobs"]["manifest"])
    test = sampled(read_part(job.store(), manifest, TEST), MOST_TEST, theirs.spec.seed)
    spec, hanging = theirs.spec, {place.model, *place.downstream}
    if spec.cost.function and spec.comparison.metric == "expected_cost":
        raise CannotAsk(f"{release.model} is compared by cost.function, code that lies beside its own spec.")
    cost = Cost() if spec.cost.function else spec.cost
    return Downstream(
        model=release.model,
        release=release.id,
        owner=release.owner,
        steps=_steps(state, place.model, release.model),
        columns=tuple(fed.column for fed in release.consumes if fed.model in hanging),
        test=test,
        target=spec.data.target,
        actual=theirs.target(test),
        price=price_of(cost, theirs.file.root, theirs.features(test)),
        positive=theirs.positive,
        metric=spec.comparison.metric,
        margin=spec.comparison.margin,
    )


def job_of(job: Job, release: Release) -> Job:
    """The job of another release of the same store, by the spec in its dossier; its code is not there."""
    spec = approved_spec(job.store(), job.ledger(), release)
    return Job(SpecFile(spec, Path(), release.spec_digest), job.store_url, datetime.fromisoformat(release.as_of))


def _steps(state: State, start: str, model: str) -> int:
    """How many models away: 1 takes the outputs itself."""
    feeds, layer, steps = feeds_of(state), {start}, 0
    while model not in layer or not steps:
        layer, steps = {name for one in layer for name in feeds.get(one, ())}, steps + 1
    return steps
