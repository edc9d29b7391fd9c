"""What is taken of a real folder of photographs, and what is told of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from interestingness.datasets.image_files import distinct_names, list_images
from interestingness.datasets.machine_copies import machine_part
from interestingness.datasets.photographs import find_photographs
from interestingness.errors import DataError


def save(path: Path, format: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), "red").save(path, format)
    return path


def names(folder: Path, *, copies: bool = False) -> list[str]:
    return [file.image_id for file in list_images(folder, copies=copies).files]


MACHINES = [
    "@eaDir/a.jpg", "#recycle", "@Recycle", ".@__thumb", ".Trash", ".Trash-1000/files",
    "$RECYCLE.BIN/S-1-5-21", ".thumbnails", ".dtrash/files", ".picasaoriginals",
    "Lib Previews.lrdata/0/0A", "Lib Smart Previews.lrdata", "CaptureOne/Cache/Proxies",
    "Photos Library.photoslibrary/resources/derivatives", "Aperture.aplibrary/Thumbnails",
    "Job.cocatalog/Cache/Thumbnails", "__MACOSX", "lost+found", "System Volume Information",
]  # fmt: skip
PEOPLE = [
    "trip", "recycle art", "eaDir", "Photos Library.photoslibrary/originals/0", "previews of May",
    "Aperture.aplibrary/Masters/2011", "Job.cocatalog/Originals", "capture one workshop",
]  # fmt: skip


@pytest.mark.parametrize("folder", MACHINES)
def test_folders_that_machines_fill_are_left_out_and_counted(tmp_path: Path, folder: str) -> None:
    save(tmp_path / "mine.jpg")
    save(tmp_path / "day" / folder / "copy.jpg")
    listing = list_images(tmp_path)
    assert [file.image_id for file in listing.files] == ["mine.jpg"]
    assert listing.left_out.copies.total() == 1
    assert any(
        "dataset.copies" in said for said in listing.left_out.sentences(option="dataset.copies")
    )
    assert names(tmp_path, copies=True) == sorted(["mine.jpg", f"day/{folder}/copy.jpg"])
    # Who names the folder itself means it.
    assert names(tmp_path / "day" / folder) == ["copy.jpg"]


@pytest.mark.parametrize("folder", PEOPLE)
def test_folders_of_people_are_taken(tmp_path: Path, folder: str) -> None:
    save(tmp_path / folder / "x.jpg")
    assert names(tmp_path) == [f"{folder}/x.jpg"]
    assert machine_part(tuple(folder.split("/"))) is None


def test_six_photographs_stay_six(tmp_path: Path) -> None:
    """As a Synology share holds them: seven thumbnails a photograph."""
    for i in range(6):
        save(tmp_path / f"{i}.jpg")
        for size in ("XL", "L", "B", "M", "PREVIEW", "S", "SM"):
            save(tmp_path / "@eaDir" / f"{i}.jpg" / f"SYNOPHOTO_THUMB_{size}.jpg")
    listing = list_images(tmp_path)
    assert len(listing.files) == 6
    assert listing.left_out.copies == {"@eaDir": 42}
    only = list_images(str(tmp_path / "**" / "*.jpg"))
    assert len(only.files) == 6 and only.left_out.copies == {"@eaDir": 42}


def test_files_are_taken_by_content_whatever_they_are_called(tmp_path: Path) -> None:
    for name, format in (
        ("a.mpo", "JPEG"), ("b.jp2", "JPEG2000"), ("c.pgm", "PPM"), ("d", "PNG"),
        ("e.jpg_large", "JPEG"), ("f.nef", "JPEG"), ("g.bin", "WEBP"), ("h.txt", "BMP"),
    ):  # fmt: skip
        save(tmp_path / name, format)
    save(tmp_path / "raw.cr2", "TIFF")  # the container of most raw files; decodes as a thumbnail
    save(tmp_path / "d.NEF", "TIFF")
    (tmp_path / "phone.cr3").write_bytes(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom")
    (tmp_path / "new.jxl").write_bytes(b"\xff\x0a and so on")
    (tmp_path / "notes.md").write_text("P1 is the best of them; BM is no bitmap")
    (tmp_path / "BMW.csv").write_text("BM,W")
    (tmp_path / "a.xmp").write_text("<x/>")
    listing = list_images(tmp_path)
    assert [f.image_id for f in listing.files] == [
        "a.mpo", "b.jp2", "c.pgm", "d", "e.jpg_large", "f.nef", "g.bin", "h.txt",
    ]  # fmt: skip
    assert listing.left_out.raw == {".cr2": 1, ".cr3": 1} and listing.left_out.raw_pairs == 1
    assert listing.left_out.others == {".jxl": 1, ".md": 1, ".csv": 1}
    said = " ".join(listing.left_out.sentences(option="--copies"))
    assert all(f"1 × {kind}" in said for kind in (".cr2", ".cr3", ".jxl", ".md", ".csv"))


@pytest.mark.parametrize("raw", ["A.NEF", "a.cr3", "A.dng", "a.RAF"])
def test_a_raw_file_beside_its_jpeg_is_a_pair(tmp_path: Path, raw: str) -> None:
    save(tmp_path / "a.jpg")
    (tmp_path / raw).write_bytes(b"II*\0 raw")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / raw).write_bytes(b"II*\0 raw")
    left_out = list_images(tmp_path).left_out
    assert left_out.raw_pairs == 1 and left_out.raw == {Path(raw).suffix.lower(): 1}


def test_what_a_shell_lists_beside_the_images_is_left_out(tmp_path: Path) -> None:
    files = [save(tmp_path / "a.jpg"), save(tmp_path / "b.png"), tmp_path / "a.jpg.xmp"]
    files[2].write_text("<x/>")
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    found = find_photographs([*files, tmp_path / "film.mp4"])
    assert list(found.image_ids) == ["a.jpg", "b.png"]
    assert found.left_out.others == {".mp4": 1}
    with pytest.raises(DataError, match="no image"):
        find_photographs([tmp_path / "film.mp4"])


def test_names_that_are_not_utf8_are_taken_under_another(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    odd = [b"caf\xe9.jpg", b"\xff\xfe.jpg", b"d\xe9j\xe0/vu.jpg"]
    for name in odd:
        path = tmp_path / os.fsdecode(name)
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes((tmp_path / "a.jpg").read_bytes())
        except OSError:
            pytest.skip("this file system refuses such names")
    found = find_photographs([tmp_path])
    assert list(found.image_ids) == sorted(
        ["a.jpg", r"caf\xe9.jpg", r"\xff\xfe.jpg", r"d\xe9j\xe0/vu.jpg"]
    )
    assert all(len(picture.read()) for picture in found)
    assert set(found.left_out.names) == set(found.image_ids) - {"a.jpg"}


def test_two_forms_of_one_name_are_two_images(tmp_path: Path) -> None:
    composed, apart = "Zürich.jpg", "Zu\u0308rich.jpg"
    for name in (composed, apart):
        save(tmp_path / name)
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system keeps one form")
    found = find_photographs([tmp_path])
    assert set(found.image_ids) == {composed, apart}
    assert list(found.left_out.names) == [apart]
    assert distinct_names([apart]) == {composed: apart}  # alone it has the composed name
