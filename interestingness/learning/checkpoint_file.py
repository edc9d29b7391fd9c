"""Checkpoint files that are complete or absent, never half written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from typing_extensions import override

from interestingness.disk import appearing


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints beside their place and renames them.

    Lightning writes into the temporary folder. If that is on another disk, it then copies over the
    old checkpoint, and a full disk leaves half a file.
    """

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write the file.

        Raises:
            OSError: if it cannot be written; an earlier file is left unchanged.
        """
        # torch's own writing to files reports that it failed, but not why.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with appearing(Path(path)) as part:
            part.write_bytes(content.getbuffer())
