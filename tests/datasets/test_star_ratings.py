"""Stars of photographs: every place they stand in, what is no rating, and sidecars of ours."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from interestingness.datasets.folder import prepare_folder
from interestingness.datasets.star_ratings import Rating, rating_of_xmp, read_rating, read_ratings
from interestingness.datasets.star_sidecars import write_sidecar
from interestingness.errors import DataError

HEAD = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
HEAD += 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
HEAD += 'xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
HEAD += 'xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/" '
TAIL = "</rdf:RDF></x:xmpmeta>"


def attribute(stars: object) -> bytes:
    return f'{HEAD}MicrosoftPhoto:Rating="75" xmp:Rating="{stars}"/>{TAIL}'.encode()


def element(stars: object) -> bytes:
    """As Apple and exiftool's longer form write it, in a packet with padding."""
    inner = f"<xmp:Rating>{stars}</xmp:Rating></rdf:Description>"
    return f'<?xpacket begin="" id="x"?>{HEAD}>{inner}{TAIL}<?xpacket end="w"?>   \n'.encode()


def photo(path: Path, *, xmp: bytes | None = None, exif: int | None = None) -> Path:
    image = Image.new("RGB", (8, 8), (20 * len(path.name) % 256, 9, 9))
    options: dict[str, object] = {}
    if exif is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x4746] = exif  # type: ignore[index]
    if xmp is not None and path.suffix == ".png":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())  # type: ignore[attr-defined]
    elif xmp is not None and path.suffix == ".tif":
        options["tiffinfo"] = ImageFileDirectory_v2()
        options["tiffinfo"][700] = xmp  # type: ignore[index]
    elif xmp is not None:
        options["xmp"] = xmp
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("packet", [attribute, element])
def test_stars_in_the_file(tmp_path: Path, suffix: str, packet: object) -> None:
    for stars in (1, 5, -1):
        path = photo(tmp_path / f"{stars}{suffix}", xmp=packet(stars))  # type: ignore[operator]
        assert read_rating(path) == Rating(stars, "xmp")


def test_exif_counts_where_xmp_says_nothing(tmp_path: Path) -> None:
    assert read_rating(photo(tmp_path / "a.jpg", exif=3)) == Rating(3, "exif")
    both = photo(tmp_path / "b.jpg", xmp=attribute(2), exif=3)
    assert read_rating(both) == Rating(2, "xmp")
    none = photo(tmp_path / "c.jpg", xmp=attribute(0), exif=4)
    assert read_rating(none) == Rating(4, "exif")
    assert read_rating(photo(tmp_path / "d.jpg")) == Rating(None)


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp"])
def test_a_sidecar_counts_first(tmp_path: Path, name: str) -> None:
    path = photo(tmp_path / "a.jpg", xmp=attribute(2))
    (tmp_path / name).write_bytes(element(5))
    assert read_rating(path) == Rating(5, "sidecar")


def test_what_is_no_rating() -> None:
    for text in ("6", "2.5", "-2", "many", "nan", "inf"):
        assert rating_of_xmp(attribute(text), "xmp") == Rating(None, "strange")
    assert rating_of_xmp(attribute("3.0"), "xmp") == Rating(3, "xmp")
    microsoft = attribute(4).replace(b'xmp:Rating="4"', b"")
    assert rating_of_xmp(microsoft, "xmp") == Rating(None, "strange")  # on a scale of its own
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + attribute("&b;")
    for packet in (b"", b"<x>", b"\xff\xfe\x00", bomb):
        assert rating_of_xmp(packet, "xmp") == Rating(None, "damaged")


def test_counts_say_what_was_found(tmp_path: Path) -> None:
    photos = [
        photo(tmp_path / "0.jpg", xmp=attribute(4)),
        photo(tmp_path / "1.jpg", exif=-1 % 65536),
        photo(tmp_path / "2.jpg"),
        photo(tmp_path / "3.jpg", xmp=attribute(-1)),
        tmp_path / "4.jpg",
        photo(tmp_path / "5.jpg"),
    ]
    photos[4].write_text("no picture")
    write_sidecar(photos[5], 3)
    stars, counts = read_ratings(photos)
    np.testing.assert_array_equal(stars, [4, np.nan, np.nan, -1, np.nan, np.nan])
    assert counts == {
        "damaged_metadata": 1,
        "from_xmp": 2,
        "rejected": 1,
        "sidecars_of_rank_left_out": 1,
        "strange_ratings": 1,
        "without_stars": 4,
    }


def test_a_sidecar_of_ours_never_replaces_a_persons_word(tmp_path: Path) -> None:
    plain, rated = photo(tmp_path / "plain.jpg"), photo(tmp_path / "rated.jpg", xmp=attribute(1))
    before = {path: path.read_bytes() for path in (plain, rated)}
    assert write_sidecar(plain, 4) == "written"
    sidecar = tmp_path / "plain.jpg.xmp"
    text = sidecar.read_text(encoding="utf-8")
    assert 'xmp:Rating="4"' in text and text.startswith("<?xpacket")
    assert rating_of_xmp(sidecar.read_bytes(), "as others read it") == Rating(
        4, "as others read it"
    )
    assert read_rating(plain) == Rating(None, "ours")
    assert write_sidecar(plain, 2) == "written"
    assert 'xmp:Rating="2"' in sidecar.read_text(encoding="utf-8")
    assert write_sidecar(rated, 4) == "has a rating"
    # A person rates in another program, which keeps our creator tool out or takes its own.
    for content in (attribute(5), element(0), b"<x>", b""):
        sidecar.write_bytes(content)
        assert write_sidecar(plain, 1) == "has a sidecar"
        assert sidecar.read_bytes() == content
    sidecar.unlink()
    (tmp_path / "plain.xmp").write_bytes(attribute(3))
    assert write_sidecar(plain, 1) == "has a sidecar"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plain.jpg", "plain.xmp", "rated.jpg"]
    assert before == {path: path.read_bytes() for path in before}


