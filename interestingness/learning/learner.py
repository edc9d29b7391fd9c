"""The LightningModule: one scorer for both images of a pair, trained on preferences.

No other file uses Lightning's module API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from interestingness.data.batch import PairBatch
from interestingness.errors import ConfigError, WeightsError
from interestingness.learning.convergence import Convergence
from interestingness.learning.metrics import GatheredScores, ImageScores, PairScores, pair_metrics
from interestingness.learning.not_finite import SMALLER_STEPS, check_loss, check_weights
from interestingness.learning.optimum import HeadProblem, Optimum
from interestingness.learning.pair_losses import BradleyTerryLoss, PairLoss, l2_penalty
from interestingness.learning.parameter_groups import ParameterGroups
from interestingness.learning.schedule import StepSchedule
from interestingness.models.scorer import Scorer
from interestingness.models.sharding import shard

SchedulerFactory = Callable[[Optimizer], LRScheduler]
OptimizerFactory = Callable[[Iterable[Any]], Optimizer]
CHECKPOINT_KEY = "interestingness"


def check_shardable(loss: PairLoss, l2: float) -> None:
    """Refuse options that give wrong gradients where each process holds a part of the weights.

    Raises:
        ConfigError: for L2, or a loss with parameters of its own.
    """
    if l2 > 0 or any(True for _ in loss.parameters()):
        raise ConfigError(
            f"trainer=fsdp with model.l2={l2:g} and {type(loss).__name__}",
            expected="model.l2=0, and a loss without parameters of its own",
            todo="optimizer.weight_decay instead of L2, loss=bradley_terry; or trainer=ddp",
        )


class PreferenceLearner(L.LightningModule):
    """Scores both images of a pair with one scorer and minimises a loss of the two scores.

    ``margin = score(left) - score(right)``; ``sigmoid(margin)`` is the predicted preference. An
    image that occurs in several pairs of a batch is scored once.

    The hooks by topic: ``configure_model`` shards the scorer, ``training_step`` computes the loss,
    ``configure_optimizers`` makes optimiser and schedule, ``on_save_checkpoint`` and
    ``on_load_checkpoint`` decide what a checkpoint holds.
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
        trained_images: str = "",
        smaller_steps: str = SMALLER_STEPS,
    ) -> None:
        """Put the parts together.

        Args:
            scorer: image or feature → score in logits.
            optimizer: makes the optimiser from the trainable parameters, or from their groups.
            scheduler: makes the learning-rate schedule from the optimiser, stepped every epoch; a
                ``StepSchedule`` is stepped with the optimiser.
            groups: learning rate and weight decay by parameter; None treats all alike.
            loss: the objective; None takes Bradley-Terry. It is logged as "objective", while
                "loss" is always that of Bradley-Terry, so that runs can be compared.
            l2: strength of L2 on the head's weights, added to the mean loss as ``l2 / 2 * |w|²``.
            record: plain values kept in every checkpoint (the effective config).
            trained_images: kept there too: which images train, by their content.
            smaller_steps: what the user can do about a NaN loss, for messages.
        """
        super().__init__()
        self.scorer = scorer
        self._make_optimizer = optimizer
        self._make_scheduler = scheduler
        self._groups = groups
        self.loss = BradleyTerryLoss() if loss is None else loss
        self.l2 = l2
        self.record = dict(record or {})
        self._trained_images = trained_images
        self._smaller_steps = smaller_steps
        self.train_scores = PairScores()
        self.validation_scores = PairScores()
        self.test_scores = ImageScores()
        self.objectives: list[float] = []
        self._optimum: Optimum | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Scores in logits, shape (images,), of images (U, 3, H, W) or features (U, dim)."""
        return self.scorer(images)

    def configure_model(self) -> None:
        """Shard the scorer over processes if the strategy has a device mesh (FSDP).

        Raises:
            ConfigError: for L2, or a loss with parameters, which FSDP would not shard.
        """
        if self.device_mesh is None:
            return
        shard(self.scorer, self.device_mesh["data_parallel"])  # refuses cached features
        check_shardable(self.loss, self.l2)
        # Our checkpoints leave out frozen weights.
        self.strict_loading = False

    def on_train_start(self) -> None:
        """Seed dropout differently in each process; initial weights are those of the first."""
        if self.global_rank > 0:
            torch.manual_seed(hash((torch.initial_seed(), self.global_rank, self.global_step)))

    def training_step(self, batch: PairBatch, batch_index: int) -> Tensor:
        """Loss of one batch; its gradient, averaged over processes, is that of the global batch."""
        if batch_index == 0:  # not after a resume in the middle of an epoch
            self.train_scores.reset()
        if self._optimum is not None:
            self._optimum.problem = partial(self._head_problem, batch)
        scores = self.scorer(batch.images)
        left, right = scores[batch.left], scores[batch.right]
        loss: Tensor = self.loss(left, right, batch.preference, batch.weight, batch.normalizer)
        if self.l2 > 0:
            loss = loss + l2_penalty(self.scorer.head_weights(), self.l2)
        where = f"epoch {self.current_epoch}, batch {batch_index} (step {self.global_step})"
        check_loss(loss, scores, batch, where=where, todo=self._smaller_steps)
        self.train_scores.update(
            batch.row, left.detach(), right.detach(), batch.preference, batch.weight
        )
        return loss

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
        """Log loss and accuracy over the epoch, each batch with the weights it was trained with."""
        self.objectives.append(self._log("train", self.train_scores))

    def on_validation_epoch_end(self) -> None:
        """Log loss and accuracy, each pair counted once."""
        self._log("validation", self.validation_scores)

    def on_test_epoch_end(self) -> None:
        """Gather the scores of all processes in every process."""
        self.gathered_test_scores: GatheredScores = self.test_scores.compute()
        self.test_scores.reset()

    def convergence(self) -> Convergence:
        """How the fit ended."""
        solved = self._optimum
        if solved is None:
            return Convergence(self.objectives)
        return Convergence(self.objectives, solved.gradient, solved.tolerance, solved.unbounded)

    def _head_problem(self, batch: PairBatch) -> HeadProblem:
        """The problem of the head on all training pairs; features are cached ones."""
        features = self.scorer.scaler(batch.images)
        return HeadProblem.of(self.scorer.head, self.loss, features, batch, self.l2)

    def _log(self, part: str, metric: PairScores) -> float:
        scores = metric.compute()
        metric.reset()
        found = {**pair_metrics(scores), "objective": self._objective(scores)}
        # All processes have the same numbers; Lightning warns unless it may average them.
        self.log_dict({f"{part}/{name}": v for name, v in found.items()}, sync_dist=True)
        return found["objective"]

    def _objective(self, scores: GatheredScores) -> float:
        """The run's own loss without L2 over the pairs with a preference; NaN without any."""
        known = scores["weight"] > 0
        if not known.any():
            return float("nan")
        names = ("left", "right", "preference", "weight")
        columns = (torch.from_numpy(scores[name][known]).to(self.device) for name in names)
        with torch.no_grad():
            return float(self.loss(*columns))

    def configure_optimizers(self) -> Any:
        """Make the optimiser over trainable parameters, and the schedule if there is one."""
        if self._groups is None:
            optimizer = self._make_optimizer([p for p in self.parameters() if p.requires_grad])
        else:
            optimizer = self._make_optimizer(self._groups.of(self.scorer, self.loss))
            for group in optimizer.param_groups:
                group["lr"] *= group["lr_scale"]
        self._optimum = optimizer if isinstance(optimizer, Optimum) else None
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
        """Keep plain values that rebuild the scorer; leave out frozen weights.

        Every process must call this: the scores of an unfinished epoch are gathered.

        Raises:
            DataError: if a weight is NaN or infinite.
        """
        state = checkpoint["state_dict"]
        for name in self.scorer.frozen_names(prefix="scorer."):
            state.pop(name, None)
        where = f"epoch {self.current_epoch}, step {self.global_step}"
        check_weights(state, where=where, todo=self._smaller_steps)
        checkpoint[CHECKPOINT_KEY] = {
            "scorer": self.scorer.spec(),
            "l2": self.l2,
            "record": self.record,
            "trained_images": self._trained_images,
            "epoch": self.train_scores.gathered(),
        }
        checkpoint["rng"] = {"torch": torch.get_rng_state()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse another model's checkpoint; restore frozen weights, epoch and random state.

        Raises:
            WeightsError: for a checkpoint of another program or another scorer.
        """
        own = checkpoint.get(CHECKPOINT_KEY)
        if own is None:
            raise WeightsError(
                "the checkpoint was not written by interestingness",
                expected="a checkpoint of `python train.py`",
                todo="name a run folder or a file of its checkpoints/",
            )
        self.scorer.check_spec(own["scorer"])
        state, loaded = self.state_dict(), checkpoint.get("state_dict")
        if loaded is not None:  # FSDP's strategy has loaded sharded weights itself
            loaded.update({n: state[n] for n in self.scorer.frozen_names(prefix="scorer.")})
        # Every process restores all pairs; a pair that several hold counts once.
        self.train_scores.restore(own.get("epoch") or {})
        torch.set_rng_state(checkpoint["rng"]["torch"])
