"""Translate errors of torch, Lightning and Hydra into ours, which name the option to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from hydra.errors import InstantiationException
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

from interestingness.assembly.model_keys import shows_config
from interestingness.errors import ConfigError, InterestingnessError

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
"""What a RuntimeError says when memory runs out on a CPU."""


@contextmanager
def translate_errors(cfg: DictConfig) -> Iterator[None]:
    """Turn errors about training options into one ConfigError; let other errors pass.

    Args:
        cfg: composed config, whose options the advice names.

    Raises:
        ConfigError: for values that a class, the optimiser or the trainer refuses, and when memory
            runs out.
    """
    try:
        yield
    except InterestingnessError:
        raise
    except InstantiationException as error:
        if isinstance(error.__cause__, InterestingnessError):
            raise error.__cause__ from None
        raise _refused(error.__cause__ or error, node=_place(error)) from None
    except MisconfigurationException as error:
        raise _refused(error) from None
    except ValueError as error:
        if not str(error).startswith("Invalid "):  # torch's optimisers
            raise
        raise _refused(error) from None
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise out_of_memory(cfg, error) from None
        if str(error).startswith("Invalid backend"):
            raise ConfigError(
                f"model.compile={cfg.model.get('compile')}: torch has no such backend",
                expected="a backend of torch.compile",
                todo="model.compile=inductor, or null",
            ) from None
        if "without overflow" not in str(error):  # torch's, about a Python number
            raise
        raise ConfigError(
            f"a step of the optimiser overflows float32 ({error})",
            expected="steps that float32 can hold",
            todo=f"a smaller optimizer.lr than {cfg.optimizer.get('lr')}",
        ) from None


def avoid_nan(cfg: DictConfig) -> str:
    """Suggest what to change when the loss is NaN: remedies that the config does not use yet."""
    ways = [f"lower the learning rate (optimizer.lr, now {cfg.optimizer.get('lr')})"]
    precision = str(cfg.trainer.get("precision"))
    if "16" in precision and precision != "bf16-mixed":
        # float16 has no number between 0 and 6e-8, so that Adam divides by zero
        ways.insert(0, f"more precision (trainer.precision=bf16-mixed or null, now {precision})")
    if cfg.trainer.get("gradient_clip_val") is None:
        ways.append("clip gradients (trainer.gradient_clip_val=1)")
    if "modalities" not in cfg.model and cfg.model.get("scaling") == "none":
        every = cfg.data.source != "shards"  # standardize needs all features beforehand
        more = ", or standardize" if every else ""
        ways.append(f"scale features (model.scaling=unit_sqrt_dim{more})")
    return ", or ".join([", ".join(ways[:-1]), ways[-1]] if len(ways) > 1 else ways)


def is_out_of_memory(error: BaseException) -> bool:
    """Check whether an error is about memory; on a CPU torch raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        saying in str(error).lower() for saying in OUT_OF_MEMORY
    )


def out_of_memory(cfg: DictConfig, error: BaseException) -> ConfigError:
    """Build the error for the user; it lists options not used yet, cheapest first."""
    size, so_far = int(cfg.data.batch_size), int(cfg.trainer.get("accumulate_grad_batches") or 1)
    options = []
    if cfg.trainer.get("precision") in (None, "32-true"):
        options.append("trainer.precision=bf16-mixed (half the activations)")
    if cfg.model.get("gradient_checkpointing") is False:
        options.append("model.gradient_checkpointing=true (slower, same result)")
    if size > 1:
        options.append(
            f"data.batch_size={size // 2} trainer.accumulate_grad_batches={2 * so_far} "
            "(the same pairs a step)"
        )
    if cfg.model.get("tuning"):
        options.append("model/tuning=lora or model/tuning=last_blocks (fewer optimiser states)")
    options.append("a smaller model/backbone")
    first = str(error).strip().splitlines()[0][:200]
    return ConfigError(
        f"out of memory with batches of {size} pairs ({first})",
        expected="a batch whose activations, weights and optimiser states fit",
        todo="; ".join(options),
    )


def _place(error: InstantiationException) -> str:
    """Read the node whose class refused its values from Hydra's message; else return ""."""
    last = str(error).strip().rpartition("\n")[2]
    return last.removeprefix("full_key: ") if last.startswith("full_key: ") else ""


def _refused(error: BaseException, *, node: str = "") -> ConfigError:
    said = str(error).strip().splitlines()
    if is_out_of_memory(error):
        return ConfigError(
            f"out of memory while the model is built ({said[0][:200]})",
            expected="layers that fit in memory",
            todo="smaller numbers in model.head and model.backbone: model.head.hidden=256",
        )
    found = said[0] if said else type(error).__name__
    if node:
        return ConfigError(
            f"{node}: {found}",
            expected=f"values that its class takes ({type(error).__name__})",
            todo=f"look at {node} in `{shows_config()}`",
        )
    return ConfigError(
        found,
        expected="values that optimiser and trainer take",
        todo=f"look at optimizer, scheduler and trainer in `{shows_config()}`",
    )
