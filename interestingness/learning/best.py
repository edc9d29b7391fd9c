"""Checkpoint of the best epoch, kept when a run is resumed in another folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from interestingness.disk import appearing

NAME = "best.ckpt"


class BestCheckpoint(ModelCheckpoint):
    """Lightning's callback, which on its own loses the best epoch if the folder has changed."""

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Copy the best checkpoint from the old folder, if it is still there."""
        then, now = Path(state_dict["best_model_path"]), Path(str(self.dirpath)) / NAME
        if then.is_file() and then != now:
            _copy(then, now)
            state_dict = {
                **state_dict,
                "dirpath": self.dirpath,
                "best_model_path": str(now),
                "kth_best_model_path": str(now),
                "best_k_models": {str(now): state_dict["best_model_score"]},
            }
        super().load_state_dict(state_dict)


@rank_zero_only
def _copy(then: Path, now: Path) -> None:
    with appearing(now) as part:
        shutil.copyfile(then, part)
