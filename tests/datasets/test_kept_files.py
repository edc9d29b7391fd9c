"""Copies and links of chosen photographs: nothing is moved, replaced or lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from interestingness.datasets.kept_files import KeptFolder, check_target
from interestingness.errors import ConfigError


def made(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_copies_keep_names_times_and_companions(tmp_path: Path) -> None:
    photo = made(tmp_path / "in" / "a.jpg", "picture")
    os.utime(photo, (1_000_000, 1_000_000))
    raw, sidecar = made(tmp_path / "in" / "A.CR2", "raw"), made(tmp_path / "in/a.jpg.xmp", "stars")
    folder = KeptFolder(tmp_path / "best")
    folder.put([photo, raw], [sidecar])
    assert content(tmp_path / "best") == {"a.jpg": "picture", "A.CR2": "raw", "a.jpg.xmp": "stars"}
    assert (tmp_path / "best" / "a.jpg").stat().st_mtime == 1_000_000
    assert photo.read_text() == "picture" and folder.counts == {"copied": 3}
    again = KeptFolder(tmp_path / "best")
    again.put([photo, raw], [sidecar])
    assert again.counts == {"already there": 3}


@pytest.mark.parametrize("link", [False, True])
def test_equal_names_get_one_number_for_all_files_of_a_photograph(
    tmp_path: Path, link: bool
) -> None:
    for place in ("one", "two", "three"):
        made(tmp_path / place / "a.jpg", place)
    made(tmp_path / "two" / "a.cr2", "raw of two")
    made(tmp_path / "three" / "A.JPG.xmp", "stars of three")
    for _ in range(2):  # the second time nothing is added
        folder = KeptFolder(tmp_path / "best", link)
        folder.put([tmp_path / "one" / "a.jpg"])
        folder.put([tmp_path / "two" / "a.jpg", tmp_path / "two" / "a.cr2"])
        folder.put([tmp_path / "three" / "a.jpg"], [tmp_path / "three" / "A.JPG.xmp"])
    assert content(tmp_path / "best") == {
        "a.jpg": "one", "a (2).jpg": "two", "a (2).cr2": "raw of two", "a (3).jpg": "three",
        "a (3).xmp": "stars of three",
    }  # fmt: skip
    assert folder.counts == {"already there": 5}
    assert all(path.is_symlink() == link for path in (tmp_path / "best").iterdir())


def test_a_sidecar_that_changed_makes_no_second_copy(tmp_path: Path) -> None:
    photo, sidecar = made(tmp_path / "in" / "a.jpg", "a"), made(tmp_path / "in" / "a.xmp", "3")
    KeptFolder(tmp_path / "best").put([photo], [sidecar])
    made(tmp_path / "best" / "a.xmp", "5, by a person who looked at the copy")
    again = KeptFolder(tmp_path / "best")
    again.put([photo], [sidecar])
    assert set(content(tmp_path / "best")) == {"a.jpg", "a.xmp"}
    assert content(tmp_path / "best")["a.xmp"].startswith("5")
    assert again.counts["already there"] == 1 and again.counts.total() == 2


def test_nothing_of_another_is_written_over(tmp_path: Path) -> None:
    photo = made(tmp_path / "in" / "a.jpg", "mine")
    precious = made(tmp_path / "precious.jpg", "precious")
    best = tmp_path / "best"
    best.mkdir()
    (best / "a.jpg").symlink_to(precious)  # writing to it would write through it
    (best / "a (2).jpg").mkdir()
    (best / "a (3).jpg").symlink_to("nowhere")
    KeptFolder(best).put([photo])
    assert precious.read_text() == "precious"
    assert (best / "a.jpg").is_symlink() and (best / "a (4).jpg").read_text() == "mine"
    assert not (tmp_path / "best" / "nowhere").exists()


def test_names_that_other_disks_take_for_one(tmp_path: Path) -> None:
    folder = KeptFolder(tmp_path / "best")
    names = ["e\u0301.jpg", "\u00e9.jpg", "\u00c9.JPG", "line\nbreak'\".jpg", "🦊.jpg"]
    for number, name in enumerate(names):
        folder.put([made(tmp_path / "in" / str(number) / name, name)])
    there = content(tmp_path / "best")
    assert len(there) == 5 and set(there.values()) == set(names)
    assert {"\u00e9 (2).jpg", "\u00c9 (3).JPG", "line\nbreak'\".jpg"} <= set(there)


def test_the_longest_names(tmp_path: Path) -> None:
    name = "ü" * 125 + ".jpg"  # 254 bytes
    folder = KeptFolder(tmp_path / "best")
    for place in ("one", "two"):
        folder.put([made(tmp_path / place / name, place)])
    assert sorted(content(tmp_path / "best").values()) == ["one", "two"]
    assert all(len(os.fsencode(path.name)) <= 255 for path in (tmp_path / "best").iterdir())


def test_links_lead_to_the_file_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "in" / "a.jpg", "picture")
    monkeypatch.chdir(tmp_path)
    KeptFolder(tmp_path / "best", link=True).put([Path("in/a.jpg")])
    (tmp_path / "best").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "a.jpg").read_text() == "picture"


def test_what_cannot_be_read_is_counted_and_the_rest_copied(tmp_path: Path) -> None:
    folder = KeptFolder(tmp_path / "best")
    folder.put([tmp_path / "gone.jpg"])
    folder.put([made(tmp_path / "in" / "a.jpg", "picture")])
    assert folder.counts == {"cannot be read": 1, "copied": 1}
    assert str(tmp_path / "gone.jpg") in folder.problems
    assert content(tmp_path / "best") == {"a.jpg": "picture"}


def test_pictures_of_tar_files(tmp_path: Path) -> None:
    folder = KeptFolder(tmp_path / "best")
    for data in (b"one", b"two", b"one"):
        folder.put_bytes("a.jpg", data)
    assert content(tmp_path / "best") == {"a.jpg": "one", "a (2).jpg": "two"}


def test_leftovers_of_a_killed_run_go(tmp_path: Path) -> None:
    best = tmp_path / "best"
    made(best / ".interestingness-copy-999999999-abc", "half a pict")
    made(best / f".interestingness-copy-{os.getpid()}-abc", "of a run under way")
    KeptFolder(best).put([made(tmp_path / "in" / "a.jpg", "picture")])
    left = {f".interestingness-copy-{os.getpid()}-abc"} if Path("/proc").is_dir() else set()
    assert {path.name for path in best.iterdir()} - left == {"a.jpg"} or not left


COPYING = """
import sys
from pathlib import Path
from interestingness.datasets.kept_files import KeptFolder
folder = KeptFolder(Path(sys.argv[2]))
for path in sorted(Path(sys.argv[1]).iterdir()):
    folder.put([path])
    print(path.name, flush=True)
