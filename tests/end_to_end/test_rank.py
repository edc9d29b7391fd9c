"""``interestingness rank`` on small pictures, with a real checkpoint of an untrained network."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from itertools import combinations
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from interestingness import cli
from interestingness.data.shards.writer import write_shards
from interestingness.datasets.photographs import find_photographs
from interestingness.errors import DataError
from interestingness.schema import Pair
from interestingness.tables.tables import Manifest, Tables


@pytest.fixture()
def photos(tmp_path: Path) -> Path:
    """Six pictures, a copy of one, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        noise = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((96, 96), Image.Resampling.NEAREST).save(folder / f"{i}.png")
    Image.open(folder / "2.png").save(folder / "copy of 2.png", compress_level=1)
    (folder / "broken.jpg").write_text("no picture")
    return folder


def rank(*arguments: object) -> int:
    return command_of("rank", *arguments)


def command_of(command: str, *arguments: object) -> int:
    try:
        cli.main([command, *map(str, arguments)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_scores_sheet_and_reference(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sheet = tmp_path / "out" / "scores.parquet", tmp_path / "sheet"
    common = ("--scorer", planted_checkpoint, "--cache", tmp_path / "cache", "--sheet", sheet)
    common += ("--near-duplicates", 0.99999)  # a random network sees little difference
    assert rank(photos, *common, "--out", out) == 0
    table = pq.read_table(out)
    rows = {row["image_id"]: row for row in table.to_pylist()}
    assert len(rows) == 8
    assert rows["broken.jpg"]["score"] is None
    assert rows["broken.jpg"]["problem"]
    assert rows["copy of 2.png"]["near_duplicate_of"] == "2.png"
    assert rows["copy of 2.png"]["score"] == pytest.approx(rows["2.png"]["score"], abs=1e-5)
    scored = [r["score"] for r in table.to_pylist() if r["score"] is not None]
    assert scored == sorted(scored, reverse=True)
    assert len(set(np.round(scored, 3))) == 6
    assert json.loads(table.schema.metadata[b"interestingness"])["unit"].startswith("logits")
    page = (sheet / "page.html").read_text().replace("<wbr>", "")
    assert page.index("data:image/") < page.index("<h2>All images</h2>")
    assert "broken.jpg" in page and str(photos / "broken.jpg") not in page
    assert rows["broken.jpg"]["problem"].startswith("not an image")
    # Again, with the first table as reference: the same scores, and where each stands among them.
    again = tmp_path / "again.parquet"
    assert rank(photos, *common, "--out", again, "--reference", out) == 0
    second = {row["image_id"]: row for row in pq.read_table(again).to_pylist()}
    assert second["0.png"]["reference_percentile"] == second["0.png"]["percentile"]
    assert {k: v["score"] for k, v in second.items()} == {k: v["score"] for k, v in rows.items()}


def test_scores_of_another_scorer_are_no_reference(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.parquet"
    common = ("--cache", tmp_path / "cache", "--sheet", tmp_path / "sheet")
    assert rank(photos, "--scorer", planted_checkpoint, *common, "--out", out) == 0
    other = torch.load(planted_checkpoint, weights_only=True)
    other["state_dict"]["scorer.head.weight"] += 1
    torch.save(other, tmp_path / "other.ckpt")
    arguments = ("--scorer", tmp_path / "other.ckpt", *common, "--reference", out)
    assert rank(photos, *arguments, "--out", tmp_path / "no.parquet") == 2
    assert "another scorer" in capsys.readouterr().err
    assert not (tmp_path / "no.parquet").exists()


@pytest.mark.parametrize(
    ("scorer", "said"),
    [("no_such_head", "neither a published head nor a checkpoint"), ("", "neither")],
)
def test_an_unknown_scorer_lists_what_there_is(
    photos: Path, scorer: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rank(photos, "--scorer", scorer or "absent.ckpt") == 2
    message = capsys.readouterr().err
    assert said in message
    assert "relative_interestingness" in message


def test_a_folder_without_a_readable_picture(
    tmp_path: Path, planted_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.jpg").write_text("no")
    arguments = ("--scorer", planted_checkpoint, "--cache", tmp_path / "cache")
    assert rank(tmp_path, *arguments, "--out", tmp_path / "x.parquet") == 2
    assert "none of the 1 files can be read" in capsys.readouterr().err
    assert not (tmp_path / "x.parquet").exists()


def test_a_reference_set_has_a_name(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--scorer", planted_checkpoint, "--cache", tmp_path / "cache")
    common += ("--sheet", tmp_path / "sheet", "--out", tmp_path / "scores.csv")
    assert rank(photos, *common, "--reference", "mine") == 2
    assert "no set has a name yet" in capsys.readouterr().err
    assert rank(photos, *common, "--save-reference", "../mine") == 2
    assert "no name" in capsys.readouterr().err
    assert rank(photos, *common, "--save-reference", "mine") == 0
    assert rank(photos / "0.png", photos / "3.png", *common, "--reference", "mine") == 0
    rows = pacsv.read_csv(tmp_path / "scores.csv").to_pylist()
    # 0.png is second and 3.png third of seven: five and four lie below, and half of themselves.
    assert [row["reference_percentile"] for row in rows] == pytest.approx([5.5 / 7, 4.5 / 7])
    assert [row["percentile"] for row in rows] == [0.75, 0.25]
    assert rank(photos, *common, "--reference", "yours") == 2
    assert "one of mine" in capsys.readouterr().err
    other = torch.load(planted_checkpoint, weights_only=True)
    other["state_dict"]["scorer.head.weight"] += 1
    torch.save(other, tmp_path / "other.ckpt")
    again = ("--scorer", tmp_path / "other.ckpt", *common[2:], "--reference", "mine")
    assert rank(photos, *again) == 2
    assert "scores of made.ckpt, another scorer than other.ckpt" in capsys.readouterr().err


def colourful(seed: int = 0, size: tuple[int, int] = (90, 60)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)


def test_what_photographs_are_like_in_the_wild(
    planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind gets the score of the plain picture, or a line that says why it has none."""
    import pillow_heif

    folder = tmp_path / "photos"
    (folder / "ü ber").mkdir(parents=True)
    plain = colourful()
    plain.save(folder / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.transpose(Image.Transpose.ROTATE_90).save(folder / "rotated.png", exif=exif)
    plain.convert("CMYK").save(folder / "cmyk.tif")
    heif = pillow_heif.from_pillow(plain)
    heif.save(folder / "phone.heic", quality=-1)
    odd = ["a'b\"c.png", "line\nbreak.png", "<script>alert(1)</script>.png".replace("/", "∕")]
    odd += ["{{ 7*7 }}.png", "ü ber/🦊 100%.png", "-rf.png"]
    for name in odd:
        plain.save(folder / name)
    (folder / "zero.jpg").write_bytes(b"")
    whole = (folder / "plain.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "page.jpg").write_text("<html>")
    (folder / "._plain.png").write_bytes(b"what a Mac leaves")
    out = tmp_path / "scores.parquet"
    places = ("--cache", tmp_path / "cache", "--sheet", tmp_path / "sheet", "--out", out)
    assert rank(folder, "--scorer", planted_checkpoint, *places) == 0
    rows = {row["image_id"]: row for row in pq.read_table(out).to_pylist()}
    bad = {name: row["problem"] for name, row in rows.items() if row["score"] is None}
    assert set(bad) == {"zero.jpg", "cut.png", "page.jpg"}
    assert "0 bytes" in bad["zero.jpg"]
    assert "cut short" in bad["cut.png"]
    assert "not an image" in bad["page.jpg"]
    assert not any(str(tmp_path) in why for why in bad.values())
    good = {name: row["score"] for name, row in rows.items() if name not in bad}
    assert set(good) == {"plain.png", "rotated.png", "cmyk.tif", "phone.heic", *odd}
    assert all(good[name] == good["plain.png"] for name in odd)
    # Turned upright the pixels are the same; CMYK and HEIC change colours by little.
    assert good["rotated.png"] == pytest.approx(good["plain.png"], abs=1e-4)
    sideways = tmp_path / "sideways"
    sideways.mkdir()
    plain.transpose(Image.Transpose.ROTATE_90).save(sideways / "x.png")
    assert rank(sideways, "--scorer", planted_checkpoint, *places) == 0
    far = abs(pq.read_table(out)["score"][0].as_py() - good["plain.png"])
    assert abs(good["cmyk.tif"] - good["plain.png"]) < far
    assert abs(good["phone.heic"] - good["plain.png"]) < far
    page = (tmp_path / "sheet" / "page.html").read_text()
    assert "<script>alert" not in page


def test_an_empty_folder_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert rank(tmp_path / "empty") == 2
    message = capsys.readouterr().err
    assert "no image in" in message and "dataset.images" not in message
    assert rank(tmp_path / "absent") == 2
    assert "nothing is at" in capsys.readouterr().err


def test_the_model_of_synthetic_scenes_is_refused(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from interestingness.learning.learner import CHECKPOINT_KEY
    from interestingness.models.backbones import SceneClipBackbone
    from interestingness.models.heads import LinearHead
    from interestingness.models.scaling import FeatureScaler
    from interestingness.models.scorer import Scorer

    backbone = SceneClipBackbone(weights="embedded")
    scorer = Scorer(backbone, FeatureScaler("none", backbone.dim), LinearHead(backbone.dim))
    frozen = set(scorer.frozen_names())
    node = {
        "_target_": "interestingness.models.backbones.SceneClipBackbone",
        "weights": "embedded",
    }
    record = {"model": {"backbone": node}, "label_source": {"name": "human"}, "question": "fun"}
    state = {f"scorer.{n}": v for n, v in scorer.state_dict().items() if n not in frozen}
    torch.save(
        {"state_dict": state, CHECKPOINT_KEY: {"scorer": scorer.spec(), "record": record}},
        tmp_path / "scenes.ckpt",
    )
    places = ("--cache", tmp_path / "cache", "--out", tmp_path / "x.parquet")
    assert rank(photos, "--scorer", tmp_path / "scenes.ckpt", *places) == 2
    assert "trained on synthetic scenes only" in capsys.readouterr().err
    assert not (tmp_path / "x.parquet").exists()


KILLED = """
import sys
from interestingness.scoring import image_scorer as scoring
scoring.PART = 8  # a kill costs what was not yet written
from interestingness import cli
cli.main(['rank', *sys.argv[1:]])
"""


@pytest.mark.slow
def test_killed_it_goes_on_where_it_was(planted_checkpoint: Path, tmp_path: Path) -> None:
    """Ended by SIGKILL after a first part was written; the second run computes the rest only."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(80):
        colourful(i).save(folder / f"{i:03d}.png")
    places = ["--cache", tmp_path / "cache", "--out", tmp_path / "scores.parquet"]
    places += ["--sheet", tmp_path / "sheet", "--scorer", planted_checkpoint]
    command = [sys.executable, "-c", KILLED, *map(str, [folder, *places])]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not list((tmp_path / "cache").glob("features/*/segment-*")):
            assert time.monotonic() < end and first.poll() is None
            time.sleep(0.005)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert first.returncode == -signal.SIGKILL
    assert not (tmp_path / "scores.parquet").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    computed, kept = map(int, re.findall(r"(\d+) computed, (\d+) from", again.stdout)[0])
    assert computed + kept == 80 and 8 <= kept < 80
    scores = {
        r["image_id"]: r["score"] for r in pq.read_table(tmp_path / "scores.parquet").to_pylist()
    }
    # A run that was never interrupted says the same.
    places[1] = tmp_path / "other cache"
    assert rank(folder, *places) == 0
    whole = {
        r["image_id"]: r["score"] for r in pq.read_table(tmp_path / "scores.parquet").to_pylist()
    }
    assert scores.keys() == whole.keys() and len(whole) == 80
    np.testing.assert_allclose(list(scores.values()), list(whole.values()), atol=1e-3)


@pytest.fixture()
def tar_folder(tmp_path: Path) -> Path:
    """Two shards in the layout of img2dataset: image, text and JSON by key."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    for shard in range(2):
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as tar:
            for i in range(3):
                key, data = f"{shard:05d}{i:04d}", io.BytesIO()
                colourful(3 * shard + i).save(data, "PNG")
                record = json.dumps({"url": f"https://example.org/{key}", "status": "success"})
                texts = [(".json", record.encode()), (".txt", b"words")]
                for suffix, content in [(".png", data.getvalue()), *texts]:
                    info = tarfile.TarInfo(key + suffix)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        (folder / f"{shard:05d}_stats.json").write_text("{}")
    return folder


def test_images_in_tar_files_score_as_files_do(
    tar_folder: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.parquet"
    common = ["--scorer", planted_checkpoint, "--out", out, "--sheet", tmp_path / "sheet"]
    assert rank(tar_folder, *common, "--cache", tmp_path / "a") == 0
    scores = {r["image_id"]: r["score"] for r in pq.read_table(out).to_pylist()}
    assert sorted(scores) == [f"{s:05d}.tar/{s:05d}{i:04d}.png" for s in (0, 1) for i in range(3)]
    assert "6 computed, 0 from the cache" in capsys.readouterr().out
    assert "data:image/" in (tmp_path / "sheet" / "page.html").read_text()
    assert rank(tar_folder / "*.tar", *common, "--cache", tmp_path / "a") == 0
    assert "0 computed, 6 from the cache" in capsys.readouterr().out
    files = tmp_path / "unpacked"
    for tar in tar_folder.glob("*.tar"):
        with tarfile.open(tar) as archive:
            archive.extractall(files / tar.name, filter="data")
    assert rank(files, *common, "--cache", tmp_path / "b") == 0
    unpacked = {r["image_id"]: r["score"] for r in pq.read_table(out).to_pylist()}
    assert unpacked == pytest.approx(scores, abs=1e-4)


def test_a_tar_file_that_is_none(tar_folder: Path, tmp_path: Path) -> None:
    whole = (tar_folder / "00000.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:700])
    with tarfile.open(tmp_path / "texts.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"))
    (tmp_path / "zipped.tar").write_bytes(gzip.compress(whole))
    for name, said in [("cut", "cut"), ("zipped", "zipped"), ("texts", "no image inside")]:
        with pytest.raises(DataError, match=said):
            find_photographs([tmp_path / f"{name}.tar"])


def test_pair_shards_give_each_image_once(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        colourful(i).save(tmp_path / name)
    pairs = [Pair.of(a, b) for a, b in combinations(names, 2)]
    tables = Tables.write(
        tmp_path,
        Manifest("tiny", "photographs"),
        {
            "images": pa.table({"image_id": names, "path": names}),
            "pairs": pa.table(
                {
                    "pair_id": [p.pair_id for p in pairs],
                    "left": [p.left for p in pairs],
                    "right": [p.right for p in pairs],
                }
            ),
        },
    )
    write_shards(tables, tmp_path / "shards", pairs_per_shard=4)
    found = find_photographs([tmp_path / "shards"])
    assert list(found.image_ids) == names
    for i, picture in enumerate(found):
        assert picture.read() == (tmp_path / names[i]).read_bytes()
    together = find_photographs([tmp_path / "shards", tmp_path / "2.png"])
    assert list(together.image_ids) == ["2.png", *(f"shards/{name}" for name in names)]


def test_stars_go_into_sidecars(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--scorer", planted_checkpoint, "--cache", tmp_path / "cache")
    common += ("--sheet", tmp_path / "sheet", "--out", tmp_path / "scores.parquet")
    before = {path: path.read_bytes() for path in photos.iterdir()}
    (photos / "3.png.xmp").write_text("<a person's>")
    assert rank(photos, *common, "--write-xmp") == 0
    assert "6 sidecars written; 1 left alone because they have a sidecar" in (
        capsys.readouterr().out
    )
    given = {
        path.name: int(re.findall(r'xmp:Rating="(\d)"', path.read_text())[0])
        for path in photos.glob("*.xmp")
        if path.name != "3.png.xmp"
    }
    rows = {r["image_id"]: r for r in pq.read_table(tmp_path / "scores.parquet").to_pylist()}
    assert len(given) == 6
    for name, number in given.items():
        share = rows[name.removesuffix(".xmp")]["percentile"]
        assert number == 1 + sum(share >= bound for bound in (0.1, 0.325, 0.675, 0.9))
    assert len(set(given.values())) > 2
    assert (photos / "3.png.xmp").read_text() == "<a person's>"
    assert all(path.read_bytes() == data for path, data in before.items())


def test_nothing_of_ones_own_is_written_over(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--scorer", planted_checkpoint, "--cache", tmp_path / "cache")
    labels, sheet = tmp_path / "votes.csv", tmp_path / "site"
    labels.write_text("left,right,choice\n")
    sheet.mkdir()
    (sheet / "page.html").write_text("<h1>mine</h1>")
    before = (photos / "2.png").read_bytes()
    new = ("--sheet", tmp_path / "new", "--out")
    assert rank(photos, *common, *new, photos / "2.png") == 2
    assert rank(photos, *common, *new, labels) == 2
    assert rank(photos, *common, "--sheet", sheet, "--out", tmp_path / "s.csv") == 2
    assert "another page.html" in capsys.readouterr().err
    assert (photos / "2.png").read_bytes() == before
    assert labels.read_text() == "left,right,choice\n"
    assert (sheet / "page.html").read_text() == "<h1>mine</h1>"
    assert rank(photos, *common, *new, tmp_path / "s.csv") == 0
    assert rank(photos, *common, *new, tmp_path / "s.csv") == 0  # our own table is replaced


@pytest.mark.parametrize(
    "places",
    [
        ("--out", "file/scores.parquet"),
        ("--out", "file/deep/scores.csv"),
        ("--out", "folder.csv"),
        ("--sheet", "file"),
        ("--sheet", "file/sheet"),
        ("--cache", "file/cache"),
    ],
    ids=" ".join,
)
def test_places_are_tried_before_anything_is_scored(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    places: tuple[str, str],
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be scored")

    monkeypatch.setattr("interestingness.commands.rank.make_scorer", never)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert rank(photos, *places) == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 1 and places[1].split("/")[0] in said
    assert not HYDRAS.search(said)
    assert sorted(tmp_path.rglob("*")) == before


HYDRAS = re.compile(r"\b(model|paths|data|optimizer|trust|head|weights|scorer)[\w./]*=")
"""Options of commands that Hydra composes."""


@pytest.mark.parametrize("command", ["rank", "export"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scorer", "no_such"), "name the folder"),
        (("--scorer", "runs"), "name a run folder"),
        (("--scorer", "bad.ckpt"), "name another file"),
        (("--scorer", "exported"), "install the package"),
        (("--scorer", "made.ckpt", "--weights", "gone.pt"), "--weights FILE"),
        (("--scorer", "made.ckpt", "--weights", "bad.ckpt"), "--weights FILE"),
        (("--scorer", "made.ckpt", "--head", "h.pth"), "leave out --head"),
        (("--scorer", "laion_aesthetic_b32", "--head", "gone.pth"), "--head"),
        (("--scorer", "laion_aesthetic_b32", "--head", "bad.ckpt"), "--head"),
        (("--scorer", "laion_aesthetic_b32"), "--head"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_errors_name_the_options_of_these_commands(
    command: str,
    options: tuple[str, ...],
    said: str,
    photos: Path,
    planted_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    (tmp_path / "runs").mkdir()
    (tmp_path / "bad.ckpt").write_text("no weights")
    shutil.copy(planted_checkpoint, "made.ckpt")
    assert command_of("export", "made.ckpt", "--out", "exported") == 0
    about = tmp_path / "exported" / "scorer.json"
    about.write_text(about.read_text().replace('"interestingness.models', '"unknown.models'))
    _, scorer, *more = options
    given = (photos, "--scorer", scorer) if command == "rank" else (scorer,)
    assert command_of(command, *given, *more, "--out", "new.csv") == 2
    told = capsys.readouterr().err
    assert said in told, told
    assert not HYDRAS.search(told.replace("scorer.file=", "").replace("scorer.weights=", "")), told


def no_network(*_: object, **__: object) -> None:
    raise OSError("no network here")


def test_pictures_of_the_sheet_link_to_their_files(
    photos: Path, planted_checkpoint: Path, tmp_path: Path
) -> None:
    (photos / "0.png").rename(photos / "a # 100%.png")
    sheet, out = tmp_path / "sheet", tmp_path / "scores.parquet"
    places = ("--cache", tmp_path / "cache", "--sheet", sheet, "--out", out)
    places += ("--near-duplicates", 1)
    assert rank(photos, "--scorer", planted_checkpoint, *places) == 0
    page = (sheet / "page.html").read_text()
    linked = {unquote(link) for link in re.findall(r'<a href="([^"]+)"[^>]*><img', page)}
    assert {(sheet / link).resolve() for link in linked} == set(photos.glob("*.png"))
    assert not any(str(tmp_path) in link for link in linked)


def test_tar_files_and_odd_things_do_not_hide_photographs(
    photos: Path, planted_checkpoint: Path, tmp_path: Path
) -> None:
    with tarfile.open(photos / "some.tar", "w") as archive:
        archive.add(photos / "5.png", "inside.png")
    (photos / "cut.tar").write_bytes((photos / "some.tar").read_bytes()[:700])
    os.mkfifo(photos / "pipe.jpg")
    (photos / "self.jpg").symlink_to("self.jpg")
    out = tmp_path / "scores.parquet"
    places = ("--cache", tmp_path / "cache", "--sheet", tmp_path / "sheet", "--out", out)
    assert rank(photos, "--scorer", planted_checkpoint, *places) == 0
    rows = {row["image_id"]: row for row in pq.read_table(out).to_pylist()}
    assert rows["some.tar/inside.png"]["score"] == rows["5.png"]["score"]
    assert rows["cut.tar"]["score"] is None
    assert rows["cut.tar"]["problem"]
    assert {"0.png", "1.png", "2.png", "3.png", "4.png"} <= set(rows)
    assert "pipe.jpg" not in rows


def test_a_head_goes_with_a_published_name(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--scorer", planted_checkpoint, "--head", tmp_path / "head.pth")
    assert rank(photos, *arguments, "--out", tmp_path / "x.csv") == 2
    assert "leave out --head" in capsys.readouterr().err


def test_without_a_hub_the_command_names_its_own_options(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "vit.safetensors"
    heads = Path(__file__).parents[3] / "shared" / "data" / "heads"
    head = heads / "LAION-AI__sa_0_4_vit_b_32_linear.pth"
    if not head.is_file():
        pytest.skip(f"no published head at {head}")
    arguments = ("--scorer", "laion_aesthetic_b32", "--head", head, "--weights", weights)
    assert rank(photos, *arguments, "--out", tmp_path / "x.csv") == 2
    message = capsys.readouterr().err
    assert "--weights FILE" in message
    assert "model/backbone" not in message


def test_parts_score_what_the_whole_scores(
    photos: Path, planted_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (photos, "--scorer", planted_checkpoint, "--sheet", tmp_path / "sheet")
    out = tmp_path / "scores.parquet"
    parts = ("--cache", tmp_path / "shared", "--out", out)
    for index in range(3):
        assert rank(*common, *parts, "--part", f"{index}/3") == 0
    assert "part 2/3: 2 of 8 images, 2 encoded, 0 unreadable" in capsys.readouterr().out
    assert not out.exists() and not (tmp_path / "sheet").exists()
    tables = [pq.read_table(tmp_path / f"scores.part-{i}-of-3.parquet") for i in range(3)]
    scored = {row["image_id"]: row for table in tables for row in table.to_pylist()}
    assert rank(*common, *parts) == 0
    assert "0 computed" in capsys.readouterr().out
    assert rank(*common, "--cache", tmp_path / "own", "--out", tmp_path / "alone.parquet") == 0
    alone = {r["image_id"]: r for r in pq.read_table(tmp_path / "alone.parquet").to_pylist()}
    whole = {row["image_id"]: row for row in pq.read_table(out).to_pylist()}
    assert scored.keys() == whole.keys() == alone.keys()
    for name, row in alone.items():
        assert scored[name]["score"] == pytest.approx(row["score"], abs=1e-5)
        assert whole[name]["score"] == pytest.approx(row["score"], abs=1e-5)
        assert scored[name]["problem"] == row["problem"]
    assert rank(*common, *parts, "--part", "3/3") == 2
    assert "part 3 of 3" in capsys.readouterr().err
