"""The metrics file of a run that was interrupted: nothing lost, nothing twice."""

import csv
from pathlib import Path

import pytest

from interestingness.learning.metrics_file import MetricsFile, read_rows


def logged(folder: Path, *steps: int, before: tuple[Path, int] | None = None) -> Path:
    logger = MetricsFile(folder, name="", version="log")
    if before is not None:
        logger.go_on(*before)
    for step in steps:
        logger.log_metrics({"train/loss": step / 10, "epoch": step // 10}, step=step)
        logger.save()
    return folder / "log" / "metrics.csv"


def steps(file: Path) -> list[int]:
    with file.open(newline="") as stream:
        return [int(row["step"]) for row in csv.DictReader(stream)]


@pytest.mark.parametrize("name", ["same", "other"])
def test_a_resumed_run_keeps_rows_up_to_its_checkpoint(tmp_path: Path, name: str) -> None:
    before = logged(tmp_path / "same", 9, 19, 29)
    file = logged(tmp_path / name, 19, 29, 39, before=(before, 10))
    assert steps(file) == [9, 19, 29, 39]
    whole = logged(tmp_path / "whole", 9, 19, 29, 39)
    assert file.read_bytes() == whole.read_bytes()
    if name == "other":
        assert steps(before) == [9, 19, 29]


def test_a_run_that_begins_anew_begins_its_file_anew(tmp_path: Path) -> None:
    logged(tmp_path, 9, 19)
    assert steps(logged(tmp_path, 9)) == [9]


def test_a_column_that_comes_late_leaves_the_file_whole(tmp_path: Path) -> None:
    before = logged(tmp_path, 9)
    logger = MetricsFile(tmp_path, name="", version="log")
    logger.go_on(before, 10)
    logger.log_metrics({"train/loss": 0.5}, step=19)
    logger.save()
    logger.log_metrics({"Train, other": 0.25}, step=29)
    logger.save()
    with before.open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["Train, other", "epoch", "step", "train/loss"]
    assert rows[1:] == [["", "0", "9", "0.9"], ["", "", "19", "0.5"], ["0.25", "", "29", ""]]
    assert [p.name for p in before.parent.iterdir()] == ["metrics.csv"]


def test_a_line_that_was_cut_short_is_no_row(tmp_path: Path) -> None:
    file = logged(tmp_path, 9, 19)
    file.write_bytes(file.read_bytes()[:-3])
    assert [row["step"] for row in read_rows(file)] == ["9"]
    file.write_bytes(b"step,loss\r\n\xff\xfe,1\r\n3,0.5\r\n")
    assert read_rows(file) == [{"step": "3", "loss": "0.5"}]
    assert read_rows(tmp_path / "none.csv") == []


def test_ranks_beside_the_first_write_nothing(tmp_path: Path, monkeypatch) -> None:
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert not logged(tmp_path, 9).exists()
    assert not list(tmp_path.iterdir())
