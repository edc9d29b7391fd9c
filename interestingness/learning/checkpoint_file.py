"""Checkpoints that appear whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from typing_extensions import override

from interestingness.disk import appearing


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's, which write into the temporary folder first.

    Where that is on another disk, the file is then copied over the one that was, and a full disk
    leaves half of it.
    """

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write the file beside its place first.

        Raises:
            OSError: if it cannot be written; the file of before is as it was.
        """
        # torch's own writing to files says only that it failed, not why.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with appearing(Path(path)) as part:
            part.write_bytes(content.getbuffer())