"""


def test_after_a_kill_every_copy_is_whole_and_the_same_command_ends_the_work(
    tmp_path: Path,
) -> None:
    data = os.urandom(1 << 20)
    (tmp_path / "in").mkdir()
    for number in range(30):
        (tmp_path / "in" / f"{number:02d}.jpg").write_bytes(bytes([number]) + data)
    words = [sys.executable, "-c", COPYING, str(tmp_path / "in"), str(tmp_path / "best")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        for _ in range(3):
            job.stdout.readline()
        job.kill()
    there = [path for path in (tmp_path / "best").iterdir() if not path.name.startswith(".")]
    assert len(there) >= 3
    assert all(path.read_bytes() == (tmp_path / "in" / path.name).read_bytes() for path in there)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == [
        f"{number:02d}.jpg" for number in range(30)
    ]


def test_a_folder_that_would_be_ranked_is_refused(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (tmp_path / "alias").symlink_to(photos)
    file = made(tmp_path / "file", "")
    for target in (photos, photos / "best", tmp_path / "alias" / "best", file):
        with pytest.raises(ConfigError, match="--copy-to"):
            check_target(target, [photos], "--copy-to")
    with pytest.raises(ConfigError):
        check_target(photos / "best", [tmp_path / "alias"], "--copy-to")
    assert check_target(tmp_path / "alias" / ".." / "best", [photos], "") == tmp_path / "best"
