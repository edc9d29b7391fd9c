"""Space kept for the worst moment: a file that is given up when the disk is full.

Requests that are on their way when the disk fills up have been paid for. Their answers must still
be written, so some room is taken in advance and released at that moment.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from interestingness.annotators.ledger.errors import LedgerStorageError

FREE_FACTOR = 3  # new requests stop when less than this many ballasts are free


class Ballast:
    """``<ledger>.ballast``, allocated for real (no hole in the file)."""

    def __init__(self, ledger: Path, size: int) -> None:
        """Allocate.

        Args:
            ledger: file that is protected; the ballast lies on the same disk.
            size: bytes; at least the concurrency times 64 KiB.

        Raises:
            LedgerStorageError: there is no room for it.
        """
        self.path, self.size = ledger.with_name(ledger.name + ".ballast"), size
        self.path.unlink(missing_ok=True)
        if self.scarce():
            raise LedgerStorageError(
                f"{ledger.parent}: {self._free():,} bytes free",
                expected=f"at least {FREE_FACTOR * size:,}, so that no paid answer can be lost",
                todo="free some space, or keep the ledger on another disk",
            )
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for start in range(0, size, 1 << 20):
                # random bytes: a compressing file system would give no room for zeros
                os.write(handle, os.urandom(min(1 << 20, size - start)))
            os.fsync(handle)
        finally:
            os.close(handle)

    def scarce(self) -> bool:
        """Whether too little is free beside the ballast for new requests."""
        return self._free() < FREE_FACTOR * self.size

    def release(self) -> bool:
        """Give the room up; whether there was any."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True

    def _free(self) -> int:
        return shutil.disk_usage(self.path.parent).free
