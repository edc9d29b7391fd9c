"""``interestingness rank`` as a culling tool, with a real checkpoint of an untrained network."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from interestingness import cli
from interestingness.datasets.folder import prepare_folder

NOISE = np.random.default_rng(0).integers(0, 255, (5, 6, 6, 3), dtype=np.uint8)
STARS = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/></rdf:RDF></x:xmpmeta>'
)


def picture(path: Path, scene: int, *, shade: int = 0, at: str = "", stars: int = 0) -> Path:
    """One of five scenes; shades of one scene nearly equal each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.clip(NOISE[scene].astype(int) + shade, 0, 255).astype(np.uint8)
    exif, more = Image.Exif(), PngInfo()
    if at:
        exif[0x010F] = "camera"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 {at}"
    if stars:
        more.add_itxt("XML:com.adobe.xmp", STARS.format(stars))
    image = Image.fromarray(noise).resize((96, 96), Image.Resampling.NEAREST)
    image.save(path, exif=exif, pnginfo=more)
    return path


@pytest.fixture()
def photos(tmp_path: Path) -> Path:
    """Two bursts of three, one of them again an hour later, a picture of its own, no picture."""
    folder = tmp_path / "photos"
    for frame in range(3):
        picture(folder / f"burst a {frame}.png", 0, shade=frame, at=f"10:00:0{frame}")
        picture(folder / f"burst b {frame}.png", 1, shade=frame)
        picture(folder / f"later a {frame}.png", 0, shade=frame, at=f"11:00:0{frame}")
    picture(folder / "single.png", 2)
    (folder / "broken.png").write_text("no picture")
    return folder


@pytest.fixture()
def rank(tmp_path: Path, planted_checkpoint: Path) -> Any:
    """Run the command; returns its exit status and the table's rows by image."""

    def run(*arguments: object, out: str = "scores.parquet") -> tuple[int, dict[str, Any]]:
        places = ["--cache", tmp_path / "cache", "--sheet", tmp_path / "sheet"]
        places += ["--out", tmp_path / out, "--scorer", planted_checkpoint]
        places += ["--near-duplicates", "0.9999"]  # a random network sees little difference
        places += ["--series-alike", "0.9999"]
        try:
            cli.main(["rank", *map(str, arguments), *map(str, places)])
        except SystemExit as ended:
            return int(ended.code or 0), {}
        table = pq.read_table(tmp_path / out).to_pylist() if out.endswith("parquet") else []
        return 0, {row["image_id"]: row for row in table}

    return run


def groups(rows: dict[str, Any]) -> set[str]:
    """The kept images, by the name of their burst."""
    kept = [name for name, row in rows.items() if row["decision"] == "keep"]
    assert len({name[:7] for name in kept}) == len(kept)
    return {name[:7] for name in kept}


