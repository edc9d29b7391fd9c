"""When memory is not enough: which options help, in the order in which they cost least."""

from __future__ import annotations

import torch
from omegaconf import DictConfig

from interestingness.errors import ConfigError

_SAYINGS = ("out of memory", "not enough memory", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is about memory; on CPU torch raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        saying in str(error).lower() for saying in _SAYINGS
    )


def out_of_memory(cfg: DictConfig, error: BaseException) -> ConfigError:
    """The error for the user, with the options that this run has not used up yet."""
    size, so_far = int(cfg.data.batch_size), int(cfg.trainer.get("accumulate_grad_batches") or 1)
    knobs = []
    if cfg.trainer.get("precision") in (None, "32-true"):
        knobs.append("trainer.precision=bf16-mixed (half the activations)")
    if cfg.model.get("gradient_checkpointing") is False:
        knobs.append("model.gradient_checkpointing=true (slower, same result)")
    if size > 1:
        knobs.append(
            f"data.batch_size={size // 2} trainer.accumulate_grad_batches={2 * so_far} "
            "(the same pairs a step)"
        )
    if cfg.model.get("tuning"):
        knobs.append("model/tuning=lora or model/tuning=last_blocks (fewer optimiser states)")
    knobs.append("a smaller model/backbone")
    first = str(error).strip().splitlines()[0][:200]
    return ConfigError(
        f"memory is not enough for batches of {size} pairs ({first})",
        expected="a batch whose activations, weights and optimiser states fit",
        todo="; ".join(knobs),
    )
