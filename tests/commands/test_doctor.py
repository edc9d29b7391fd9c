"""``interestingness doctor``: what it prints, and its exit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from machines import MACHINE

from interestingness import cli
from interestingness.checkup.facts import HostFacts, MachineFacts, TorchFacts
from interestingness.commands import doctor as command


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU, a hub and one extra."""

    def read(environment: Mapping[str, str], needed: Sequence[str] = ()) -> MachineFacts:
        return replace(
            MACHINE,
            torch=TorchFacts("2.6"),
            nvidia=False,
            hosts={**MACHINE.hosts, "hub": HostFacts("example.org", "key sk-abcdefghijklmnop")},
            extras={**MACHINE.extras, "heic": {"pillow_heif": "not installed"}},
            environment=environment,
        )

    monkeypatch.setattr(command, "read_machine", read)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcdefghijklmnop")
    monkeypatch.setenv("HF_TOKEN", "'hf_abcdefghijklmnop'")


def status(*words: str) -> int:
    try:
        cli.main(["doctor", *words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), 0),
        (("--need", "torch", "--need", "OPENAI_API_KEY"), 0),
        (("--need", "torch", "--need", "gpu"), 1),
        (("--need", "heic"), 1),
        (("need=hub",), 1),
        (("--need", "torch, gpu"), 1),
        (("--need", "torch,python"), 0),
        (("--need", ""), 2),
        (("--need", "HF_TOKEN"), 1),
        (("--need", "tpu"), 2),
        (("gpu",), 2),
    ],
)
def test_the_exit_status_says_whether_what_is_needed_works(
    words: tuple[str, ...], expected: int
) -> None:
    assert status(*words) == expected


def test_no_secret_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--need", "gpu", "--need", "hub") == 1
    said = capsys.readouterr().out
    assert "abcdefghij" not in said
    assert "gpu, hub" in said.splitlines()[-1]
    assert "pillow_heif" in said
