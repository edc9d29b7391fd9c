"""``interestingness rank`` on small pictures, with a real checkpoint of an untrained network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from interestingness import cli


@pytest.fixture()
def photos(tmp_path: Path) -> Path:
    """Six pictures, a copy of one, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        noise = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((96, 96), Image.Resampling.NEAREST).save(folder / f"{i}.png")
    Image.open(folder / "2.png").save(folder / "copy of 2.png", compress_level=1)
    (folder / "broken.jpg").write_text("no picture")
    return folder


def rank(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.rank([str(a) for a in arguments])
    return int(ended.value.code or 0)


def test_scores_sheet_and_reference(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sheet = tmp_path / "out" / "scores.parquet", tmp_path / "sheet"
    common = ("--scorer", planted_checkpoint, "--cache", tmp_path / "cache", "--sheet", sheet)
    common += ("--near-duplicates", 0.99999)  # a random network sees little difference
    assert rank(photos, *common, "--out", out) == 0
    table = pq.read_table(out)
    rows = {row["image_id"]: row for row in table.to_pylist()}
    assert len(rows) == 8
    assert rows["broken.jpg"]["score"] is None
    assert rows["broken.jpg"]["problem"]
    assert rows["copy of 2.png"]["near_duplicate_of"] == "2.png"
    assert rows["copy of 2.png"]["score"] == pytest.approx(rows["2.png"]["score"], abs=1e-5)
    scored = [r["score"] for r in table.to_pylist() if r["score"] is not None]
    assert scored == sorted(scored, reverse=True)
    assert len(set(np.round(scored, 3))) == 6
    assert json.loads(table.schema.metadata[b"interestingness"])["unit"].startswith("logits")
    page = (sheet / "page.html").read_text()
    assert "data:image/" in page
    assert "broken.jpg" in page
    # Again, with the first table as reference: the same scores, and where each stands among them.
    again = tmp_path / "again.parquet"
    assert rank(photos, *common, "--out", again, "--reference", out) == 0
    second = {row["image_id"]: row for row in pq.read_table(again).to_pylist()}
    assert second["0.png"]["reference_percentile"] == second["0.png"]["percentile"]
    assert {k: v["score"] for k, v in second.items()} == {k: v["score"] for k, v in rows.items()}


def test_scores_of_another_scorer_are_no_reference(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.parquet"
    common = ("--cache", tmp_path / "cache", "--sheet", tmp_path / "sheet")
    assert rank(photos, "--scorer", planted_checkpoint, *common, "--out", out) == 0
    other = torch.load(planted_checkpoint, weights_only=True)
    other["state_dict"]["scorer.head.weight"] += 1
    torch.save(other, tmp_path / "other.ckpt")
    arguments = ("--scorer", tmp_path / "other.ckpt", *common, "--reference", out)
    assert rank(photos, *arguments, "--out", tmp_path / "no.parquet") == 2
    assert "another scorer" in capsys.readouterr().err
    assert not (tmp_path / "no.parquet").exists()


@pytest.mark.parametrize(
    ("scorer", "said"),
    [("no_such_head", "neither a published head nor a checkpoint"), ("", "neither")],
)
def test_an_unknown_scorer_lists_what_there_is(
    photos: Path, scorer: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rank(photos, "--scorer", scorer or "absent.ckpt") == 2
    message = capsys.readouterr().err
    assert said in message
    assert "relative_interestingness" in message


def test_a_folder_without_a_readable_picture(
    tmp_path: Path, planted_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.jpg").write_text("no")
    arguments = ("--scorer", planted_checkpoint, "--cache", tmp_path / "cache")
    assert rank(tmp_path, *arguments, "--out", tmp_path / "x.parquet") == 2
    assert "none of the 1 files can be read" in capsys.readouterr().err
    assert not (tmp_path / "x.parquet").exists()
