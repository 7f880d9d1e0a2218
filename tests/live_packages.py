"""Packages with a live lookup for the tests: houses by rooms, income and schools, the last two by town."""

import functools

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from expectations.live import LiveLookup
from infra.runtime import Scorer
from tasks.conversion.export import export
from tasks.guards.core import Core
from tasks.guards.domain import learn_domain
from tasks.guards.graph import assemble
from tasks.guards.plan import Lookup, Plan

LIVE = LiveLookup(url="sqlite:///towns.db", query="select income, schools from towns where town = :key")
NAN = float("nan")
FEATURES = ["rooms", "income", "schools"]


@functools.cache
def core_and_domain():
    """A model of houses by rooms, income and schools, and what its training saw."""
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({name: rng.uniform(1, 9, 300) for name in FEATURES})
    rows.loc[::9, "schools"] = NAN
    price = rows["rooms"] * 10 + rows["income"] + rows["schools"].fillna(0)
    model = RandomForestRegressor(5, max_depth=4, random_state=0).fit(rows, price)
    graph = export(model, rows, "m", "double")
    core = Core(graph, Scorer(graph).signature, False)
    return core, learn_domain(core.kinds, rows)


def graph_of(table):
    """The model in a package with this table."""
    core, domain = core_and_domain()
    told = {"guards": {"lookups": [{"source": table.source, "columns": list(table.columns)}]}}
    return assemble(core, Plan(domain, lookups=(table,)), told)


def package_of(table):
    """The same, loaded."""
    return Scorer(graph_of(table))


def table_of(keys=("a", "b", "c"), values=((1, 2), (3, 4), (5, NAN)), default=(9.0, NAN), live=LIVE):
    return Lookup("towns", "town", ("income", "schools"), tuple(keys), np.array(values, dtype=float), default, live)
