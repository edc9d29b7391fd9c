"""Export of a planted_checkpoint, and ranking with what was exported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from interestingness import cli
from interestingness.assembly.scorers import make_scorer
from interestingness.commands.export import write_folder
from interestingness.learning.learner import CHECKPOINT_KEY
from interestingness.models.exchange import read_card

NODE_TARGET = "interestingness.models.backbones.TorchvisionBackbone"


def run(command: str, *arguments: object) -> int:
    try:
        cli.main([command, *map(str, arguments)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_what_was_exported_ranks_as_the_checkpoint_does(
    planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        noise = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((64, 64)).save(photos / f"{i}.png")
    assert run("export", planted_checkpoint, "--out", tmp_path / "mine") == 0
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "more *fun*" in card
    assert "planted" in card
    labels = tmp_path / "labels.csv"
    labels.write_text("precious")
    for target in (("--format", "onnx", "--out", labels), ("--out", photos)):
        assert run("export", planted_checkpoint, *target) == 2  # nothing is written over
    assert labels.read_text() == "precious"
    assert len(list(photos.iterdir())) == 4
    scores = []
    for scorer in (planted_checkpoint, tmp_path / "mine"):
        out = tmp_path / f"{scorer.name}.parquet"
        places = ("--cache", tmp_path / "cache", "--sheet", tmp_path / "sheet", "--out", out)
        assert run("rank", photos, "--scorer", scorer, *places) == 0
        scores.append({r["image_id"]: r["score"] for r in pq.read_table(out).to_pylist()})
    assert scores[0] == scores[1]
    assert len(set(scores[0].values())) == 4
    # What was ranked by the checkpoint is a reference for its export: the tensors are the same.
    reference = ("--reference", tmp_path / f"{planted_checkpoint.name}.parquet")
    again = ("--cache", tmp_path / "cache", "--sheet", tmp_path / "sheet")
    mine = ("--scorer", tmp_path / "mine", "--out", tmp_path / "again.parquet")
    assert run("rank", photos, *mine, *again, *reference) == 0


def test_the_notebooks_head(planted_checkpoint: Path, tmp_path: Path) -> None:
    assert run("export", planted_checkpoint, "--format", "iccv", "--out", tmp_path / "RI.pth") == 0
    state = torch.load(tmp_path / "RI.pth", weights_only=True)
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        "fc1.weight": (1, 512),
        "fc1.bias": (1,),
    }
    own = torch.load(planted_checkpoint, weights_only=True)["state_dict"]["scorer.head.weight"]
    torch.testing.assert_close(state["fc1.weight"][0], own)


def test_a_strangers_folder_cannot_name_code(
    planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", planted_checkpoint, "--out", tmp_path / "mine") == 0
    about = tmp_path / "mine" / "scorer.json"
    about.write_text(about.read_text().replace(NODE_TARGET, "os.system"))
    assert run("export", tmp_path / "mine", "--out", tmp_path / "again") == 2
    assert "not trusted" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def with_record(checkpoint: Path, file: Path, **more: Any) -> Path:
    """A copy of a checkpoint whose record says more."""
    kept = torch.load(checkpoint, weights_only=True)
    kept[CHECKPOINT_KEY]["record"] |= more
    torch.save(kept, file)
    return file


@pytest.mark.parametrize(
    ("loss", "zero"), [("BinaryLoss", True), ("BradleyTerryLoss", False), ("GoneLoss", False)]
)
def test_the_card_knows_whether_scores_have_a_zero(
    planted_checkpoint: Path, tmp_path: Path, loss: str, zero: bool
) -> None:
    node = {"_target_": f"interestingness.learning.pair_losses.{loss}"}
    file = with_record(planted_checkpoint, tmp_path / "made.ckpt", loss=node)
    for source, out in ((file, "mine"), (tmp_path / "mine", "again")):
        assert run("export", source, "--out", tmp_path / out) == 0
        card = (tmp_path / out / "README.md").read_text()
        assert ("`sigmoid(score)`" in card) == zero != ("no meaning outside" in card)


def test_the_card_of_a_strangers_loss_imports_nothing(
    planted_checkpoint: Path, tmp_path: Path
) -> None:
    node = {"_target_": "this.Loss"}
    file = with_record(planted_checkpoint, tmp_path / "made.ckpt", loss=node)
    assert run("export", file, "--out", tmp_path / "mine") == 0
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("source", "learnt"),
    [
        ({"name": "x", "column": "complexity"}, "complexity"),
        ({"name": "x", "column": "grade", "higher_is_better": False}, "less grade"),
        ({"name": "human", "question": "beautiful"}, "beautiful"),
        ({"name": "mix", "human": {"question": "safe"}}, "safe"),
        ({"name": "engagement", "counts": "favorites"}, "engagement"),
        ({}, "fun"),
    ],
    ids=str,
)
def test_what_was_learnt_is_not_what_was_asked(
    planted_checkpoint: Path, tmp_path: Path, source: dict[str, Any], learnt: str
) -> None:
    more = {"label_source": source, "question": "fun"}
    file = with_record(planted_checkpoint, tmp_path / "made.ckpt", **more)
    assert make_scorer(str(file)).card.question == learnt


def test_an_export_names_no_folder(planted_checkpoint: Path, tmp_path: Path) -> None:
    """Neither of the weights, nor of other files that a network was built of."""
    file = tmp_path / "secret" / "resnet18.pt"
    file.parent.mkdir()
    named = make_scorer(str(planted_checkpoint))
    node = {**named.card.backbone, "weights": str(file), "more": {"files": ["~/secret/words.txt"]}}
    write_folder(tmp_path / "mine", replace(named, card=replace(named.card, backbone=node)))
    for written in (tmp_path / "mine").iterdir():
        assert b"secret" not in written.read_bytes(), written
    backbone = read_card(tmp_path / "mine")[0].backbone
    assert backbone["weights"] == "resnet18.pt" and backbone["more"] == {"files": ["words.txt"]}


@pytest.mark.parametrize("form", ["folder", "onnx", "iccv"])
@pytest.mark.parametrize("out", ["blocked/mine", "blocked"])
def test_a_place_that_cannot_be_written_to_is_one_error_before_anything_is_loaded(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    out: str,
    form: str,
) -> None:
    (tmp_path / "blocked").write_text("a file")
    monkeypatch.setattr("interestingness.commands.export.make_scorer", never)
    assert run("export", "relative_interestingness", "--format", form, "--out", tmp_path / out) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "blocked" in said and "paths." not in said


def never(*_: object, **__: object) -> None:
    raise AssertionError("nothing is to be loaded")


@pytest.mark.parametrize(
    ("tuning", "said"),
    [
        ("full", "all of its parameters"),
        ("last_blocks", "its last block and what follows it"),
        ("lora", "low-rank updates (LoRA, rank 8, alpha 16.0) of `attn.in_proj_weight`, "),
    ],
)
def test_a_fine_tuned_run(
    trained: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tuning: str,
    said: str,
) -> None:
    more = ["model.tuning.blocks=1"] if tuning == "last_blocks" else []
    made = trained("model=finetuned_clip", f"model/tuning={tuning}", "data.workers=0", *more)
    assert run("export", made, "--out", tmp_path / "mine") == 0
    assert f"fine-tuned: {said}" in (tmp_path / "mine" / "README.md").read_text()
    capsys.readouterr()
    for source in (made, tmp_path / "mine"):
        assert run("export", source, "--format", "iccv", "--out", tmp_path / "RI.pth") == 2
        said_of_it = capsys.readouterr().err
        assert "fine-tuned" in said_of_it and "--format folder" in said_of_it
    assert not (tmp_path / "RI.pth").exists()
