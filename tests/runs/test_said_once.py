"""Ranks of a machine say the same error once, and any other one in full."""

import threading
from pathlib import Path

import pytest

from interestingness.runs import said_once
from interestingness.runs.said_once import FILE, say_once


def place(folder: Path, rank: int) -> dict[str, str]:
    error_file = str(folder / "attempt_0" / str(rank) / "error.json")
    return {"LOCAL_RANK": str(rank), "TORCHELASTIC_ERROR_FILE": error_file}


def test_the_same_text_is_said_by_the_first_rank_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The other one comes first, and waits.
    other = threading.Thread(target=say_once, args=("error: lr", place(tmp_path, 1)))
    other.start()
    say_once("error: lr", place(tmp_path, 0))
    other.join()
    assert capsys.readouterr().err == "error: lr\n"


def test_another_text_is_said_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for rank in (0, 1, 3):
        say_once(f"error: on rank {rank}", place(tmp_path, rank))
    said = capsys.readouterr().err
    assert said == "error: on rank 0\nerror: on rank 1\nerror: on rank 3\n"


def test_an_error_of_one_rank_alone_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setattr(said_once, "PATIENCE_S", 0.1)
    say_once("error: plugin", place(tmp_path, 3))
    say_once("error: plugin", {})
    say_once("error: plugin", {"LOCAL_RANK": "1"})
    assert capsys.readouterr().err == "error: plugin\n" * 3


def test_where_nothing_can_be_left_every_rank_speaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setattr(said_once, "PATIENCE_S", 0.1)
    (tmp_path / "attempt_0").mkdir()
    (tmp_path / "attempt_0" / "0").touch()  # a file in the folder's place
    for rank in (0, 1):
        say_once("error: lr", place(tmp_path, rank))
    assert capsys.readouterr().err == "error: lr\n" * 2
    assert not (tmp_path / "attempt_0" / "0" / FILE).exists()
