"""A run's content to report on: synthetic scores, plain pictures, and hostile texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interestingness.labels.source import Labels
from interestingness.learning.evaluation import evaluate
from interestingness.learning.reference import Reference
from interestingness.reports.description import RunDescription
from interestingness.reports.page import PageContent
from interestingness.reports.reasons import Reason
from interestingness.schema import Pairs

HOSTILE = (
    "<script>alert(1)</script>.jpg",
    '"onerror=alert(1) x=".png',
    "</figure></main>{{ 7 * 7 }}.jpg",
    "a" * 230 + ".jpg",
    "🙂 фото 写真.jpg",
    "line\nbreak.jpg",
)
MakeContent = Callable[..., PageContent]


@pytest.fixture(scope="session")
def hostile_names() -> tuple[str, ...]:
    """File names that would break a careless page."""
    return HOSTILE


def picture(image_id: str) -> Image.Image | None:
    """A plain picture whose colour depends on the id."""
    shade = sum(image_id.encode()) % 256
    return Image.new("RGB", (64, 48), (shade, 90, 255 - shade))


@pytest.fixture(scope="session")
def make_content() -> MakeContent:
    """Page content over synthetic scores; names of images may be given."""

    def make(images: int = 40, names: tuple[str, ...] = (), **changes: Any) -> PageContent:
        rng = np.random.default_rng(8)
        ids = [*names, *(f"image {i:04d}.jpg" for i in range(images - len(names)))]
        score = rng.normal(size=images)
        score[: len(names)] = np.linspace(9, -9, len(names))  # all of them are shown
        draws = rng.integers(0, images, size=(min(6 * images, 4000), 2))
        draws = draws[draws[:, 0] != draws[:, 1]]
        pairs, _, _ = Pairs.from_ids(
            [ids[i] for i in draws[:, 0]], [ids[i] for i in draws[:, 1]], ids
        )
        margin = score[pairs.left] - score[pairs.right]
        share = np.round(5 / (1 + np.exp(-margin + rng.normal(size=len(pairs))))) / 5
        labels = Labels(share, np.ones(len(pairs)), np.maximum(share, 1 - share))
        references = {
            "human": Reference.of(labels, pairs),
            "grade": Reference.of(labels, pairs, image_scores=score, learnt=True),
            "gpt4o": Reference(None, reason="no votes; run `interestingness annotate` <now>"),
        }
        evaluation = evaluate(score, pairs, np.arange(len(pairs)), references, resamples=50)
        values: dict[str, Any] = {
            "title": "human on toys",
            "run": RunDescription("toys: 40 images", "human", "linear", "none", "by image"),
            "evaluation": evaluation,
            "thumbnail": picture,
            "reasons": {
                m.pair_id: [Reason("person 1", "left", "warm light")] for m in evaluation.mistakes
            },
            "skipped": [("broken.jpg", "truncated")],
            "settings": {"optimizer": {"lr": 0.001}, "seed": 0},
        }
        return PageContent(**{**values, **changes})

    return make
