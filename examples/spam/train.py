"""A candidate that tells spam by the subject line and by the shape of the mail."""

from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NUMBERS = ["body_kb", "links", "capitals", "exclamations", "html"]


def words(features, target):
    columns = make_column_transformer(
        (TfidfVectorizer(token_pattern="[^ ]+", lowercase=False, min_df=3), "subject"), (StandardScaler(), NUMBERS)
    )
    return make_pipeline(columns, LogisticRegression(C=5, max_iter=1000)).fit(features, target)