def test_the_best_of_each_series_is_kept_and_copied(
    photos: Path, rank: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = tmp_path / "best"
    before = {path: path.read_bytes() for path in photos.iterdir()}
    status, rows = rank(photos, "--keep", 1, "--copy-to", best)
    assert status == 0 and len(rows) == 11
    assert groups(rows) == {"burst a", "burst b", "later a", "single."}
    assert rows["broken.png"]["decision"] == "reject" and rows["broken.png"]["problem"]
    for name, row in rows.items():
        if row["score"] is not None:
            leader = rows[row["series"]]
            assert leader["decision"] == "keep" and leader["score"] >= row["score"]
            assert row["series"][:7] == name[:7]
    kept = {name for name, row in rows.items() if row["decision"] == "keep"}
    assert {path.name for path in best.iterdir()} == kept
    assert all((best / name).read_bytes() == before[photos / name] for name in kept)
    assert {path: path.read_bytes() for path in photos.iterdir()} == before
    said = capsys.readouterr().out
    assert "4 of 11 kept" in said and "4 copied" in said
    assert "Kept" in (tmp_path / "sheet" / "page.html").read_text()
    # Again, as after an interruption; and with a gap that joins the two hours.
    assert rank(photos, "--keep", 1, "--copy-to", best)[0] == 0
    assert "4 already there" in capsys.readouterr().out
    _, rows = rank(photos, "--keep", 1, "--series-gap", 4000)
    assert sum(row["decision"] == "keep" for row in rows.values()) == 3


def test_stars_and_decisions_win(
    photos: Path, rank: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows = rank(photos, "--keep", 1)
    by_score = sorted((n for n in rows if n.startswith("burst a")), key=lambda n: rows[n]["score"])
    lowest = photos / by_score[0]
    lowest.with_name(f"{lowest.name}.xmp").write_text(STARS.format(1))
    single = photos / "single.png"
    picture(single, 2, stars=-1)
    decisions = tmp_path / "decisions.csv"
    of_b = [name for name in rows if name.startswith("burst b")]
    lines = [f"{of_b[0]},reject", f"{of_b[1]},keep", f"{of_b[2]},keep", "gone.png,keep"]
    decisions.write_text("\n".join(["image,decision", *lines]))
    status, again = rank(photos, "--keep", 1, "--overrides", decisions)
    assert status == 0
    kept = {name for name, row in again.items() if row["decision"] == "keep"}
    assert {by_score[0], of_b[1], of_b[2]} <= kept
    assert not {by_score[1], by_score[2], of_b[0], "single.png"} & kept
    assert again[by_score[0]]["own_stars"] == 1 and again["single.png"]["own_stars"] == -1
    assert again[by_score[0]]["score"] == rows[by_score[0]]["score"]
    assert "gone.png" in capsys.readouterr().out


def test_bounds_top_and_links(photos: Path, rank: Any, tmp_path: Path) -> None:
    _, rows = rank(photos, "--top", 2, "--link-to", tmp_path / "best")
    scores = sorted(row["score"] for row in rows.values() if row["score"] is not None)
    links = list((tmp_path / "best").iterdir())
    assert len(links) == 2 and all(link.is_symlink() for link in links)
    assert sorted(rows[link.name]["score"] for link in links) == scores[-2:]
    assert {link.resolve().parent for link in links} == {photos}
    _, rows = rank(photos, "--min-score", scores[3], "--max-score", scores[5])
    assert sum(row["decision"] == "keep" for row in rows.values()) == 3


def test_raw_files_and_sidecars_go_along(photos: Path, rank: Any, tmp_path: Path) -> None:
    for path in list(photos.glob("*.png")):
        path.with_suffix(".CR2").write_bytes(path.name.encode())
        path.with_suffix(".xmp").write_text(STARS.format(3))
    status, rows = rank(photos, "--top", 1, "--copy-to", tmp_path / "best")
    assert status == 0
    kept = next(name for name, row in rows.items() if row["decision"] == "keep")
    stem = kept.removesuffix(".png")
    assert {p.name for p in (tmp_path / "best").iterdir()} == {kept, f"{stem}.CR2", f"{stem}.xmp"}


def test_equal_names_of_two_folders_and_members_of_a_tar_file(rank: Any, tmp_path: Path) -> None:
    for place, scene in (("one", 0), ("two", 1)):
        picture(tmp_path / "photos" / place / "a.png", scene)
    member = picture(tmp_path / "elsewhere" / "a.png", 2).read_bytes()
    with tarfile.open(tmp_path / "photos" / "more.tar", "w") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(member)
        archive.addfile(info, io.BytesIO(member))
    assert rank(tmp_path / "photos", "--top", 9, "--copy-to", tmp_path / "best")[0] == 0
    there = {path.name: path.read_bytes() for path in (tmp_path / "best").iterdir()}
    assert set(there) == {"a.png", "a (2).png", "a (3).png"}
    assert len(set(there.values())) == 3 and member in there.values()


def test_lists_from_a_file_and_from_standard_input(
    photos: Path, rank: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["burst a 0.png", "single.png", "broken.png", "gone.png"]
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{photos / name}\n" for name in names))
    status, rows = rank("--list", listing)
    assert status == 0 and set(rows) == set(names)
    assert {n for n, row in rows.items() if row["score"] is None} == {"broken.png", "gone.png"}
    assert "no such file" in rows["gone.png"]["problem"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listing.read_bytes())))
    assert rank("-")[1] == rows
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert rank("-")[0] == 2


@pytest.fixture()
def host(tmp_path: Path) -> Iterator[str]:
    """Address of a server on this machine that has one picture."""
    picture(tmp_path / "site" / "1.png", 4)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_addresses_are_fetched_once_and_private_ones_refused(
    host: str, rank: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = tmp_path / "urls.txt"
    urls = [f"{host}/1.png", f"{host}/2.png"]
    listing.write_text("\n".join(urls))
    words = ("--list", listing, "--top", 1, "--copy-to", tmp_path / "best", "--write-xmp")
    status, rows = rank(*words, "--loopback-for-tests")
    assert status == 0 and set(rows) == set(urls)
    assert rows[urls[0]]["score"] is not None and rows[urls[1]]["score"] is None
    assert rows[urls[1]]["problem"]
    assert "1 of 2 addresses" in capsys.readouterr().out
    assert len(list((tmp_path / "best").iterdir())) == 1
    assert not list((tmp_path / "cache").rglob("*.xmp"))
    assert rank("--list", listing, "--part", "0/2")[0] == 2
    shutil.rmtree(tmp_path / "cache")
    assert rank("--list", listing)[0] == 2  # this machine is no public address
    assert "none of the 2 files" in capsys.readouterr().err


def test_json_lines(photos: Path, rank: Any, tmp_path: Path) -> None:
    for name in ("qu\"ote's.png", "line\nbreak.png", "🦊.png"):
        picture(photos / name, 3)
    assert rank(photos, "--keep", 1, out="scores.jsonl")[0] == 0
    lines = (tmp_path / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 14
    assert rank(photos, "--keep", 1)[1] == {row["image_id"]: row for row in found}
    assert rank(photos, "--keep", 1, out="scores.csv")[0] == 0
    table = pacsv.read_csv(
        tmp_path / "scores.csv", parse_options=pacsv.ParseOptions(newlines_in_values=True)
    )
    assert table["decision"].to_pylist() == [row["decision"] for row in found]
    assert rank(photos, out="scores.jsonl")[0] == 0  # our own table is replaced
    (tmp_path / "mine.jsonl").write_text('{"a": 1}\n')
    assert rank(photos, out="mine.jsonl")[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--copy-to", "best"),
        ("--top", "3", "--copy-to", "photos/best"),
        ("--top", "3", "--link-to", "photos"),
        ("--top", "3", "--copy-to", "file"),
        ("--top", "3", "--copy-to", "best", "--link-to", "links"),
        ("--top", "0"),
        ("--keep", "-1"),
        ("--keep", "1", "--near-duplicates", "1"),
        ("--keep", "1", "--series-gap", "-1"),
        ("--keep", "1", "--series-alike", "0"),
        ("--min-score", "2", "--max-score", "1"),
        ("--min-score", "nan"),
        ("--keep", "1", "--part", "0/2"),
        ("--overrides", "gone.csv"),
        ("--overrides", "file"),
        ("--list", "gone.txt"),
        ("--xmp-style", "other"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_one_error_before_anything_is_scored(
    photos: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be scored")

    monkeypatch.setattr("interestingness.commands.rank.make_scorer", never)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("image,opinion\n")
    with pytest.raises(SystemExit) as ended:
        cli.main(["rank", "photos", *words, "--cache", "cache"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 1 and "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {"photos", "file", "cache"}


def test_stars_as_adobes_programs_read_them(
    rank: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    for scene in range(5):
        picture(folder / f"{scene}.png", scene)
    (folder / "0.CR2").write_bytes(b"raw")
    (folder / "1.dng").write_bytes(b"raw")
    (folder / "2.NEF").write_bytes(b"raw")
    (folder / "2.xmp").write_text(STARS.format(4))
    assert rank(folder, "--write-xmp", "--xmp-style", "adobe")[0] == 0
    said = capsys.readouterr().out
    assert "1 sidecars written" in said and "2 without a raw file" in said
    assert "1 with a DNG only" in said and "1 left alone" in said
    assert {path.name for path in folder.glob("*.xmp")} == {"0.xmp", "2.xmp"}
    assert (folder / "2.xmp").read_text() == STARS.format(4)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize(("style", "ending"), [("beside", ".png.xmp"), ("adobe", ".xmp")])
def test_exiftool_reads_the_stars_back(rank: Any, tmp_path: Path, style: str, ending: str) -> None:
    folder = tmp_path / "photos"
    for scene in range(5):
        picture(folder / f"{scene} 🦊'é.png", scene)
        (folder / f"{scene} 🦊'é.nef").write_bytes(b"raw")
    _, rows = rank(folder, "--write-xmp", "--xmp-style", style)
    files = sorted(folder.glob("*.xmp"))
    assert [file.name for file in files] == [f"{scene} 🦊'é{ending}" for scene in range(5)]
    done = subprocess.run(
        ["exiftool", "-j", "-n", "-XMP:Rating", "-XMP:CreatorTool", *files],
        capture_output=True, check=True,
    )  # fmt: skip
    read = json.loads(done.stdout)
    for scene, tags in enumerate(read):
        share = rows[f"{scene} 🦊'é.png"]["percentile"]
        assert tags["Rating"] == 1 + sum(share >= bound for bound in (0.1, 0.325, 0.675, 0.9))
        assert tags["CreatorTool"] == "interestingness"


@pytest.mark.parametrize("table", ["series.csv", "series.parquet", "series.jsonl"])
def test_the_table_brings_series_to_a_data_set(
    photos: Path, rank: Any, tmp_path: Path, table: str
) -> None:
    """What `rank --keep` writes is a table of groups as it is."""
    (photos / "broken.png").unlink()
    assert rank(photos, "--keep", 1, out=table)[0] == 0
    tables = prepare_folder(
        tmp_path / "sets", images=photos, groups=tmp_path / table, question="interesting",
        pairs_per_image=2, votes_per_rater=10, on_missing="error", seed=0,
    )  # fmt: skip
    named = zip(tables.image_ids, tables.images["series"].to_pylist(), strict=True)
    assert all(series[:7] == name[:7] for name, series in named)
