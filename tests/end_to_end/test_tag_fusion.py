"""Fusion on tags as people write them, and options that cannot go with it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interestingness.assembly.run import evaluate, train
from interestingness.cli import own_error
from interestingness.errors import ConfigError, DataError, WeightsError

ODD = [
    "sky, black cat",
    "👩‍💻, 👍🏿, 🦄",
    "",
    "  ,\t, ",
    ",".join(f"tag{n}" for n in range(10_000)),
    "x" * 100_000,
    "שלום, \u202esky\u202c",
    "Cat, cat, CAT",
    "explore, Explored, inexplore27, expl\u200bored",
]
RANDOM = ("model/backbone=torchvision_mobilenet_v2", "model.backbone.weights=random")
NONE = ["", "  ", ",", ",,\t"]
WORDS = {"sky": [1.0, 0.0], "cat": [0.0, 2.0], "👩‍💻": [3.0, 3.0], "👍": [4.0, 4.0]}


@pytest.fixture
def fused(composed: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """``fused(tags, "seed=1")``: a run on 40 pictures, the first of them with these tags."""

    def run(tags: list[str], *overrides: str) -> Any:
        photos, rng = tmp_path / "photos", np.random.default_rng(0)
        photos.mkdir()
        rows = [["image", "beauty", "tags"]]
        for i in range(40):
            noise = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).save(photos / f"{i:02}.png")
            rows.append([f"{i:02}.png", str(i / 40), tags[i] if i < len(tags) else "sky, cat"])
        with open(tmp_path / "tags.csv", "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
        (tmp_path / "words.json").write_text(json.dumps(WORDS))
        return train(
            composed(
                "train",
                *("dataset=folder", f"dataset.images={photos}"),
                *(f"dataset.scores={tmp_path / 'tags.csv'}", "label_source=scores"),
                *("label_source.column=beauty", "model=tag_fusion", "model/words=file"),
                f"model.words.path={tmp_path / 'words.json'}",
                *(() if "model/backbone=none" in overrides else RANDOM),
                *("trainer.max_epochs=1", "trainer.accelerator=cpu", *overrides),
            )
        )

    return run


def test_tags_as_people_write_them(
    fused: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fused(ODD)["status"] == "finished"
    said = " ".join(capsys.readouterr().out.split())
    assert "4 tags that contain 'explor' removed, from 1 images" in said
    # 2 of the first image, 2 emoji, 1 after a mark of direction, 1 cat, 2 of 31 plain images each
    assert "tags: 68 of 10,071 have a vector (10,003 distinct ones have none: " in said
    assert "5 images without one, 3 of them empty" in said


def test_judging_with_word_vectors_that_were_moved(
    fused: Callable[..., Any], composed: Callable[..., Any], tmp_path: Path
) -> None:
    run, words = fused([])["run"], tmp_path / "words.json"
    words.rename(tmp_path / "moved.json")
    with pytest.raises(DataError, match="there is no such file") as raised:
        evaluate(composed("evaluate", f"ckpt={run}", run="a"))
    assert raised.value.todo == "name another file: words=…"
    moved = f"words={tmp_path / 'moved.json'}"
    again = evaluate(composed("evaluate", f"ckpt={run}", moved, run="b"))
    assert again["status"] == "finished"
    words.write_text(json.dumps({**WORDS, "sky": [9.0, 9.0]}))
    with pytest.raises(WeightsError, match="trained on other features"):
        evaluate(composed("evaluate", f"ckpt={run}", f"words={words}", run="c"))


def test_word_vectors_for_a_run_without(
    trained: Callable[..., Path], composed: Callable[..., Any]
) -> None:
    for options in ([], ["model=tag_fusion"]):
        run = trained(*options, "trainer.max_epochs=1")
        with pytest.raises(ConfigError, match=r"words=a\.bin: the run read no file"):
            evaluate(composed("evaluate", f"ckpt={run}", "words=a.bin", run="judged"))


def test_features_of_a_file_beside_tags(
    fused: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "vec.npz"
    names = [f"{i:02}.png" for i in range(40)]
    np.savez(file, features=np.random.default_rng(0).normal(size=(40, 3)), files=names)
    given = [f"model.features={file}", "model/backbone=none"]
    run = fused([], *given)
    assert run["status"] == "finished"
    said = "".join(capsys.readouterr().out.split())  # a long path is wrapped
    assert f"weightsfeaturesfromimage3+tags2(image:{file})" in said


def test_without_a_backbone_fusion_stays_fusion(fused: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        fused([], "model/backbone=none")
    assert raised.value.expected == "model/backbone=… or model.features=FILE"


def test_no_tag_at_all(fused: Callable[..., Any]) -> None:
    with pytest.raises(
        DataError, match=r"no image has the modality 'tags' (.|\n)*40 of them empty"
    ):
        fused(NONE * 10)


def test_a_batch_larger_than_the_data(
    trained: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained("model=tag_fusion", "data.batch_size=100000")
    said = " ".join(capsys.readouterr().out.split())
    assert "data.batch_size=100000 is more than the 39 training pairs: one step an epoch" in said
    with open(run / "log" / "metrics.csv") as stream:
        steps = {row["step"] for row in csv.DictReader(stream)}
    assert {int(step) for step in steps if step} <= {0, 1, 2, 3}  # three epochs


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        (["data=shards"], ConfigError, "data=shards with model.modalities=[image,tags]"),
        (["model.modalities=null"], ConfigError, "model.modalities=null"),
        (["+model.head.dim=5"], ConfigError, "image 128 + tags 128 gives 256 numbers"),
        (
            ["model.head.hidden=0"],
            ConfigError,
            "model.head.hidden=0: expected an integer, 1 or more",
        ),
        (["model.head.dropout=1"], ConfigError, "dropout in [0, 1)"),
        (["model.l2=auto"], ConfigError, "a number for l2"),
        (["+model/tuning=lora"], ConfigError, "a model whose backbone learns"),
        (
            ["model=finetuned_clip", "data=features"],
            ConfigError,
            "cached features are those of a frozen backbone",
        ),
        (
            ["model=finetuned_clip", "model/tuning=lora", "model.tuning.targets=[nope]"],
            WeightsError,
            "is called 'nope'",
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_options_that_cannot_be(
    trained: Callable[..., Path], options: list[str], kind: type[Exception], said: str
) -> None:
    with pytest.raises(Exception) as raised:
        trained("model=tag_fusion", *options)
    error = own_error(raised.value)  # Hydra wraps what a constructor raises
    assert isinstance(error, kind) and said in str(error) and error.todo
