"""Do the patches of `interestingness explain` find the subject of a synthetic scene?

    python benchmarks/explaining.py [--scenes 200]

The target is known: a head learns "is there a cat?" (and so on, for every subject) from the
features of the small CLIP, a ridge on 1,000 scenes, so that patches of the subject should raise the
score of scenes that have one. The subject's pixels are known exactly: a scene painted again with
another body colour differs there alone. A hit is a cell of largest effect that covers subject
pixels; chance is the share of cells that do. Printed with a 95 % interval over scenes, beside a
head of the same weights in random order. Covering the subject changes features most, so that such a
head finds it more often than chance, too; its maps must not agree with the learnt ones.

Scenes are SYNTHETIC; photographs have no planted subject.

tiny: --scenes 4 --learn 60
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import Ridge

from interestingness.datasets.synthetic.draw import draw
from interestingness.datasets.synthetic.scenes import POPULATION, SUBJECTS, Scene, synthetic_scenes
from interestingness.explaining.patches import GRID, occlusion, rank_correlation
from interestingness.models.backbones import SceneClipBackbone


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--learn", type=int, default=1000, help="scenes that the head learns from")
    options = parser.parse_args()
    backbone = SceneClipBackbone(weights="embedded")
    learnt = list(synthetic_scenes(1, options.learn))
    features = encode(backbone, [draw(scene) for scene in learnt])
    heads = {
        subject: Ridge(alpha=10.0).fit(features, [scene.subject == subject for scene in learnt])
        for subject in SUBJECTS
    }
    rng = np.random.default_rng(0)
    hits, random_hits, chances, agreement = [], [], [], []
    for scene in synthetic_scenes(2, options.scenes):
        pixels = backbone.transform.pixels(draw(scene))
        covered = cells(subject_pixels(backbone, scene))
        if not covered.any():
            continue
        weights = heads[scene.subject].coef_
        planted = occlusion(lambda some: score(backbone, some, weights), pixels)  # noqa: B023
        noise = rng.permutation(weights)
        blind = occlusion(lambda some: score(backbone, some, noise), pixels)  # noqa: B023
        hits.append(covered.ravel()[planted.effect.argmax()])
        random_hits.append(covered.ravel()[blind.effect.argmax()])
        chances.append(covered.mean())
        agreement.append(rank_correlation(planted.effect, blind.effect))
    print(f"{len(hits)} synthetic scenes, {GRID} x {GRID} cells")
    for name, found in (("learnt head", hits), ("random head", random_hits)):
        gain = np.asarray(found, dtype=float) - np.asarray(chances)
        reach = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
        print(
            f"{name}: the strongest cell is on the subject in {100 * np.mean(found):.1f} %; chance "
            f"{100 * np.mean(chances):.1f} %; difference {100 * gain.mean():+.1f} "
            f"[{100 * (gain.mean() - reach):+.1f}, {100 * (gain.mean() + reach):+.1f}]"
        )
    print(f"maps of the two heads agree by {np.mean(agreement):+.2f} (Spearman over cells)")


def subject_pixels(backbone: SceneClipBackbone, scene: Scene) -> np.ndarray:
    """Where the network's picture shows the subject, shape (H, W)."""
    other = next(colour for colour in POPULATION["colour"] if colour != scene.colour)
    one, two = (
        backbone.transform.pixels(draw(s)).int() for s in (scene, replace(scene, colour=other))
    )
    changed: np.ndarray = ((one - two).abs().sum(dim=-1) > 30).numpy()
    return changed


def cells(mask: np.ndarray) -> np.ndarray:
    """Cells of which at least a tenth is subject."""
    rows = np.linspace(0, mask.shape[0], GRID + 1).round().astype(int)
    columns = np.linspace(0, mask.shape[1], GRID + 1).round().astype(int)
    return np.array(
        [
            [
                mask[rows[i] : rows[i + 1], columns[j] : columns[j + 1]].mean() > 0.1
                for j in range(GRID)
            ]
            for i in range(GRID)
        ]
    )


@torch.inference_mode()
def score(backbone: SceneClipBackbone, pixels: torch.Tensor, weights: np.ndarray) -> np.ndarray:
    """Scores of stacked pixels by a linear head."""
    found: np.ndarray = backbone(backbone.transform.normalise(pixels)).numpy() @ weights
    return found


@torch.inference_mode()
def encode(backbone: SceneClipBackbone, images: Sequence[Image.Image]) -> np.ndarray:
    """Features of pictures."""
    stacks = [backbone.transform.pixels(image) for image in images]
    parts = [
        backbone(backbone.transform.normalise(torch.stack(stacks[at : at + 64]))).numpy()
        for at in range(0, len(stacks), 64)
    ]
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
