import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from flows.cli import main


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help_with_an_example_and_takes_json(command):
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    assert "Example: seatrial" in done.output
    assert "--json" in done.output


def test_the_command_answers_at_once_since_it_imports_nothing_heavy():
    code = "import sys, flows.cli; print({'prefect', 'great_expectations', 'pandas', 'sklearn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_store_that_is_not_there_is_told(seatrial):
    done = seatrial("status", "m", "--store", "nowhere", "--json")
    assert done.code == 2
    assert "expected a store" in done.json["problems"][0]


def test_the_schema_is_a_json_schema(seatrial):
    assert json.loads(seatrial("schema").out)["title"] == "ReleaseSpec"
