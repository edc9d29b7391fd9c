"""Preparing: whole or not at all, once, refused where it cannot be right."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from interestingness.datasets.synthetic import prepare_synthetic
from interestingness.errors import DataError
from interestingness.tables.tables import Tables

SMALL = {"images": 12, "degree": 3, "image_size": 24, "seed": 0}


def _bytes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_a_data_set_is_complete_and_says_that_it_is_simulated(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    tables = prepare_synthetic(tmp_path / "set", **SMALL, progress=lambda *at: done.append(at))
    assert done[-1] == (12, 12)
    assert tables.manifest.domain == "synthetic"
    assert tables.manifest.simulated.startswith("SIMULATION")
    assert len(tables.pairs) == 18
    for row in range(12):
        path = tables.image_path(row)
        with Image.open(path) as image:
            assert image.size == (24, 24)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest == tables.images["sha256"][row].as_py()
    assert "true_utility" in tables.score_names()
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")} == {"set"}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, same, other = (
        prepare_synthetic(tmp_path / name, **{**SMALL, "seed": seed}).root
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert _bytes(one) == _bytes(same) != _bytes(other)


def test_a_second_call_reuses_what_is_there(tmp_path: Path) -> None:
    prepare_synthetic(tmp_path / "set", **SMALL)
    before = (tmp_path / "set" / "dataset.json").stat().st_mtime_ns
    prepare_synthetic(tmp_path / "set", **SMALL, progress=lambda *_: pytest.fail("made again"))
    assert (tmp_path / "set" / "dataset.json").stat().st_mtime_ns == before


def test_more_images_begin_with_the_same_ones(tmp_path: Path) -> None:
    few = prepare_synthetic(tmp_path / "few", **SMALL).root
    many = prepare_synthetic(tmp_path / "many", **{**SMALL, "images": 20}).root
    for path in (few / "images").iterdir():
        assert path.read_bytes() == (many / "images" / path.name).read_bytes()


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    prepare_synthetic(tmp_path / "set", **SMALL)
    with pytest.raises(DataError, match="seed 0 instead of 5"):
        prepare_synthetic(tmp_path / "set", **{**SMALL, "seed": 5})


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match=r"no dataset\.json"):
        prepare_synthetic(tmp_path, **SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": 11, "degree": 3},
        {"images": 5, "degree": 5},
        {"images": 1, "degree": 1},
        {"seed": -1},
        {"image_size": 2},
    ],
)
def test_bad_settings_leave_nothing(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match="what to do"):
        prepare_synthetic(tmp_path / "set", **{**SMALL, **wrong})
    assert list(tmp_path.iterdir()) == []


def _die_halfway(root: Path) -> None:
    def kill(done: int, images: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    prepare_synthetic(root, **SMALL, progress=kill)


def test_a_killed_writer_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    root = tmp_path / "set"
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_die_halfway, args=(root,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not root.exists()
    leftovers = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert leftovers, "the writer was killed before it wrote anything"
    prepare_synthetic(root, **SMALL)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [root]
    assert len(Tables(root).pairs) == 18


def _prepare(root: Path) -> None:
    prepare_synthetic(root, **SMALL)


def test_two_processes_at_once_make_one_data_set(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_prepare, args=(tmp_path / "set",)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(Tables(tmp_path / "set").pairs) == 18
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["set"]
