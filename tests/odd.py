"""A table with all that is awkward: gaps, a truth value, a constant, whole numbers and a category."""

import numpy as np
import pandas as pd
from qualified import case, parted
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def odd_rows(n=400):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=n), "flag": rng.random(n) < 0.5, "same": np.ones(n)})
    frame["rooms"] = rng.integers(1, 9, n)
    frame["kind"] = rng.choice(["red", "green"], n)
    y = 2 * frame["x"] + frame["flag"] + frame["rooms"] / 4 + (frame["kind"] == "red")
    return frame.assign(x=frame["x"].mask(rng.random(n) < 0.1), y=y)


def odd_case(classes=False, n=400, **more):
    """A regression of it, or two classes; more of it goes to `case`."""
    frame = odd_rows(n)
    if classes:
        frame = frame.assign(y=np.where(frame["y"] > frame["y"].median(), "much", "little"))
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["kind"]), remainder="passthrough"
    )
    return case(make_pipeline(columns, kind(max_iter=30, random_state=0)), parted(frame), "y", **more)
