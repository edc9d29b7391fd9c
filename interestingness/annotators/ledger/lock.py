"""One writer: an ``flock`` beside the ledger, and no network disks, where locks do not hold.

The lock belongs to the open file, so it ends with the process however that dies; the file itself
stays and means nothing. Taking it comes before the ledger is looked at, also before it is created.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from interestingness.annotators.ledger.errors import LedgerBusyError, LedgerError

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "virtiofs"}
)
LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs"})


class Lock:
    """Holds ``<ledger>.lock`` until it is released or the process ends."""

    def __init__(self, ledger: Path) -> None:
        """Take the lock.

        Raises:
            LedgerBusyError: another process has it.
        """
        path = ledger.with_name(ledger.name + ".lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._file, 100, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise LedgerBusyError(
                f"{ledger}: another process writes to it{f' (process {owner})' * bool(owner)}",
                expected="one process at a time",
                todo="wait until it ends; `interestingness ledger status` works meanwhile",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others in."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def refuse_network_disk(folder: Path) -> None:
    """Locks and fsync of network and FUSE file systems cannot be trusted with money.

    Raises:
        LedgerError: ``folder`` is on one of them. Where the system has no ``/proc`` (macOS) nothing
            is known and nothing is refused.
    """
    kind = filesystem_of(folder)
    fuse = (kind == "fuse" or kind.startswith("fuse.")) and kind not in LOCAL_FUSE
    if kind in NETWORK or fuse:
        raise LedgerError(
            f"{folder}: on a file system of kind {kind}",
            expected="a local disk: two hosts cannot lock a file on a network disk reliably",
            todo="keep the ledger on a local disk and copy it when no run is under way",
        )


def filesystem_of(folder: Path) -> str:
    """Kind of the file system that holds a folder, as the kernel names it; empty if unknown."""
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    folder, best, kind = folder.resolve(), -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        # spaces in mount points are written as \040
        point = Path(left.split()[4].encode().decode("unicode_escape"))
        depth = len(point.parts)
        if depth >= best and folder.is_relative_to(point):
            best, kind = depth, right.split()[0]
    return kind
