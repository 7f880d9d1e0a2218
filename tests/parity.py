import numpy as np

from infra.runtime import Scorer, estimator_predictions
from tasks.conversion.trials import Trials
from tasks.parity import measure_parity


def values_on(model, graph, rows, tolerance=1e-9):
    """What parity says of rows that the conversion did not see, by metric."""
    trained = estimator_predictions(model, rows)
    trials = Trials(rows, np.full(len(rows), "snapshot", dtype=object), trained)
    return measure_parity(trials, Scorer(graph).score(rows), tolerance).metrics.set_index("metric")["value"]
