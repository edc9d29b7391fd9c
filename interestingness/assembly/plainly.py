"""What torch, Lightning and Hydra say of values that cannot be, in a user's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import InstantiationException
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

from interestingness.assembly.memory import is_out_of_memory, out_of_memory
from interestingness.errors import ConfigError, InterestingnessError


@contextmanager
def plainly(cfg: DictConfig) -> Iterator[None]:
    """Turn what training raises about its options into one error; anything else passes."""
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
                f"model.compile={cfg.model.get('compile')}: torch knows no such backend",
                expected="a backend of torch.compile",
                todo="model.compile=inductor, or null",
            ) from None
        if "without overflow" not in str(error):  # torch's, of a Python number
            raise
        raise ConfigError(
            f"a step of the optimiser is too large for its numbers ({error})",
            expected="steps that float32 can hold",
            todo=f"a smaller optimizer.lr than {cfg.optimizer.get('lr')}",
        ) from None


def check_numbers(cfg: DictConfig) -> None:
    """Refuse numbers of the trainer that Lightning takes and cannot mean.

    Raises:
        ConfigError: naming the option.
    """
    batches, longest = (
        cfg.trainer.get(n) for n in ("accumulate_grad_batches", "gradient_clip_val")
    )
    if batches is not None and batches < 1:
        raise ConfigError(
            f"trainer.accumulate_grad_batches={batches}",
            expected="a number of batches, 1 or more",
            todo="leave it at 1",
        )
    if longest is not None and not longest > 0:
        raise ConfigError(
            f"trainer.gradient_clip_val={longest}",
            expected="a length above 0, or null for none",
            todo="trainer.gradient_clip_val=1",
        )


def _place(error: InstantiationException) -> str:
    """The node whose class refused its values, as Hydra's message names it; else ""."""
    last = str(error).strip().rpartition("\n")[2]
    return last.removeprefix("full_key: ") if last.startswith("full_key: ") else ""


def _refused(error: BaseException, *, node: str = "") -> ConfigError:
    said = str(error).strip().splitlines()
    if is_out_of_memory(error):
        return ConfigError(
            f"memory is not enough to build the model ({said[0][:200]})",
            expected="layers that fit in memory",
            todo="smaller numbers in model.head and model.backbone: model.head.hidden=256",
        )
    found = said[0] if said else type(error).__name__
    if node:
        return ConfigError(
            f"{node}: {found}",
            expected=f"values that its class takes ({type(error).__name__})",
            todo=f"look at {node} in `python train.py --cfg job`",
        )
    return ConfigError(
        found,
        expected="values that optimiser and trainer take",
        todo="look at optimizer, scheduler and trainer in `python train.py --cfg job`",
    )
