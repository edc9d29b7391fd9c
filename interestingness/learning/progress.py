"""One line of progress for a whole fit."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar

EVERY_S = 0.2
EVERY_S_LOG = 15.0


class FitProgress(ProgressBar):
    """Epoch, batch, loss, accuracy and time left on one line that is written over.

    Where output is no terminal (a log file, a sweep's job), a line every quarter of a minute.
    """

    def __init__(self) -> None:
        """Off until the fit starts."""
        super().__init__()
        self._enabled = True
        self._began = self._shown = 0.0

    def disable(self) -> None:
        """Called on ranks that do not print."""
        self._enabled = False

    def enable(self) -> None:
        """Called by Lightning's trainer."""
        self._enabled = True

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Remember when training began."""
        self._began = self._shown = time.monotonic()
        self._first = trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *arguments: Any
    ) -> None:
        """Show progress if the last line is old enough."""
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not self._enabled or now - self._shown < (EVERY_S if terminal else EVERY_S_LOG):
            return
        self._shown = now
        line = self._line(trainer, now)
        print(f"\r{line:<79}" if terminal else line, end="" if terminal else "\n", file=sys.stderr)

    def on_train_end(self, *_: Any) -> None:
        """Wipe the line: the table follows."""
        if self._enabled and sys.stderr.isatty():
            print("\r" + " " * 79 + "\r", end="", file=sys.stderr)

    def _line(self, trainer: L.Trainer, now: float) -> str:
        total = int(trainer.estimated_stepping_batches)
        done = trainer.global_step - self._first
        left = (total - trainer.global_step) * (now - self._began) / max(done, 1)
        numbers = {k: float(v) for k, v in trainer.callback_metrics.items()}
        shown = "  ".join(f"{k} {v:.3f}" for k, v in sorted(numbers.items()))
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        return f"{epoch}  step {trainer.global_step}/{total}  {left:.0f} s left  {shown}"[:79]
