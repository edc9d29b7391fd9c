"""Which device computes: one rule for training, studies and commands."""

from __future__ import annotations

import torch


def device_for(accelerator: str | None = None) -> str:
    """The device of this process.

    Args:
        accelerator: the config's ``trainer.accelerator``; None where a command has no trainer.

    Returns:
        "cuda" where torch finds a GPU and the accelerator is not "cpu", else "cpu".
    """
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
