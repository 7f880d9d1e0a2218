"""The OpenAPI document, fuzzed on a real gateway by schemathesis: what is right by it and what is wrong by it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from wire_server import serving

EXAMPLES = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None)
# Too many rows are refused too.
REFUSED = {"expected-statuses": [400, 404, 405, 413, 415]}
CONFIG = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": REFUSED}})
# No schema can say that a shape must fit the values, nor that the row 2.0 is refused.
NOT_SAID = ("/infer", "/feedback")


@pytest.fixture(scope="module")
def schema():
    with serving() as gateway:
        yield schemathesis.openapi.from_url(f"{gateway.url}/openapi.json", config=CONFIG)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_every_answer_is_as_it_was_described(schema, mode):
    fuzzed = [found.ok() for found in schema.get_all_operations() if worth(found.ok(), mode)]
    for operation in fuzzed:
        fuzz(operation, mode)
    assert len(fuzzed) > 5


def worth(operation, mode):
    """The two models' paths are alike but for records; without parameters and body nothing can be wrong."""
    once = operation.path.endswith("/wine/records") or "/wine" not in operation.path
    return once and (mode is GenerationMode.POSITIVE or operation.method == "post" or "{" in operation.path)


def fuzz(operation, mode):
    but = [positive_data_acceptance] if operation.path.endswith(NOT_SAID) else []

    @given(case=operation.as_strategy(generation_mode=mode))
    @EXAMPLES
    def ask(case):
        case.call_and_validate(excluded_checks=but)

    ask()
