"""Choose the device by one rule for training, studies and commands."""

from __future__ import annotations

import torch


def device_for(accelerator: str | None = None) -> str:
    """The device of this process.

    Args:
        accelerator: the config's ``trainer.accelerator``; None for a command without a trainer.

    Returns:
        "cuda" if torch finds a GPU and the accelerator is not "cpu", else "cpu".
    """
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
