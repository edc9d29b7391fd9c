"""Each check with both outcomes, on facts that are made up."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from machines import FOLDER, HOST, MACHINE

from interestingness.checkup.checks import (
    DEFAULT_WEIGHTS,
    EXTRAS,
    HOSTS,
    KEYS,
    NAMES,
    check_all,
    check_cache,
    check_clock,
    check_disk,
    check_extra,
    check_gpu,
    check_host,
    check_key,
    check_packages,
    check_python,
    check_torch,
    check_weights,
)
from interestingness.checkup.facts import HostFacts, MachineFacts, TorchFacts
from interestingness.checkup.findings import (
    Finding,
    State,
    check_needed,
    lacking,
    report_lines,
)
from interestingness.cli import conf_folder
from interestingness.errors import ConfigError
from interestingness.models.backbones.open_clip_config import published_by

ROOT = Path(__file__).resolve().parents[2]


def test_a_machine_on_which_everything_works() -> None:
    findings = check_all(MACHINE, ["numpy<3,>=1.26"])
    assert tuple(found.name for found in findings) == NAMES
    assert all(found.ok and not found.todo for found in findings)
    assert lacking(findings, NAMES) == []
    assert len(report_lines(findings, [])) == len(NAMES)


def test_a_machine_on_which_nothing_works() -> None:
    nothing = MachineFacts(
        python=(3, 10, 1),
        packages={},
        torch=TorchFacts(error="OSError: libcudart"),
        nvidia=True,
        hosts=dict.fromkeys(HOSTS, HostFacts("example.org", "no answer", ahead_s=-4000)),
        environment={},
        extras={name: {"module": "not installed"} for name in EXTRAS},
        cache=replace(FOLDER, free=10, writable=False),
        runs=FOLDER,
        hub_cache=FOLDER,
        torch_cache=FOLDER,
        models=(),
        now=0,
        installed=1.9e9,
    )
    findings = check_all(nothing, ["numpy<3,>=1.26"])
    assert tuple(found.name for found in findings) == NAMES
    assert all(found.todo and not found.ok for found in findings)
    assert lacking(findings, ["gpu", "hub"]) == ["gpu", "hub"]
    lines = report_lines(findings, ["gpu"])
    assert len(lines) == 2 * len(NAMES)
    assert [line.split()[1] for line in lines if line.startswith("NEEDED")] == ["gpu"]


def state(found: Finding) -> State:
    assert found.ok != bool(found.todo)
    return found.state


def test_python_and_torch() -> None:
    assert state(check_python((3, 11, 0))) is State.OK
    assert state(check_python((3, 14, 2))) is State.OK
    assert state(check_python((3, 10, 9))) is State.WRONG
    assert state(check_torch(TorchFacts("2.6"))) is State.OK
    failed = check_torch(TorchFacts(error="ImportError: libtorch"))
    assert state(failed) is State.WRONG and "libtorch" in failed.text


@pytest.mark.parametrize(
    ("version", "required", "expected"),
    [
        ("2.1.0", "numpy<3,>=1.26", State.OK),
        ("3.0.0", "numpy<3,>=1.26", State.WRONG),
        ("2.0.0rc1", "numpy<3,>=1.26", State.OK),
        (None, "numpy<3,>=1.26", State.WRONG),
        (None, "numpy; python_version < '3'", State.OK),
    ],
)
def test_packages(version: str | None, required: str, expected: State) -> None:
    found = check_packages({"numpy": version}, [required])
    assert state(found) is expected
    assert found.ok or "numpy" in found.todo


def test_a_package_that_is_not_installed_itself() -> None:
    assert state(check_packages({}, [])) is State.WRONG


@pytest.mark.parametrize(
    ("torch", "nvidia", "expected"),
    [
        (TorchFacts("2.6", "13.0", ("A", "B")), True, State.OK),
        (TorchFacts("2.6", "13.0"), False, State.ABSENT),
        (TorchFacts("2.6", "13.0"), True, State.WRONG),
        (TorchFacts("2.6"), True, State.WRONG),
        (TorchFacts(), True, State.WRONG),
    ],
)
def test_gpu(torch: TorchFacts, nvidia: bool, expected: State) -> None:
    assert state(check_gpu(torch, nvidia=nvidia)) is expected


def test_hosts() -> None:
    assert state(check_host("hub", HOST)) is State.OK
    lost = check_host("hub", HostFacts("example.org", "no such name"))
    assert state(lost) is State.ABSENT and "no such name" in lost.text
    forbidden = check_host("hub", HostFacts("example.org", forbidden="HF_HUB_OFFLINE"))
    assert state(forbidden) is State.ABSENT and forbidden.todo == "unset HF_HUB_OFFLINE"


def test_the_clock() -> None:
    silent = HostFacts("example.org", "no answer")
    assert state(check_clock(2e9, 1.9e9, [silent])) is State.OK
    assert state(check_clock(1.8e9, 1.9e9, [silent])) is State.WRONG
    assert state(check_clock(1.8e9, 1.9e9, [silent, HOST])) is State.OK  # a host knows better
    behind = check_clock(2e9, 1.9e9, [HOST, replace(HOST, ahead_s=4000.0)])
    assert state(behind) is State.WRONG and "4,000 s behind" in behind.text
    assert "ahead" in check_clock(2e9, 1.9e9, [replace(HOST, ahead_s=-301.0)]).text


def test_disk_and_caches() -> None:
    assert state(check_disk([FOLDER, FOLDER])) is State.OK
    assert state(check_disk([FOLDER, replace(FOLDER, free=1_999_999_999)])) is State.WRONG
    assert state(check_cache(FOLDER)) is State.OK
    assert state(check_cache(replace(FOLDER, writable=False))) is State.WRONG
    assert state(check_cache(replace(FOLDER, exists=False))) is State.OK  # made when it is needed
    counted = check_cache(FOLDER, replace(FOLDER, used=2_345_000_000, whole=False))
    assert "2 MB" in counted.text and "more than 2.3 GB" in counted.text


def test_weights_are_those_of_the_default_backbone() -> None:
    assert state(check_weights((DEFAULT_WEIGHTS, "other/model"))) is State.OK
    assert state(check_weights(("other/model",))) is State.ABSENT
    option = (conf_folder() / "model" / "backbone" / "clip_vit_b32.yaml").read_text()
    architecture = re.findall(r"^architecture: (\S+)", option, re.M)[0]
    published = published_by(architecture, "openai", "MIT")
    assert published is not None and published.place == DEFAULT_WEIGHTS


def test_extras_are_those_of_the_package() -> None:
    assert state(check_extra("heic", {})) is State.OK
    assert state(check_extra("heic", {"pillow_heif": "not installed"})) is State.ABSENT
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"]) - {"dev"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sk-abcdefghijklmnop", State.OK),
        ("sk-abcdefghijklmnop\n", State.OK),
        (None, State.ABSENT),
        (" ", State.ABSENT),
        ("'sk-abcdefghijklmnop'", State.WRONG),
        ("sk-abc defghijklmnop", State.WRONG),
        ("<your key>", State.WRONG),
        ("...", State.WRONG),
        ("sk-äbcdefghijklmnop", State.WRONG),
    ],
)
def test_keys_are_judged_by_their_form_and_never_shown(value: str | None, expected: State) -> None:
    found = check_key("OPENAI_API_KEY", value)
    assert state(found) is expected
    said = f"{found.text} {found.todo}"
    assert "bcdefghij" not in said and "your key" not in said


def test_keys_are_those_that_options_name() -> None:
    named = {
        name
        for file in conf_folder().rglob("*.yaml")
        for name in re.findall(r"^key_env: ([A-Z_]+)", file.read_text(), re.M)
    }
    assert named and named <= set(KEYS)


def test_a_need_that_no_check_has() -> None:
    check_needed(["gpu", "OPENAI_API_KEY"], NAMES)
    with pytest.raises(ConfigError, match="gpus") as error:
        check_needed(["gpu", "gpus"], NAMES)
    assert "gpu" in error.value.expected


def test_facts_do_not_show_the_environment() -> None:
    assert "sk-abc" not in repr(MACHINE)
