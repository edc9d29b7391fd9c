"""``interestingness caption`` on a small random CoCa, and a fusion that reads what it wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from hydra.errors import InstantiationException
from PIL import Image
from safetensors.torch import save_file

from interestingness import cli
from interestingness.assembly.prepare import prepare
from interestingness.assembly.run import train
from interestingness.commands.annotate import annotate
from interestingness.commands.caption import caption
from interestingness.errors import ConfigError, DataError
from interestingness.models.captioners import CocaCaptioner
from interestingness.tables.tables import Tables

SIZE = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
TINY = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8,
        "attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 8,
        "output_tokens": True,
    },
    "text_cfg": {**SIZE, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**SIZE, "attn_pooler_heads": 2},
}  # fmt: skip
IMAGES = 60


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[str, ...]:
    """Overrides that choose the small network."""
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps(TINY))
    return (
        f"captioner.architecture={config}",
        "captioner.pretrained=null",
        "captioner.weights=random",
        "captioner.most_tokens=8",
    )


@pytest.fixture
def scenes(composed: Callable[..., Any], tmp_path: Path) -> Path:
    """The synthetic data set without its own descriptions, as a prepared one."""
    tables = prepare(composed("train", f"dataset.images={IMAGES}")).tables
    root = tmp_path / "scenes"
    shutil.copytree(tables.root, root)
    shutil.rmtree(root / "annotations", ignore_errors=True)  # of other tests of the session
    images = pq.read_table(root / "images.parquet").drop_columns(["description"])
    pq.write_table(images, root / "images.parquet")
    return root


def test_captions_become_a_modality(
    composed: Callable[..., Any],
    tiny: tuple[str, ...],
    scenes: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = ("dataset=prepared", f"dataset.root={scenes}")
    fusion = (
        *("model=tag_fusion", "model.modalities=[image,description,tags]", *data),
        *("model/backbone=scene_clip", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
    )
    with pytest.raises(DataError, match=r"no description(.|\n)*interestingness caption"):
        train(composed("train", *fusion))
    result = caption(composed("caption", *data, *tiny))
    said = capsys.readouterr().out
    assert (result["captioned"], result["new"]) == (IMAGES, IMAGES)
    assert f"captioned  {IMAGES} of {IMAGES} images, {IMAGES} of them now" in said
    noise = "random weights: these captions are noise and say nothing of the images"
    assert f"note       {noise}\n" in said and "learn from them" not in said
    assert "trying things out: model=tag_fusion model.modalities=[image,description]\n" in said
    about = pq.read_schema(result["table"]).metadata
    assert about[b"interestingness.note"].decode() == noise
    assert Path(result["table"]) == scenes / "annotations" / "texts-tiny-description.parquet"

    rows = Tables(scenes).table("texts").to_pylist()
    assert [row["image_id"] for row in rows] == Tables(scenes).image_ids.tolist()
    assert {(row["kind"], row["rater_kind"]) for row in rows} == {("description", "model")}
    assert {row["rater_id"] for row in rows} == {rows[0]["rater_id"]}
    assert rows[0]["rater_id"].startswith("tiny-random:0")
    assert len({row["text"] for row in rows}) > IMAGES / 3

    again = caption(composed("caption", *data, *tiny))
    assert (again["captioned"], again["new"]) == (IMAGES, 0)
    assert Tables(scenes).table("texts").to_pylist() == rows

    train(composed("train", *fusion))
    said = capsys.readouterr().out
    assert f"{IMAGES} by {rows[0]['rater_id']}" in " ".join(said.split())
    assert "image 128 + description 128 + tags 128" in said

    # A run depends on the texts that it reads.
    before = _identity(composed, fusion)
    assert _identity(composed, fusion) == before
    other = caption(composed("caption", *data, *tiny, "captioner.weights=random:1"))
    assert other["new"] == IMAGES and _identity(composed, fusion) != before


def _identity(composed: Callable[..., Any], overrides: tuple[str, ...]) -> str:
    cfg = composed("train", *overrides)
    return prepare(cfg).fingerprints({"modalities": list(cfg.model.modalities)})["data"]


def test_whose_descriptions_are_read(
    composed: Callable[..., Any],
    tiny: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The synthetic images have descriptions, a judge's are added: the option says which."""
    data = (f"dataset.images={IMAGES}",)
    caption(composed("caption", *data, *tiny))
    said = capsys.readouterr().out
    assert """model.modalities=[image,description] 'model.raters=["tiny*"]'""" in said
    ledger = f"ledger={tmp_path / 'judge.sqlite'}"
    annotate(composed("annotate", *data, "what=descriptions", ledger))
    notes = {}
    for raters in ('["tiny*"]', '["simulated*"]', "null"):
        train(
            composed(
                "train",
                *data,
                *("model=tag_fusion", "model.modalities=[description]", f"model.raters={raters}"),
                *("trainer.max_epochs=1", "trainer.accelerator=cpu"),
                run=f"run{len(notes)}",
            )
        )
        notes[raters] = " ".join(capsys.readouterr().out.split())
    assert f"a model wrote: {IMAGES} by tiny-random:0" in notes['["tiny*"]']
    assert f"a model wrote: {IMAGES} by simulated-judge" in notes['["simulated*"]']
    assert "a model wrote" not in notes["null"]


