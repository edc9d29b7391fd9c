"""``load``: records for any mixture of images, the numbers of rank, bounded memory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interestingness import ImageScore, LoadedScorer, Scores, load
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.errors import ConfigError, DataError, ImageError, WeightsError
from interestingness.library.scorer import AHEAD, WAITING, Prepared
from interestingness.models.backbones import SceneClipBackbone
from interestingness.models.exchange import ScorerCard, save_scorer
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.scoring.image_scorer import ImageScorer


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def scorer_parts() -> Scorer:
    backbone = SceneClipBackbone(weights="embedded")
    head = LinearHead(backbone.dim)
    head.load_state_dict({"weight": torch.linspace(-1, 1, backbone.dim)})
    return Scorer(backbone, FeatureScaler("unit", backbone.dim), head).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scorer_parts: Scorer) -> Path:
    target = "interestingness.models.backbones.SceneClipBackbone"
    node = {"_target_": target, "weights": "embedded"}
    card = ScorerCard("mine", "interesting", "people", "logits", "Apache-2.0", node)
    return save_scorer(tmp_path_factory.mktemp("scorer") / "mine", scorer_parts, card)


@pytest.fixture(scope="module")
def scorer(folder: Path) -> LoadedScorer:
    return load(folder)


def test_the_package_alone_is_light() -> None:
    code = (
        "import sys, interestingness\n"
        "assert 'load' in dir(interestingness)\n"
        "print(sorted({'torch', 'numpy', 'hydra', 'pyarrow'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_any_mixture_of_images_has_one_score(scorer: LoadedScorer, tmp_path: Path) -> None:
    image = picture(1)
    file = tmp_path / "a b'ü.png"
    image.save(file)
    values = np.array(image)
    found = scorer.score(
        [
            file,
            str(file),
            file.read_bytes(),
            image,
            Image.open(file),
            values,
            values.astype(np.float32) / 255,
            torch.from_numpy(values).permute(2, 0, 1),
            torch.from_numpy(values).permute(2, 0, 1).float() / 255,
            np.dstack([values, np.full(values.shape[:2], 255, np.uint8)]),
            io.BytesIO(file.read_bytes()),
            bytearray(file.read_bytes()),
        ]
    )
    assert isinstance(found, Scores) and len(found) == 12
    assert all(isinstance(one, ImageScore) and one.problem == "" for one in found)
    assert np.ptp(np.asarray(found)) < 1e-6
    assert found[0].name == str(file) and found[3].name == "image 3"
    one = scorer.score(image)
    assert len(one) == 1 and one[0].score == pytest.approx(found[0].score, abs=1e-6)
    stacked = scorer.score(np.stack([values, values]))
    assert len(stacked) == 2 and [r.score for r in scorer.score([])] == []


def test_one_image_is_not_taken_for_many(scorer: LoadedScorer, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    picture(1).save(file)
    data = file.read_bytes()
    expected = scorer.score(file)[0].score
    with file.open("rb") as opened:
        for one in (opened, io.BytesIO(data), bytearray(data), memoryview(data)):
            for _ in range(2):  # an open file is read from its beginning each time
                found = scorer.score(one)
                assert isinstance(found, Scores) and [r.score for r in found] == [expected]
    assert scorer.score(opened)[0].problem
    paths = scorer.score(np.array([str(file), "absent.jpg"]))
    assert [r.score for r in paths] == [expected, None]


def test_the_same_numbers_as_rank(
    scorer: LoadedScorer, scorer_parts: Scorer, tmp_path: Path
) -> None:
    files = []
    for seed in range(40):
        files.append(tmp_path / f"{seed}.jpg")
        exif = Image.Exif()
        exif[0x0112] = 1 + seed % 8
        picture(seed, (60 + seed, 50)).save(files[-1], exif=exif)
    ranked = ImageScorer(scorer_parts, FeatureCache(tmp_path / "cache")).score(files, skips=Skips())
    assert np.abs(np.asarray(scorer.score(files)) - ranked.scores).max() < 1e-5
    opened = scorer.score([Image.open(file) for file in files])
    assert np.abs(np.asarray(opened) - ranked.scores).max() < 1e-5


def test_a_bad_image_is_a_record_and_fails_no_other(scorer: LoadedScorer, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "page.jpg").write_text("<html>")
    frames = io.BytesIO()
    picture(0).save(frames, "GIF", save_all=True, append_images=[picture(1), picture(2)])
    bad = [
        tmp_path / "cut.png",
        tmp_path / "page.jpg",
        tmp_path / "absent.jpg",
        tmp_path,
        b"",
        frames.getvalue(),
        Image.open(io.BytesIO(frames.getvalue())),
        np.zeros((3, 30, 30), np.uint8),
        np.full((30, 30, 3), 7.5),
        np.full((30, 30, 3), np.nan),
        np.zeros((30, 30, 3), np.int64),
        np.zeros((0, 30, 3), np.uint8),
        Image.new("RGB", (0, 9)),
        "a\0.jpg",
        "",
        tmp_path / "pipe.jpg",
        "/dev/zero",
        io.StringIO("text"),
        torch.zeros(30, 30, 3),
        [[0, 0], [0, 0]],
        None,
        7,
    ]
    os.mkfifo(tmp_path / "pipe.jpg")
    mixed = [thing for one in bad for thing in (one, picture(3))]
    found = scorer.score(mixed)
    for place, one in enumerate(found):
        if place % 2:
            assert one.score is not None and not one.problem
        else:
            assert one.score is None and one.percentile is None and one.problem, mixed[place]
    assert len(found.problems) == len(bad)
    assert np.isnan(np.asarray(found)[::2]).all()
    vectors = scorer.embed(mixed)
    assert np.isnan(vectors[::2]).all() and np.isfinite(vectors[1::2]).all()


def test_large_pictures_are_refused_before_decoding(folder: Path) -> None:
    small = load(folder, max_pixels=1000)
    found = small.score([picture(0, (50, 50)), picture(0, (20, 20)), np.zeros((9, 9), np.uint8)])
    assert [bool(one.problem) for one in found] == [True, False, False]
    assert "50" in found[0].problem


def test_an_iterator_streams(scorer: LoadedScorer) -> None:
    taken = 0

    def endless() -> Iterator[Image.Image]:
        nonlocal taken
        while True:
            taken += 1
            yield picture(taken % 5)

    stream = scorer.score(endless())
    first = [next(stream) for _ in range(70)]
    assert taken <= 70 + 2 * AHEAD and all(one.score is not None for one in first)
    assert [first[i].name for i in (0, 69)] == ["image 0", "image 69"]
    rows = scorer.embed(picture(i) for i in range(3))
    assert [row.shape for row in rows] == [(scorer.dim,)] * 3


def test_few_of_a_programs_images_are_held(
    scorer: LoadedScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, lock, held, most = threading.Event(), threading.Lock(), 0, 0
    prepare = scorer._prepare

    def slowly(image: np.ndarray, name: str) -> Prepared:
        nonlocal held
        gate.wait(20)
        with lock:
            held -= 1
        return prepare(image, name)

    def frames() -> Iterator[np.ndarray]:
        nonlocal held, most
        for number in range(3 * AHEAD):
            with lock:
                held, most = held + 1, max(most, held + 1)
            if number == WAITING:
                gate.set()  # nothing was decoded before
            yield np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(scorer, "_prepare", slowly)
    assert len(list(scorer.score(frames()))) == 3 * AHEAD
    assert most <= WAITING + 20  # and a few in the threads


def test_compare_is_a_probability(scorer: LoadedScorer) -> None:
    a, b = picture(1), picture(2)
    p = scorer.compare(a, b)
    scores = np.asarray(scorer.score([a, b]))
    assert p == pytest.approx(1 / (1 + np.exp(scores[1] - scores[0])))
    assert scorer.compare(b, a) == pytest.approx(1 - p)
    many = scorer.compare([a, b, b"x"], [b, a, a])
    assert many.shape == (3,) and many[0] == pytest.approx(p) and np.isnan(many[2])
    with pytest.raises(ImageError):
        scorer.compare(a, b"no image")
    with pytest.raises(ImageError):
        scorer.compare([a], [a, b])
    with pytest.raises(ImageError):
        scorer.score(7)


def test_only_logits_are_compared(scorer_parts: Scorer, tmp_path: Path) -> None:
    target = "interestingness.models.backbones.SceneClipBackbone"
    card = ScorerCard(
        "stars", "q", "stars", "stars", "", {"_target_": target, "weights": "embedded"}
    )
    other = load(save_scorer(tmp_path / "stars", scorer_parts, card))
    with pytest.raises(ConfigError):
        other.compare(picture(1), picture(2))


def test_vectors_score_as_their_images(scorer: LoadedScorer) -> None:
    images = [picture(i) for i in range(5)]
    vectors = scorer.embed(images)
    assert vectors.shape == (5, scorer.dim) and vectors.dtype == np.float32
    found = scorer.score_embeddings(vectors)
    assert np.abs(np.asarray(found) - np.asarray(scorer.score(images))).max() < 1e-6
    assert len(scorer.score_embeddings(vectors[0])) == 1
    tensors = torch.from_numpy(vectors).requires_grad_()
    assert np.array_equal(np.asarray(scorer.score_embeddings(tensors)), np.asarray(found))
    assert np.array_equal(np.asarray(scorer.score_embeddings(list(tensors))), np.asarray(found))
    assert scorer.score_embeddings(tensors.bfloat16())[0].score is not None
    for wrong in ([[1.0], [1.0, 2.0]], "abc", [["a"] * scorer.dim], np.ones((1, scorer.dim), "c8")):
        with pytest.raises(DataError):
            scorer.score_embeddings(wrong)
    vectors[2] = np.nan
    assert [bool(r.problem) for r in scorer.score_embeddings(vectors)] == [0, 0, 1, 0, 0]
    assert len(scorer.score_embeddings(np.empty((0, scorer.dim)))) == 0
    with pytest.raises(WeightsError):
        scorer.score_embeddings(np.zeros((2, scorer.dim + 1)))


def test_percentiles_are_among_the_reference(folder: Path) -> None:
    images = [picture(i) for i in range(4)]
    alone = load(folder).score(images)
    assert all(one.percentile is None for one in alone)
    scores = np.asarray(alone)
    placed = load(folder, reference=scores).score(images)
    order = np.argsort(scores)
    assert [placed[i].percentile for i in order] == [0.125, 0.375, 0.625, 0.875]


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        load(tmp_path / "nothing")


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ConfigError, match="device"):
        load(folder, device="gpu")
