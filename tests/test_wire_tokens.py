"""Who may ask for what."""

import hashlib
import json

import pytest
from wire_desk import SmallDesk
from wire_server import call, car_request, json_of, scorers

from expectations.errors import CannotAsk
from infra.gateway.wire.app import App
from infra.gateway.wire.tokens import ROLES, read_tokens

TRUTHS = b'{"truths":[{"request_id":"a","truth":1}]}'
ASKED = {
    "predict": [
        ("POST", "/v2/models/cars/infer", json.dumps(car_request()).encode()),
        ("POST", "/v2/models/cars/versions/r1/infer", json.dumps(car_request()).encode()),
        ("POST", "/v2/models/cars/records", b'{"records":[{"year":1,"make":"Saab","weight kg":1}]}'),
    ],
    "feedback": [("POST", "/v2/models/cars/feedback", TRUTHS), ("POST", "/v2/models/cars/reports", b'{"words":"odd"}')],
    "metrics": [("GET", "/metrics", b"")],
}
LOOKED_UP = ("/v2", "/v2/models", "/v2/models/cars", "/v2/models/cars/ready", "/openapi.json")


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(token):
    return [("authorization", f"Bearer {token}")]


@pytest.fixture
def path(tmp_path):
    """One token for each role, which is its role's name."""
    path = tmp_path / "tokens.yaml"
    path.write_text("\n".join(f"{digest(role)}: {{name: the {role}, roles: [{role}]}}" for role in ROLES))
    path.chmod(0o600)
    return path


@pytest.fixture
def desk():
    return SmallDesk(scorers())


@pytest.fixture
def app(desk, path):
    return App(desk, tokens=read_tokens(path))


@pytest.mark.parametrize("holder", ROLES)
def test_each_role_may_do_its_own_and_no_more(app, holder):
    for role, asked in ASKED.items():
        for method, path, body in asked:
            reply = call(app, method, path, body, bearer(holder))
            assert (reply[0] < 300) == (holder == role), (path, reply)
            assert holder == role or reply[0] == 403
    assert all(call(app, "GET", path, headers=bearer(holder))[0] == 200 for path in LOOKED_UP)


@pytest.mark.parametrize(
    "headers",
    [[], bearer("x"), bearer(""), bearer("Predict"), bearer(digest("predict")), [("authorization", "Basic predict")]],
)
def test_without_a_token_that_is_known_nothing_but_health_is_told(app, headers):
    for path in LOOKED_UP:
        status, told, _ = call(app, "GET", path, headers=headers)
        assert (status, told["www-authenticate"]) == (401, "Bearer")
    assert call(app, "GET", "/v2/health/live", headers=headers)[0] == 200
    assert call(app, "GET", "/v2/health/ready", headers=headers)[0] == 200


def test_whoever_may_not_ask_is_turned_away_before_the_body_is_read(app):
    # There is no body: to wait for one would fail.
    assert call(app, "POST", "/v2/models/cars/infer", chunks=[], headers=bearer("metrics"))[0] == 403


def test_the_desk_knows_who_asked(app, desk):
    call(app, *ASKED["feedback"][0], bearer("feedback"))
    call(app, *ASKED["predict"][0], bearer("predict"))
    assert desk.taken[0][1] == "the feedback"
    assert desk.asked[0].caller == "the predict"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_or_change_is_refused(path, mode):
    path.chmod(mode)
    with pytest.raises(CannotAsk, match="others can read or change"):
        read_tokens(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "found no such thing"),
        ("[secret]", "found no such thing"),
        ("secret: {", "not YAML"),
        ("secret: {name: a, roles: [predict]}", "not the sha256 of a token"),
        (f"{digest('a')}: {{name: a}}", "expected name and roles"),
        (f"{digest('a')}: {{name: a, roles: [predict], rules: []}}", "expected name and roles"),
        (f"{digest('a')}: {{name: a, roles: [admin]}}", "expected roles of predict, feedback, metrics"),
        (f"{digest('a')}: {{name: a, roles: []}}", "expected roles of predict, feedback, metrics"),
        (f"{digest('a')}: {{name: a, roles: [[]]}}", "expected roles of predict, feedback, metrics"),
        (f"{digest('a')}: {{name: 7, roles: [predict]}}", "expected name and roles"),
        ("123: {name: a, roles: [predict]}", "not the sha256 of a token"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_and_repeats_no_secret(path, content, words):
    path.write_text(content)
    with pytest.raises(CannotAsk, match=words) as caught:
        read_tokens(path)
    assert "secret" not in str(caught.value)


def test_no_file_is_told(tmp_path):
    with pytest.raises(CannotAsk, match="No such file"):
        read_tokens(tmp_path / "tokens.yaml")


def test_json_is_as_good(path):
    path.write_text(json.dumps({digest("t"): {"name": "shop", "roles": ["predict"]}}))
    assert read_tokens(path).caller(b"bearer t", "predict") == "shop"


def test_a_refusal_says_what_to_send(app):
    assert json_of(call(app, "GET", "/v2"))["error"] == "expected a header Authorization: Bearer TOKEN."
    assert json_of(call(app, "GET", "/metrics", headers=bearer("predict")))["error"] == (
        "the token of the predict lacks the role metrics."
    )
