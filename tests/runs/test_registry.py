"""Run folders and the index of finished runs."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from interestingness.runs import registry

ID = "0123456789abcdef"


def _finished(runs: Path, name: str = "one", identity: str = ID) -> Path:
    run = runs / name
    registry.start(run, identity, ["seed=1"])
    (run / registry.METRICS).write_text("{}")
    registry.finish(run, runs)
    return run


def test_a_run_is_running_then_finished(tmp_path: Path) -> None:
    run = tmp_path / "one"
    registry.start(run, ID, ["seed=1"], {"simulated": True})
    record = registry.read(run)
    assert record is not None
    assert (record["status"], record["identity"], record["overrides"]) == (
        "running",
        ID,
        ["seed=1"],
    )
    assert record["simulated"] is True and record["finished"] is None
    assert registry.find_finished(tmp_path, ID) is None

    (run / registry.METRICS).write_text("{}")
    registry.finish(run, tmp_path)
    after = registry.read(run)
    assert after is not None
    assert after["status"] == "finished" and after["started"] == record["started"]
    assert after["started"] <= after["finished"]
    assert after["simulated"] is True
    assert registry.find_finished(tmp_path, ID) == run


def test_a_resumed_run_keeps_its_first_start(tmp_path: Path) -> None:
    run = tmp_path / "one"
    registry.start(run, ID, [])
    first = registry.read(run)
    registry.fail(run, "stopped")
    registry.start(run, ID, [])
    again = registry.read(run)
    assert first is not None and again is not None
    assert again["started"] == first["started"] and again["status"] == "running"
    assert "error" not in again


def test_finish_demands_a_start_and_metrics(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="never started"):
        registry.finish(tmp_path / "none", tmp_path)
    registry.start(tmp_path / "one", ID, [])
    with pytest.raises(FileNotFoundError, match="metrics"):
        registry.finish(tmp_path / "one", tmp_path)
    assert registry.find_finished(tmp_path, ID) is None


def test_a_failure_keeps_its_message_even_before_the_start(tmp_path: Path) -> None:
    registry.fail(tmp_path / "one", ValueError("no such label"))
    record = registry.read(tmp_path / "one")
    assert record is not None
    assert record["status"] == "failed" and record["error"] == "no such label"
    registry.fail(tmp_path / "two", KeyError())
    record = registry.read(tmp_path / "two")
    assert record is not None and record["error"] == "KeyError"


def test_a_stopped_run_has_not_failed_and_is_not_finished(tmp_path: Path) -> None:
    run = tmp_path / "one"
    registry.start(run, ID, ["seed=1"])
    registry.stop(run)
    record = registry.read(run)
    assert record is not None and record["finished"]
    assert (record["status"], record["identity"], "error" in record) == ("stopped", ID, False)
    assert registry.find_finished(tmp_path, ID) is None
    registry.stop(tmp_path / "two")  # it was never started
    record = registry.read(tmp_path / "two")
    assert record is not None and record["status"] == "stopped"


@pytest.mark.parametrize("damage", ["gone", "metrics", "record", "status", "identity", "index"])
def test_the_index_is_believed_only_if_the_folder_agrees(tmp_path: Path, damage: str) -> None:
    run = _finished(tmp_path)
    assert registry.find_finished(tmp_path, ID) == run
    if damage == "gone":
        shutil.rmtree(run)
    elif damage == "metrics":
        (run / registry.METRICS).unlink()
    elif damage == "record":
        (run / registry.RECORD).write_text('{"identity": "01')
    elif damage == "index":
        (tmp_path / registry.INDEX / f"{ID}.json").write_text("[]")
    else:
        record = registry.read(run)
        assert record is not None
        (run / registry.RECORD).write_text(json.dumps({**record, damage: "other"}))
    assert registry.find_finished(tmp_path, ID) is None


def test_a_folder_of_runs_can_be_moved(tmp_path: Path) -> None:
    _finished(tmp_path / "runs", "sweeps/today/000_seed-1")
    shutil.move(tmp_path / "runs", tmp_path / "archive")
    found = registry.find_finished(tmp_path / "archive", ID)
    assert found == tmp_path / "archive" / "sweeps/today/000_seed-1"


def test_a_skipped_run_says_of_which_and_is_not_found_itself(tmp_path: Path) -> None:
    run = _finished(tmp_path)
    registry.skip(tmp_path / "two", ID, ["seed=1"], run)
    record = registry.read(tmp_path / "two")
    assert record is not None
    assert (record["status"], record["of"]) == ("skipped", str(run))
    assert registry.find_finished(tmp_path, ID) == run
    registry.skip(run, ID, ["seed=1"], run)
    assert registry.find_finished(tmp_path, ID) == run


def test_readers_never_see_half_a_record(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    texts = [json.dumps({"n": n, "filling": "x" * 20_000}) for n in range(8)]
    registry.write_text(path, texts[0])
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(registry.write_text, path, text) for text in texts * 5]
        seen = [json.loads(path.read_text())["n"] for _ in range(200)]
        for job in writing:
            job.result()
    assert set(seen) <= set(range(8))
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]
