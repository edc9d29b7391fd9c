"""The memo of what files hold: only of files that stay as they are."""

import time

import pytest
from counting import Counting, make_images

from interestingness.data.content import HashMemo, content_key, file_state
from interestingness.data.encoding import Picture, decode_all


def test_the_memo_forgets_young_and_changed_files(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    state, key = file_state(path), content_key(b"one")
    written = max(state[1], state[2])
    memo = HashMemo(tmp_path / "hashes.npz")
    memo.note(path, state, key, read_ns=written + 1_900_000_000)
    memo.save()
    assert memo.keys([path]) == [None]
    memo.note(path, state, key, read_ns=written + 2_100_000_000)
    memo.save()
    assert HashMemo(tmp_path / "hashes.npz").keys([path, tmp_path / "b.png"]) == [key, None]
    path.write_bytes(b"three")
    assert HashMemo(tmp_path / "hashes.npz").keys([path]) == [None]


def test_the_memo_keeps_what_others_saved_and_the_newest(tmp_path):
    paths = make_images(tmp_path, 2)
    one, two = HashMemo(tmp_path / "h.npz"), HashMemo(tmp_path / "h.npz")
    old, new = bytes(32), b"\0" + b"\1" * 30 + b"\0"
    for memo, path, key in ((one, paths[0], old), (two, paths[1], new), (one, paths[0], new)):
        memo.note(path, file_state(path), key, read_ns=time.time_ns() + 10**10)
        memo.save()
    assert HashMemo(tmp_path / "h.npz").keys(paths) == [new, new]


@pytest.mark.parametrize("content", [b"", b"PK cut", b"\x93NUMPY"])
def test_a_damaged_memo_is_forgotten(tmp_path, content, caplog):
    (tmp_path / "h.npz").write_bytes(content)
    assert HashMemo(tmp_path / "h.npz").keys([tmp_path / "a"]) == [None]
    assert "damaged" in caplog.text


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, settled):
    path = make_images(tmp_path, 1)[0]

    def read():
        data = path.read_bytes()
        path.write_bytes(data + b"more")
        return data

    picture = Picture("p", read, path)
    (image,) = decode_all([picture], Counting().transform)
    assert image.pixels is not None and image.state is None
