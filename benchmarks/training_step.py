"""A training step through the LightningModule against the same step in a bare loop.

    python benchmarks/training_step.py [--images 16] [--steps 4] [--rounds 5]

The model dominates: ViT-B/32 (random weights) encodes the distinct images of a batch, a linear head
scores them. Both arms share model, batch, optimiser and threads, and take turns; the median of the
rounds' ratios is printed (bar: at most 1.05).

tiny: --images 2 --steps 1 --rounds 1
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Iterator

import lightning as L
import torch
from torch.optim import Adam

from interestingness.assembly.fitting import quiet_lightning
from interestingness.data.batch import PairBatch
from interestingness.data.loader import EpochLoader
from interestingness.learning.learner import PreferenceLearner
from interestingness.learning.pair_losses import BradleyTerryLoss
from interestingness.models.backbones import OpenClipBackbone
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer


def one_batch(images: int) -> PairBatch:
    """Random pictures, as many pairs as images."""
    generator = torch.Generator().manual_seed(0)
    left = torch.arange(images)
    return PairBatch(
        images=torch.randn(images, 3, 224, 224, generator=generator),
        left=left,
        right=(left + 1) % images,
        preference=torch.rand(images, generator=generator),
        weight=torch.ones(images),
        row=left,
        normalizer=torch.tensor(float(images)),
    )


class Clock(L.Callback):
    """Seconds of all steps but the first."""

    def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        """Start when the second step begins."""
        if trainer.global_step == 1:
            self.began = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        """Stop when the last step has ended."""
        self.seconds = time.perf_counter() - self.began


def through_lightning(scorer: Scorer, batch: PairBatch, steps: int) -> float:
    """Seconds per step of a fit."""

    def batches(epoch: int, start: int) -> Iterator[PairBatch]:
        yield from [batch] * (steps + 1)

    clock = Clock()
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[clock],
    )
    learner = PreferenceLearner(scorer, optimizer=lambda p: Adam(p, lr=1e-3))
    trainer.fit(learner, EpochLoader(batches, steps + 1))
    return clock.seconds / steps


def bare(scorer: Scorer, batch: PairBatch, steps: int) -> float:
    """Seconds per step of the same mathematics in a loop."""
    scorer.train()
    optimizer = Adam([p for p in scorer.parameters() if p.requires_grad], lr=1e-3)
    criterion, began = BradleyTerryLoss(), 0.0
    for step in range(steps + 1):
        if step == 1:
            began = time.perf_counter()
        scores = scorer(batch.images)
        left, right = scores[batch.left], scores[batch.right]
        loss = criterion(left, right, batch.preference, batch.weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - began) / steps


def main() -> None:
    """Take turns and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    quiet_lightning()
    backbone = OpenClipBackbone(
        "ViT-B-32-quickgelu", pretrained="openai", weights="random", licence="none"
    )
    scorer = Scorer(backbone, FeatureScaler("none", backbone.dim), LinearHead(backbone.dim))
    batch = one_batch(arguments.images)
    rows = []
    for turn in range(arguments.rounds):
        arms = [through_lightning, bare] if turn % 2 == 0 else [bare, through_lightning]
        taken = {arm: arm(scorer, batch, arguments.steps) for arm in arms}
        rows.append((taken[through_lightning], taken[bare]))
        print(
            f"round {turn + 1}: learner {rows[-1][0]:.3f} s, bare {rows[-1][1]:.3f} s", flush=True
        )
    ratios = [ours / theirs for ours, theirs in rows]
    print(
        f"{arguments.images} images a batch, {torch.get_num_threads()} threads: "
        f"learner / bare = {statistics.median(ratios):.3f} "
        f"(rounds {min(ratios):.3f} to {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
