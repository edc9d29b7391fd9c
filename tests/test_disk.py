"""Files appear whole, and a disk that takes no more is one error that names the place."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from interestingness.data.content import HashMemo
from interestingness.data.feature_store import FeatureStore
from interestingness.disk import appearing, disk_error, naming
from interestingness.learning.checkpoint_file import WholeCheckpoints

LIMIT = 20_000


@contextmanager
def small_files() -> Iterator[None]:
    """Writing stops at a size, as it does on a full disk.

    No fixture, which would still hold when the test runner writes into its own log.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_is_whole_or_the_one_of_before(tmp_path: Path) -> None:
    file, writer = tmp_path / "last.ckpt", WholeCheckpoints()
    writer.save_checkpoint({"weights": torch.ones(10)}, file)
    with pytest.raises(OSError, match="File too large") as caught, small_files():
        writer.save_checkpoint({"weights": torch.zeros(LIMIT)}, file)
    assert caught.value.filename == str(file)
    assert torch.equal(torch.load(file, weights_only=True)["weights"], torch.ones(10))
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_features_that_find_no_room_leave_none(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "features", 4)
    keys = [bytes([i % 256, i // 256]) * 16 for i in range(LIMIT // 8)]
    # numpy says only that it wrote less than it should.
    with pytest.raises(OSError) as caught, small_files():
        store.write(keys, np.ones((len(keys), 4), np.float32), {})
    told = disk_error(caught.value)
    assert told is not None and told.found.startswith(str(store.root))
    assert list(store.root.iterdir()) == []


def test_a_memo_of_hashes_finds_no_room(tmp_path: Path) -> None:
    memo = HashMemo(tmp_path / "hashes.npz")
    for i in range(LIMIT // 50):
        memo.note(tmp_path / str(i), (0, 0, 0, 0), bytes(32))
    with pytest.raises(OSError), small_files():
        memo.save()
    assert not (tmp_path / "hashes.npz").exists()


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file"
    with appearing(file) as part:
        part.write_text("whole")
        assert not file.exists()
    assert file.read_text() == "whole"
    with pytest.raises(KeyError), appearing(file) as part:
        part.write_text("half")
        raise KeyError
    assert file.read_text() == "whole" and list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "/a/b ("),
        (OSError(errno.EROFS, "Read-only file system", "/a/b"), "/a/b: Read-only"),
        (PermissionError(errno.EACCES, "Permission denied", b"/a/b"), "/a/b: Permission denied"),
        (FileExistsError(errno.EEXIST, "File exists", Path("/a/b")), "/a/b: File exists"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0"), "No space left"),
        (OSError("8000 requested and 4096 written"), "No space left"),
        (OSError("cannot write. Detail: [errno 122] Disk quota exceeded"), "quota exceeded"),
    ],
)
def test_what_the_disk_says_is_said_plainly(error: Exception, text: str) -> None:
    told = disk_error(error, ["/"])
    assert told is not None and text in told.found
    assert told.expected and "paths.runs" in told.todo
    wrapped = ValueError("of a library")
    wrapped.__cause__ = error
    assert str(disk_error(wrapped, ["/"])) == str(told)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "x"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        TimeoutError("no answer"),
        RuntimeError("errors of ours"),
        KeyError("a"),
    ],
)
def test_other_errors_are_left_alone(error: Exception) -> None:
    assert disk_error(error) is None


def test_a_write_that_fails_is_given_its_name(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is Linux's")
    with pytest.raises(OSError) as caught, naming(tmp_path / "log"):  # noqa: SIM117
        with open("/dev/full", "wb", buffering=0) as stream:
            os.write(stream.fileno(), b"x")
    assert caught.value.filename == str(tmp_path / "log")
    told = disk_error(caught.value)
    assert told is not None and "MB free" in told.found
