"""KServe's client, which needs another pandas than ours, asks a real gateway from an environment of its own."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from wire_server import MAKE, WEIGHT, YEAR, scorers, serving

KSERVE = Path(__file__).parent / "kserve"
PYTHON = KSERVE / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def told():
    assert PYTHON.exists(), "make tests/kserve/.venv/ready sets up KServe's client: half a minute, once."
    with serving() as gateway:
        done = subprocess.run(
            [PYTHON, KSERVE / "ask.py", gateway.url], capture_output=True, text=True, timeout=120, env={}
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kserves_client_finds_the_gateway_and_its_model_ready(told):
    assert (told["live"], told["ready"], told["model"]) == (True, True, True)


@pytest.mark.parametrize("form", ["json", "binary"])
def test_kserves_client_gets_what_the_package_says(told, form):
    expected = scorers()["cars"].answers(pd.DataFrame({"year": YEAR, "weight kg": WEIGHT, "make": MAKE}))
    assert told[form]["id"] == "mine"
    assert told[form]["parameters"]["arm"] == "champion"
    assert told[form]["outputs"] == {name: values.tolist() for name, values in expected.items()}


def test_kserves_client_is_told_what_is_not_here(told):
    assert "404" in told["error"]
