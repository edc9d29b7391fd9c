"""Lists of photographs, in the forms that programs write them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from interestingness.datasets.photo_lists import entries_of, is_url, read_lists
from interestingness.datasets.photographs import find_photographs
from interestingness.errors import DataError, ImageError


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"\xef\xbb\xbfa.jpg\r\n\r\n  b.jpg\r\n", ["a.jpg", "  b.jpg"]),
        (b"a\nb.jpg\0c.jpg\0", ["a\nb.jpg", "c.jpg"]),
        ("é.jpg\n🦊.jpg".encode("utf-16"), ["é.jpg", "🦊.jpg"]),
        (b"caf\xe9.jpg", [os.fsdecode(b"caf\xe9.jpg")]),
        (b'#1.jpg\n"q".jpg\n\'.jpg', ["#1.jpg", '"q".jpg', "'.jpg"]),
        (b" \n\n", []),
    ],
)
def test_forms_of_a_list(data: bytes, entries: list[str]) -> None:
    assert entries_of(data) == entries


def test_paths_and_addresses_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.jpg\nhttps://x.org/a.jpg\nHTTP://x.org/b\na.jpg\n")
    found = read_lists([str(tmp_path / "list.txt"), "-", "-"], io.BytesIO(b"b.jpg\n"))
    assert found.paths == ("a.jpg", "b.jpg")
    assert found.urls == ("https://x.org/a.jpg", "HTTP://x.org/b")
    assert not is_url("http:/x/a.jpg")


def test_a_list_that_cannot_be_read_or_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    for file, said in (("empty.txt", "empty list"), ("gone.txt", "gone.txt"), ("", "directory")):
        with pytest.raises(DataError, match=said):
            read_lists([str(tmp_path / file)], io.BytesIO())
    with pytest.raises(DataError, match="standard input"):
        read_lists(["-"], io.BytesIO())


def test_what_a_list_names_and_what_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    names = ["[1].jpg", "a'b\"c.jpg", "deep/line\nbreak.jpg", "e\u0301.jpg", "\u00e9.jpg"]
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / name)
    listed = [str(folder / name) for name in [*names, names[0], "gone*.jpg"]]
    found = find_photographs([], listed=listed)
    assert len(found) == 6  # one name twice; composed and decomposed are two files
    row = found.image_ids.index("gone*.jpg")
    assert dict(found.absent) == {"gone*.jpg": "there is no such file"}
    assert found.path(row) is None and found.image("gone*.jpg") is None
    with pytest.raises(ImageError, match="no such file"):
        found[row].read()
    assert all(found[i].read() for i in range(6) if i != row)


def test_addresses_keep_their_names(tmp_path: Path) -> None:
    here = tmp_path / "photos" / "a.jpg"
    here.parent.mkdir()
    Image.new("RGB", (4, 4)).save(here)
    fetched = tmp_path / "cache" / "x-123.jpg"
    fetched.parent.mkdir()
    Image.new("RGB", (4, 4)).save(fetched)
    urls = {"https://x.org/a.jpg": fetched, "https://x.org/b.jpg": "gone (404)"}
    for given in ([here], []):
        found = find_photographs(given, addresses=urls)
        assert list(found.image_ids) == [*(["a.jpg"] if given else []), *urls]
        row = found.image_ids.index("https://x.org/a.jpg")
        path = found.path(row)
        assert path is not None and path.samefile(fetched)
        with pytest.raises(ImageError, match="404"):
            found[row + 1].read()
    only_lost = find_photographs([], addresses={"https://x.org/b.jpg": "gone (404)"})
    assert list(only_lost.absent) == ["https://x.org/b.jpg"]
