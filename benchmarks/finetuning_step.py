"""Fine-tuning: our step against a bare loop, and pairs that share images against two passes.

    python benchmarks/finetuning_step.py [--rounds 3] [--steps 2] [--batches 64 128 256 512]

A small ViT with random weights is trained whole, so that it runs on two cores; ratios, not seconds,
are what carries over. Two questions, all arms of a round in turn, medians of the rounds' ratios:

1. The LightningModule's step against a bare loop with the same network, batch and optimiser
   (bar: at most 1.05).
2. Pairs per second when each distinct image of a batch is encoded once, against the usual loop that
   passes left images and right images through the network (bar: at least 1.3 at 512). Batches are
   drawn from 1,000 images in 2,500 pairs, five an image, as in the paper; the printed bound is
   2 * pairs / distinct images.

tiny: --rounds 1 --steps 1 --batches 4
"""

from __future__ import annotations

import argparse
import atexit
import json
import logging
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.optim import AdamW

from interestingness.assembly.fitting import quiet_lightning
from interestingness.data.batch import PairBatch
from interestingness.data.loader import EpochLoader
from interestingness.datasets.synthetic.graph import regular_pairs
from interestingness.learning.learner import PreferenceLearner
from interestingness.learning.pair_losses import BradleyTerryLoss
from interestingness.models.backbones import OpenClipBackbone
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.models.tuning import FullTuning, tune

IMAGES, DEGREE, SIZE = 1000, 5, 64


@cache
def architecture() -> str:
    """A file with the config of the small network, which nothing published has."""
    vision = {"image_size": SIZE, "layers": 4, "width": 128, "head_width": 32, "patch_size": 16}
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 1, "layers": 1}
    file = Path(tempfile.mkdtemp()) / "small-vit-64.json"
    config = {"embed_dim": 128, "vision_cfg": vision, "text_cfg": text}
    file.write_text(json.dumps(config))
    atexit.register(shutil.rmtree, file.parent)
    return str(file)


def trainable() -> Scorer:
    """The small network, opened whole."""
    backbone = OpenClipBackbone(architecture(), pretrained=None, weights="random:0", licence="none")
    tune(backbone, FullTuning())
    return Scorer(backbone, FeatureScaler("none", backbone.dim), LinearHead(backbone.dim))


def shared_batch(pairs: int, seed: int) -> PairBatch:
    """The first pairs of an epoch: distinct images once, pairs as rows into them."""
    rng = np.random.default_rng(seed)
    drawn = regular_pairs(IMAGES, DEGREE, rng)[:pairs]
    distinct, slots = np.unique(drawn, return_inverse=True)
    slots = torch.from_numpy(slots.reshape(drawn.shape))
    generator = torch.Generator().manual_seed(seed)
    return PairBatch(
        images=torch.randn(len(distinct), 3, SIZE, SIZE, generator=generator),
        left=slots[:, 0].contiguous(),
        right=slots[:, 1].contiguous(),
        preference=torch.rand(pairs, generator=generator),
        weight=torch.ones(pairs),
        row=torch.arange(pairs),
        normalizer=torch.tensor(float(pairs)),
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


def learner_step(batch: PairBatch, steps: int) -> float:
    """Seconds of a step of a fit."""

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
    learner = PreferenceLearner(trainable(), optimizer=lambda p: AdamW(p, lr=1e-5))
    trainer.fit(learner, EpochLoader(batches, steps + 1))
    return clock.seconds / steps


BothScores = Callable[[nn.Module], tuple[torch.Tensor, torch.Tensor]]


def one_pass(batch: PairBatch) -> BothScores:
    """Every distinct image through the network once."""

    def both(scorer: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        scores = scorer(batch.images)
        return scores[batch.left], scores[batch.right]

    return both


def two_passes(batch: PairBatch) -> BothScores:
    """The usual loop: left images of all pairs, then right ones, stacked beforehand."""
    left, right = batch.images[batch.left], batch.images[batch.right]
    return lambda scorer: (scorer(left), scorer(right))


def bare_step(both: BothScores, batch: PairBatch, steps: int) -> float:
    """Seconds of a step of a loop without a framework."""
    scorer = trainable().train()
    optimizer = AdamW([p for p in scorer.parameters() if p.requires_grad], lr=1e-5)
    criterion, began = BradleyTerryLoss(), 0.0
    for step in range(steps + 1):
        if step == 1:
            began = time.perf_counter()
        loss = criterion(*both(scorer), batch.preference, batch.weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - began) / steps


def in_turn(arms: list[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Seconds of each arm in each round; the order turns, so that drift falls on all alike."""
    rows = []
    for turn in range(rounds):
        order = range(len(arms)) if turn % 2 == 0 else reversed(range(len(arms)))
        taken = {at: arms[at]() for at in order}
        rows.append([taken[at] for at in range(len(arms))])
    return rows


def ratio(rows: list[list[float]], above: int, below: int) -> str:
    """Median and range of a ratio over rounds."""
    found = [row[above] / row[below] for row in rows]
    return f"{statistics.median(found):.3f} (rounds {min(found):.3f} to {max(found):.3f})"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128, 256, 512])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    quiet_lightning()
    steps = arguments.steps
    print(
        "ViT (4 blocks of 128, random weights), all of it trained, "
        f"{torch.get_num_threads()} threads"
    )
    for pairs in arguments.batches:
        batch = shared_batch(pairs, seed=pairs)
        bound = 2 * pairs / len(batch.images)
        arms = [
            lambda batch=batch: bare_step(two_passes(batch), batch, steps),
            lambda batch=batch: bare_step(one_pass(batch), batch, steps),
            lambda batch=batch: learner_step(batch, steps),
        ]
        rows = in_turn(arms, arguments.rounds)
        seconds = statistics.median(row[2] for row in rows)
        print(
            f"batch {pairs}: {len(batch.images)} distinct images, {pairs / seconds:.0f} pairs/s\n"
            f"  learner / bare loop          {ratio(rows, 2, 1)}\n"
            f"  two passes / learner         {ratio(rows, 0, 2)}, bound {bound:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
