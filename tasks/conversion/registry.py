"""Every converter of our own, by family."""

from tasks.conversion import (
    encoders,
    gaussian,
    hist_boosting,
    imputers,
    isolation,
    kernels,
    lightgbm_trees,
    linear,
    meta,
    neighbours,
    simple,
    sparse_gaps,
    transformers,
    trees,
    voting,
    words,
    xgboost_trees,
)
from tasks.conversion.converter import Converter


def own_converters() -> list[Converter]:
    """All of them, family by family."""
    prepare = (imputers, encoders, transformers, words)
    models = (linear, kernels, gaussian, neighbours, simple)
    tree_families = (trees, hist_boosting, isolation, lightgbm_trees, xgboost_trees, sparse_gaps)
    return [one for family in (*prepare, *models, *tree_families, meta, voting) for one in family.converters()]
