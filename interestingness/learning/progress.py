"""One line of progress for a whole fit."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar

from interestingness.progress import ProgressLine


class FitProgress(ProgressBar):
    """Shows epoch, step, seconds left, loss and accuracy on one line that is overwritten."""

    def __init__(self) -> None:
        """Show nothing until training starts."""
        super().__init__()
        self._line = ProgressLine()
        self._enabled = True

    def disable(self) -> None:
        """Print nothing; Lightning calls this in all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Print again."""
        self._enabled = True

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Remember the time and step at the start; a resumed run starts at a later step."""
        self._began, self._first = time.monotonic(), trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Update the line."""
        if self._enabled and self._line.due():
            self._line.write(self._text(trainer))

    def on_train_end(self, *_: Any) -> None:
        """Clear the line before the table of results is printed."""
        self._line.close()

    def _text(self, trainer: L.Trainer) -> str:
        total, step = int(trainer.estimated_stepping_batches), trainer.global_step
        taken = time.monotonic() - self._began
        left = (total - step) * taken / max(step - self._first, 1)
        known = {k: float(v) for k, v in trainer.callback_metrics.items()}
        shown = [k for k in known if k.endswith(("loss", "accuracy"))]
        numbers = "  ".join(f"{name} {known[name]:.3f}" for name in shown)
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        return f"{epoch}  step {step}/{total}  {left:.0f} s left  {numbers}"