def heic(path: Path, **metadata: object) -> Path:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), "red")).save(path, **metadata)
    return path


def test_ratings_of_heic_are_read_and_stay(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x4746] = 4
    by_exif = heic(tmp_path / "exif.heic", exif=exif.tobytes())
    by_xmp = heic(tmp_path / "xmp.heic", xmp=attribute(2))
    assert read_rating(by_exif) == Rating(4, "exif")
    assert read_rating(by_xmp) == Rating(2, "xmp")
    assert write_sidecar(by_exif, 1) == write_sidecar(by_xmp, 1) == "has a rating"
    assert write_sidecar(heic(tmp_path / "plain.heic"), 1) == "written"


def test_heic_without_the_extra_may_carry_a_rating(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, rated = heic(tmp_path / "a.heic"), heic(tmp_path / "b.heic", xmp=attribute(2))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert write_sidecar(plain, 1) == "may have a rating"
    assert read_rating(rated) == Rating(2, "xmp")  # a packet is found in any file
    assert not list(tmp_path.glob("*.xmp"))


@pytest.mark.parametrize("name", ["A.JPG.XMP", "a.XMP", "a.jpg.Xmp", "A.xmp"])
def test_sidecars_are_found_whatever_the_case(tmp_path: Path, name: str) -> None:
    path = photo(tmp_path / "a.jpg")
    (tmp_path / name).write_bytes(attribute(3))
    assert read_rating(path) == Rating(3, "sidecar")
    assert write_sidecar(path, 1) == "has a sidecar"


@pytest.mark.parametrize(
    "coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "utf-32-be"]
)
def test_sidecars_in_other_encodings_are_read(coding: str) -> None:
    text = f'<?xml version="1.0"?>\n{attribute(4).decode()}\n'
    assert rating_of_xmp(text.encode(coding), "sidecar") == Rating(4, "sidecar")


def test_metadata_that_cannot_be_read_may_carry_a_rating(tmp_path: Path) -> None:
    damaged = photo(tmp_path / "xmp.jpg", xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><cut")
    exif = Image.Exif()
    exif[0x4746] = 4
    cut = tmp_path / "exif.jpg"
    Image.new("RGB", (8, 8)).save(cut, exif=exif.tobytes()[:-14])
    jp2 = tmp_path / "a.jp2"
    Image.new("RGB", (8, 8)).save(jp2)
    none = tmp_path / "none.jpg"
    none.write_text("no picture")
    for path in (damaged, cut, jp2, none):
        assert write_sidecar(path, 1) == "may have a rating", path
    assert not list(tmp_path.glob("*.xmp"))


def test_a_rating_on_another_scale_stays(tmp_path: Path) -> None:
    windows = attribute(4).replace(b'xmp:Rating="4"', b"")
    exif = Image.Exif()
    exif[0x4749] = 75
    Image.new("RGB", (8, 8)).save(tmp_path / "percent.jpg", exif=exif)
    for path in (
        photo(tmp_path / "windows.jpg", xmp=windows),
        photo(tmp_path / "half.jpg", xmp=attribute("2.5")),
        tmp_path / "percent.jpg",
    ):
        assert write_sidecar(path, 1) == "has a rating", path


def test_metadata_of_pngs_are_read_wherever_they_stand(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", xmp=attribute(5))
    data = path.read_bytes()
    start = data.index(b"iTXt") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    without = data[:start] + data[end:]
    last = without.index(b"IEND") - 4
    path.write_bytes(without[:last] + data[start:end] + without[last:])
    assert read_rating(path) == Rating(5, "xmp")


FOLDER = {
    "question": "interesting",
    "pairs_per_image": 2,
    "votes_per_rater": 10,
    "on_missing": "error",
    "seed": 0,
}


def test_a_folder_with_stars(tmp_path: Path) -> None:
    images = tmp_path / "photos"
    images.mkdir()
    for i in range(12):
        photo(images / f"{i:02d}.jpg", xmp=attribute(i % 4 + 1) if i < 8 else None)
    tables = prepare_folder(tmp_path / "sets", images=images, stars=True, **FOLDER)
    np.testing.assert_array_equal(tables.scores("stars"), [1, 2, 3, 4, 1, 2, 3, 4, *[np.nan] * 4])
    assert tables.manifest.facts["stars"] == {"from_xmp": 8, "without_stars": 4}
    used = tables.pairs.images_used()
    assert set(used.tolist()) == set(range(8))
    # Without the option nothing is read, and a new sidecar makes a new data set.
    assert "stars" not in prepare_folder(tmp_path / "sets", images=images, **FOLDER).score_names()
    (images / "11.jpg.xmp").write_bytes(attribute(5))
    again = prepare_folder(tmp_path / "sets", images=images, stars=True, **FOLDER)
    assert again.scores("stars")[11] == 5


def test_a_folder_without_stars_is_one_error(tmp_path: Path) -> None:
    for i in range(3):
        photo(tmp_path / f"{i}.jpg", exif=3)
    with pytest.raises(DataError, match="3 of 3 images carry stars, and not two that differ"):
        prepare_folder(tmp_path / "sets", images=tmp_path, stars=True, **FOLDER)