def test_an_interrupted_run_goes_on_where_it_was(
    composed: Callable[..., Any],
    tiny: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ("dataset.images=60", *tiny, "captioner.weights=random:7", "captioner.batch_size=8")
    table = Path(caption(composed("caption", "dataset.images=60", *tiny))["table"])
    before = table.read_bytes()
    forward, batches = CocaCaptioner.forward, []

    def stopped(self: CocaCaptioner, images: torch.Tensor) -> torch.Tensor:
        if len(batches) == 3:
            raise KeyboardInterrupt
        batches.append(len(images))
        return forward(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(CocaCaptioner, "forward", stopped)
        with pytest.raises(KeyboardInterrupt):
            caption(composed("caption", *given))
    assert "24 captions are kept; the same command goes on" in capsys.readouterr().err
    assert table.read_bytes() == before  # nothing half written
    result = caption(composed("caption", *given))
    assert batches == [8, 8, 8] and result["new"] == 60 - 24 and result["captioned"] == 60
    assert table.read_bytes() != before


def test_photographs_that_cannot_be_read_are_counted(
    composed: Callable[..., Any],
    tiny: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, colour in (("a", "red"), ("b", "green"), ("c", "blue"), ("copy", "blue")):
        Image.new("RGB", (40, 30), colour).save(photos / f"{name}.png")
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    given = ("dataset=folder", f"dataset.images={photos}", *tiny)
    with pytest.raises(DataError, match="1 of 5 images cannot be read"):
        caption(composed("caption", *given, "max_bad_share=0"))
    result = caption(composed("caption", *given))
    said = capsys.readouterr().out
    # What the refused attempt captioned is kept; of two copies one is captioned.
    assert (result["captioned"], result["new"]) == (4, 0)
    assert "left out   broken.png" in said and "captioned  4 of 5 images" in said
    texts = pq.read_table(result["table"]).to_pylist()
    assert [row["image_id"] for row in texts] == ["a.png", "b.png", "c.png", "copy.png"]
    assert texts[2]["text"] == texts[3]["text"] != texts[0]["text"]


def test_weights_of_photographs_on_scenes_are_said(
    composed: Callable[..., Any],
    tiny: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = CocaCaptioner(
        str(tmp_path / "tiny.json"), pretrained=None, weights="random:3", licence="none",
        most_tokens=8, batch_size=8,
    ).network  # fmt: skip
    save_file(network.state_dict(), tmp_path / "trained.safetensors")
    weights = f"captioner.weights={tmp_path / 'trained.safetensors'}"
    result = caption(composed("caption", f"dataset.images={IMAGES}", *tiny, weights))
    said = capsys.readouterr().out
    assert "noise" not in said and "learn from them: " in said
    assert b"interestingness.note" not in pq.read_schema(result["table"]).metadata
    assert "note       tiny was trained on photographs; the data set is synthetic" in said
    assert "licence    licence as its owner says" in said


def test_a_captioner_that_writes_nothing(
    composed: Callable[..., Any], tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CocaCaptioner, "texts", lambda _, tokens: [""] * len(tokens))
    with pytest.raises(DataError, match="none of 60 images has got a caption"):
        caption(composed("caption", f"dataset.images={IMAGES}", *tiny))


@pytest.mark.parametrize("option", ["captioner.batch_size=0", "max_bad_share=2"])
def test_numbers_that_cannot_be(
    composed: Callable[..., Any], tiny: tuple[str, ...], scenes: Path, option: str
) -> None:
    data = ("dataset=prepared", f"dataset.root={scenes}")
    with pytest.raises((ConfigError, InstantiationException), match=option):
        caption(composed("caption", *data, *tiny, option))
    assert not (scenes / "annotations").exists()


def test_the_door(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Weights that cannot be had end in one error, before any table is touched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["interestingness", "caption"])
    with pytest.raises(SystemExit) as ended:
        cli.main(["caption", "dataset.images=60", f"paths.cache={tmp_path}"])
    assert ended.value.code == 2
    assert "captioner.weights=FILE" in capsys.readouterr().err
    assert not list(tmp_path.glob("datasets/*/annotations"))
