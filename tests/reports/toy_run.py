"""What a run could have measured, drawn from a seed."""

from __future__ import annotations

import numpy as np

from interestingness.evaluation.evaluate import evaluate
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import Evaluation
from interestingness.labels.source import Labels
from interestingness.schema import Pairs


def toy_evaluation(images: int = 40, names: tuple[str, ...] = ()) -> Evaluation:
    """A model's scores drawn from a seed against three references; one of them cannot be read."""
    rng = np.random.default_rng(8)
    ids = [*names, *(f"image {i:04d}.jpg" for i in range(images - len(names)))]
    score = rng.normal(size=images)
    score[: len(names)] = np.linspace(9, -9, len(names))  # all of them are shown
    draws = rng.integers(0, images, size=(min(6 * images, 4000), 2))
    draws = draws[draws[:, 0] != draws[:, 1]]
    pairs, _, _ = Pairs.from_ids([ids[i] for i in draws[:, 0]], [ids[i] for i in draws[:, 1]], ids)
    margin = score[pairs.left] - score[pairs.right]
    share = np.round(5 / (1 + np.exp(-margin + rng.normal(size=len(pairs))))) / 5
    labels = Labels(share, np.ones(len(pairs)), np.maximum(share, 1 - share))
    references = {
        "human": Reference.of(labels, pairs),
        "grade": Reference.of(labels, pairs, image_scores=score, learnt=True),
        "gpt4o": Reference(None, reason="no votes; run `interestingness annotate` <now>"),
    }
    return evaluate(score, pairs, np.arange(len(pairs)), references, resamples=50)
