"""Who waits for whom is said, again and again but ever less often."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from interestingness.runs import waiting
from interestingness.runs.waiting import Register, named, told_while_waiting


class Store(dict):
    """What torch's store does for us."""

    def set(self, key: str, value: str) -> None:
        self[key] = value

    def check(self, keys: list[str]) -> bool:
        return all(key in self for key in keys)


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_S", 0.01)


def test_the_lowest_rank_that_is_there_names_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = Store()
    with Register(store, 1, 4).meeting(), Register(store, 3, 4).meeting():
        time.sleep(0.3)
    said = capsys.readouterr().err.splitlines()
    assert {line.partition(" (")[0] for line in said} == {"rank 1 of 4 waits for ranks 0, 2"}
    # After 0.01 s, 0.02 s, 0.04 s, …: few lines, however long.
    assert 1 <= len(said) <= 12


def test_nobody_speaks_once_all_are_there_or_rank_0_is_gone(
    capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    store = Store()
    with Register(store, 0, 2).meeting(), Register(store, 1, 2).meeting():
        time.sleep(0.1)

    def gone(keys: list[str]) -> bool:
        raise RuntimeError("connection reset")

    monkeypatch.setattr(store, "check", gone)
    with Register(store, 0, 2).meeting():
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_short_wait_is_silent(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_S", 60.0)
    with told_while_waiting(lambda: "never said"):
        pass
    assert capsys.readouterr().err == ""


def test_ranks_in_a_sentence() -> None:
    assert named([3]) == "rank 3"
    assert named([1, 2, 5]) == "ranks 1, 2, 5"
    assert named(range(10)) == "ranks 0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


PROGRAM = """
import sys, time
from interestingness.runs import waiting
from interestingness.runs.team import join
waiting.FIRST_S = 0.2
team = join({"accelerator": "cpu"}, 2)
if team.rank == 1:
    time.sleep(1.5)
print(team.agree(f"from rank {team.rank}"))
"""


def test_two_processes_meet(tmp_path: Path) -> None:
    from interestingness.runs.starting import _places

    program = tmp_path / "rank.py"
    program.write_text(PROGRAM)
    ranks = [
        subprocess.Popen(
            [sys.executable, str(program)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for environment in _places(2)
    ]  # fmt: skip
    (first, said), (second, silent) = (rank.communicate(timeout=120) for rank in ranks)
    assert first == second == "from rank 0\n"
    assert "rank 0 of 2 waits for rank 1 (for 0 s now)" in said
    assert "waits for" not in silent
