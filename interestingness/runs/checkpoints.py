"""Read checkpoints of ours as plain values and tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from interestingness.errors import WeightsError
from interestingness.learning.learner import CHECKPOINT_KEY
from interestingness.runs.renamed import with_new_names


def load_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint of ours without running any code that it may contain.

    Raises:
        WeightsError: for a damaged file, a pickle with code, or a third-party checkpoint.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if first.startswith("Weights only load failed"):  # torch adds advice on how to run the code
            first = "it holds objects other than tensors and plain values"
        raise WeightsError(
            f"{file}: cannot be read as a checkpoint ({first})",
            expected="a checkpoint of `python train.py`, tensors and plain values only",
            todo="name another file; pickles that carry code are never run",
        ) from None
    if not isinstance(checkpoint, dict) or CHECKPOINT_KEY not in checkpoint:
        raise WeightsError(
            f"{file}: was not written by interestingness",
            expected="a checkpoint of `python train.py`",
            todo="name a run folder below runs/, or a file of its checkpoints/",
        )
    own = checkpoint[CHECKPOINT_KEY]
    return {**checkpoint, CHECKPOINT_KEY: {**own, "record": with_new_names(own.get("record"))}}
