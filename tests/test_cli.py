import subprocess
import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from interestingness.cli import of_study, own_error, quoted
from interestingness.errors import DataError


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("dataset.images=~/photos", "~/photos"),
        ("dataset.images=/tmp/Mes été (2)", "/tmp/Mes été (2)"),
        ("dataset.votes=it's.csv", "it's.csv"),
        ("ckpt=runs/a=b", "runs/a=b"),
        ("+x=C:\\photos", "C:\\photos"),
    ],
)
def test_values_that_hydra_cannot_read_are_quoted(argument: str, value: str) -> None:
    override = OverridesParser.create().parse_override(quoted(argument))
    assert override.value() == value


@pytest.mark.parametrize(
    "argument",
    ["seed=1", "split.seed=range(3)", "label_source=human,gpt4o", "trust=[a,b]", "-m", "~logger"],
)
def test_what_hydra_reads_is_left_alone(argument: str) -> None:
    assert quoted(argument) == argument


@pytest.mark.parametrize(
    ("options", "study"),
    [
        (["study=audit"], True),
        (["-m", "study=audit,judges", "ckpt=x"], True),
        (["experiment=lafin_table1", "study.splits=1"], True),
        (["ckpt=runs/x", "experiment=lafin_table1"], False),
        (["ckpt=runs/x"], False),
        (["study.splits=1"], False),
        ([], False),
    ],
)
def test_which_door_evaluate_is(options: list[str], study: bool) -> None:
    assert of_study(options) == study


def test_finds_our_error_behind_a_wrapper() -> None:
    ours = DataError("found")
    wrapped = RuntimeError("wrapper")
    wrapped.__cause__ = ours
    assert own_error(wrapped) is ours
    assert own_error(RuntimeError("none")) is None


def test_an_unknown_command_prints_usage_and_fails() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interestingness", "nonsense"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "usage: interestingness COMMAND" in done.stderr
