"""The LightningModule: a Siamese scorer that learns from preferences. The only file that knows
Lightning's module API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from interestingness.data.batch import PairBatch
from interestingness.errors import ConfigError, DataError, WeightsError
from interestingness.learning.metrics import GatheredScores, ImageScores, PairScores, pair_metrics
from interestingness.learning.pair_losses import BradleyTerryLoss, PairLoss, l2_penalty
from interestingness.learning.parameter_groups import ParameterGroups
from interestingness.learning.schedule import StepSchedule
from interestingness.models.scorer import Scorer
from interestingness.models.sharding import shard

SchedulerFactory = Callable[[Optimizer], LRScheduler]
OptimizerFactory = Callable[[Iterable[Any]], Optimizer]
CHECKPOINT_KEY = "interestingness"
SMALLER_STEPS = "lower the learning rate, clip gradients, or scale features"


def check_all_is_cut(loss: PairLoss, l2: float) -> None:
    """Refuse what ranks that each hold a part of the weights would compute differently.

    Raises:
        ConfigError: for L2, or a loss with parameters of its own.
    """
    if l2 > 0 or any(True for _ in loss.parameters()):
        raise ConfigError(
            f"trainer=fsdp with model.l2={l2:g} and {type(loss).__name__}",
            expected="model.l2=0, and a loss that learns nothing itself",
            todo="optimizer.weight_decay instead of L2, loss=bradley_terry; or trainer=ddp",
        )


class PreferenceLearner(L.LightningModule):
    """Scores both images of a pair with one scorer and learns from the difference.

    ``margin = score(left) - score(right)``; ``sigmoid(margin)`` is the predicted preference. An
    image that occurs in several pairs of a batch is scored once.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory | StepSchedule | None = None,
        groups: ParameterGroups | None = None,
        loss: PairLoss | None = None,
        l2: float = 0.0,
        record: Mapping[str, Any] | None = None,
        smaller_steps: str = SMALLER_STEPS,
    ) -> None:
        """Put the parts together.

        Args:
            scorer: image or feature → score in logits.
            optimizer: makes the optimiser from the trainable parameters, or from their groups.
            scheduler: makes the learning-rate schedule from the optimiser, stepped every epoch; a
                ``StepSchedule`` is stepped with the optimiser.
            groups: which parameter learns how fast; None treats all alike.
            loss: what is made small; None takes Bradley-Terry. It is logged as "objective";
                what is logged as "loss" is always Bradley-Terry's, so that runs can be compared.
            l2: strength of L2 on the head's weights, added to the mean loss as ``l2 / 2 * |w|²``.
            record: plain values kept in every checkpoint (the effective config).
            smaller_steps: what to do about a loss that is no number, for messages.
        """
        super().__init__()
        self.scorer = scorer
        self._make_optimizer = optimizer
        self._make_scheduler = scheduler
        self._groups = groups
        self.loss = BradleyTerryLoss() if loss is None else loss
        self.l2 = l2
        self.record = dict(record or {})
        self._smaller_steps = smaller_steps
        self.train_scores = PairScores()
        self.validation_scores = PairScores()
        self.test_scores = ImageScores()

    def forward(self, images: Tensor) -> Tensor:
        """Scores in logits, shape (images,), of images (U, 3, H, W) or features (U, dim)."""
        return self.scorer(images)

    def configure_model(self) -> None:
        """Cut the scorer among ranks, where the strategy has laid out a mesh for that.

        Raises:
            ConfigError: for parts that would not be cut, and so differ between ranks.
        """
        if self.device_mesh is None:
            return
        check_all_is_cut(self.loss, self.l2)
        shard(self.scorer, self.device_mesh["data_parallel"])
        # What stays frozen is not in our checkpoints.
        self.strict_loading = False

    def on_train_start(self) -> None:
        """Ranks beside the first draw dropout of their own; weights are rank 0's everywhere."""
        if self.global_rank > 0:
            torch.manual_seed(hash((torch.initial_seed(), self.global_rank, self.global_step)))

    def training_step(self, batch: PairBatch, batch_index: int) -> Tensor:
        """Loss of one batch; its gradient, averaged over ranks, is that of the global batch."""
        if batch_index == 0:  # else the epoch may be one that was resumed in its middle
            self.train_scores.reset()
        scores = self.scorer(batch.images)
        left, right = scores[batch.left], scores[batch.right]
        loss: Tensor = self.loss(left, right, batch.preference, batch.weight, batch.normalizer)
        if self.l2 > 0:
            loss = loss + l2_penalty(self.scorer.head_weights(), self.l2)
        if not torch.isfinite(loss):
            raise self._not_finite(loss, scores, batch, batch_index)
        self.train_scores.update(
            batch.row, left.detach(), right.detach(), batch.preference, batch.weight
        )
        return loss

    def _not_finite(
        self, loss: Tensor, scores: Tensor, batch: PairBatch, batch_index: int
    ) -> DataError:
        bad = ~torch.isfinite(scores)
        rows = batch.row[bad[batch.left] | bad[batch.right]].tolist()
        where = f"; first pairs concerned: rows {rows[:3]}" if rows else ""
        return DataError(
            f"the loss is {loss.item()} in epoch {self.current_epoch}, batch {batch_index} "
            f"(step {self.global_step}): {int(bad.sum())} of {len(scores)} scores are not finite"
            f"{where}",
            expected="a finite number",
            todo=f"{self._smaller_steps}; the last good checkpoint, where an epoch was finished, "
            "is kept",
        )

    def validation_step(self, batch: PairBatch, batch_index: int) -> None:
        """Collect scores of pairs; no collective runs here."""
        scores = self.scorer(batch.images)
        self.validation_scores.update(
            batch.row, scores[batch.left], scores[batch.right], batch.preference, batch.weight
        )

    def test_step(self, batch: PairBatch, batch_index: int) -> None:
        """Collect scores of images; no collective runs here."""
        scores = self.scorer(batch.images)
        self.test_scores.update(batch.row, batch.left, batch.right, scores)

    def on_train_epoch_end(self) -> None:
        """Log the mean loss and accuracy over the epoch's batches as they were seen."""
        self._log("train", self.train_scores)

    def on_validation_epoch_end(self) -> None:
        """Log loss and accuracy, each pair counted once."""
        self._log("validation", self.validation_scores)

    def on_test_epoch_end(self) -> None:
        """Gather all ranks' scores, so that every rank holds all of them."""
        self.gathered_test_scores: GatheredScores = self.test_scores.compute()
        self.test_scores.reset()

    def _log(self, side: str, metric: PairScores) -> None:
        scores = metric.compute()
        metric.reset()
        found = {**pair_metrics(scores), "objective": self._objective(scores)}
        # Equal on all ranks already; Lightning warns unless it may average them.
        self.log_dict({f"{side}/{name}": v for name, v in found.items()}, sync_dist=True)

    def _objective(self, scores: GatheredScores) -> float:
        """The run's own loss over the pairs with a preference, L2 left out; NaN without any."""
        judged = scores["weight"] > 0
        if not judged.any():
            return float("nan")
        names = ("left", "right", "preference", "weight")
        columns = (torch.from_numpy(scores[name][judged]).to(self.device) for name in names)
        with torch.no_grad():
            return float(self.loss(*columns))

    def configure_optimizers(self) -> Any:
        """Optimiser over trainable parameters, with the schedule if there is one."""
        if self._groups is None:
            optimizer = self._make_optimizer([p for p in self.parameters() if p.requires_grad])
        else:
            optimizer = self._make_optimizer(self._groups.of(self.scorer, self.loss))
            for group in optimizer.param_groups:
                group["lr"] *= group["lr_scale"]
        if self._make_scheduler is None:
            return optimizer
        if not isinstance(self._make_scheduler, StepSchedule):
            return {"optimizer": optimizer, "lr_scheduler": self._make_scheduler(optimizer)}
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = self._make_scheduler.of(optimizer, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is needed to rebuild the scorer from plain values, and nothing frozen.

        All ranks are here: those of an unfinished epoch's scores are gathered.
        """
        state = checkpoint["state_dict"]
        for name in self.scorer.frozen_names(prefix="scorer."):
            state.pop(name, None)
        broken = [n for n, t in state.items() if not bool(torch.isfinite(t).all())]
        if broken:
            # A finite loss may have an infinite gradient: the file before this one is the good one.
            raise DataError(
                f"{len(broken)} weights are not finite at the end of epoch {self.current_epoch}, "
                f"step {self.global_step}: {broken[0]}, …",
                expected="finite weights",
                todo=f"{self._smaller_steps}; the last good checkpoint, if there is one, is kept",
            )
        checkpoint[CHECKPOINT_KEY] = {
            "scorer": self.scorer.spec(),
            "l2": self.l2,
            "record": self.record,
            "epoch": self.train_scores.gathered(),
        }
        checkpoint["rng"] = {"torch": torch.get_rng_state()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse another model's checkpoint; put back frozen parts, the epoch, the random state."""
        own = checkpoint.get(CHECKPOINT_KEY)
        if own is None:
            raise WeightsError(
                "the checkpoint was not written by interestingness",
                expected="a checkpoint of `python train.py`",
                todo="name a run folder or a file of its checkpoints/",
            )
        self.scorer.check_spec(own["scorer"])
        state, loaded = self.state_dict(), checkpoint.get("state_dict")
        if loaded is not None:  # a strategy that cuts weights has loaded them itself
            loaded.update({n: state[n] for n in self.scorer.frozen_names(prefix="scorer.")})
        # The same on every rank: a pair that several hold counts once.
        self.train_scores.restore(own.get("epoch") or {})
        torch.set_rng_state(checkpoint["rng"]["torch"])
