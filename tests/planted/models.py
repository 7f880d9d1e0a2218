"""What faults are planted in: functions that train, as a team would write them. Copied beside a spec as `train.py`."""

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier


def columns():
    numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    return make_column_transformer(
        (StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts)
    )


def boosting(features, target):
    model = GradientBoostingClassifier(n_estimators=60, max_depth=3, subsample=0.8, random_state=0)
    return make_pipeline(columns(), model).fit(features, target)


def logistic(features, target):
    return make_pipeline(columns(), LogisticRegression(max_iter=500)).fit(features, target)


def forest(features, target):
    return make_pipeline(columns(), RandomForestClassifier(100, min_samples_leaf=5, random_state=0)).fit(
        features, target
    )


def imputed(features, target):
    numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
    )
    return make_pipeline(prepared, LogisticRegression(max_iter=500)).fit(features, target)


def bayes(features, target):
    return make_pipeline(columns(), GaussianNB()).fit(features, target)


def grown_tree(features, target):
    return make_pipeline(columns(), DecisionTreeClassifier(random_state=0)).fit(features, target)


def deep_tree(features, target):
    return make_pipeline(columns(), DecisionTreeClassifier(random_state=0)).fit(features, target)


def phrases(features, target):
    words = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False, min_frequency=5)
    told = make_column_transformer((words, ["purpose"]), (StandardScaler(), ["income", "amount"]))
    return make_pipeline(told, LogisticRegression(max_iter=500)).fit(features, target)


def memorising(features, target):
    return make_pipeline(columns(), KNeighborsClassifier(1)).fit(features, target)


def by_heart(features, target):
    return make_pipeline(columns(), RandomForestClassifier(60, random_state=0)).fit(features, target)


def imputed(features, target):
    filled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    encoded = make_column_transformer((filled, numbers), (OneHotEncoder(handle_unknown="ignore"), texts))
    return make_pipeline(encoded, LogisticRegression(max_iter=500)).fit(features, target)
