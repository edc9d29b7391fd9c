"""The command: table in, images and a report out."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from interestingness.commands.download import download
from interestingness.commands.options import parse
from interestingness.datasets.download.outcomes import JOURNAL, TABLE
from interestingness.datasets.download.table import read_items
from interestingness.errors import ConfigError, DataError

QUICK = ["--loopback-for-tests", "--pause", "0", "--attempts", "2", "--backoff", "0.01"]


@pytest.fixture
def table(host: Any, tmp_path: Path) -> Path:
    path = tmp_path / "photos.csv"
    rows = [f"{k},{host.url}/ok/{k}.jpg,{'CC BY' if k % 2 else ''}" for k in range(6)]
    rows += [f"dead{k},{host.url}/gone/{k},CC BY" for k in range(4)]
    rows += [f"p{k},{host.url}/placeholder/{k},CC0" for k in range(5)]
    rows += ["none,,CC0"]
    path.write_text("\n".join(["ImageID,ImageURL,license", *rows]))
    return path


def test_report_of_losses_and_licences(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "images"
    assert download(parse("download", [str(table), "ImageURL", "--out", str(out), *QUICK])) == 0
    said = capsys.readouterr().out
    assert "11 of 16 images are there (68.8 %" in said
    assert "4  gone: the host says that there is no such image" in said and "HTTP 404" in said
    assert "… and 1 more" in said and "1  address: no public http(s) address" in said
    assert "3  CC BY (of 7)" in said and "3  none stated (of 3)" in said
    assert "5  CC0 (of 6)" in said
    assert "5 images have the same content, like p0.png: probably a placeholder" in said
    rows = pq.read_table(out / TABLE).to_pylist()
    assert len(rows) == 16 and {row["license"] for row in rows} == {"CC BY", "", "CC0"}


def test_nothing_obtained_is_a_failure(
    host: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "photos.csv"
    path.write_text(f"url,x\n{host.url}/gone/1,1\n")
    words = [str(path), "url", "--out", str(tmp_path / "images"), *QUICK]
    assert download(parse("download", words)) == 1
    assert "0 of 1 images are there" in capsys.readouterr().out


def test_ids_from_addresses(tmp_path: Path) -> None:
    path = tmp_path / "urls.csv"
    path.write_text(
        "u\nhttp://a/1/x_y.jpg\nhttp://a/2/z.jpg\nhttp://b/2/z.jpg\nhttp://a/2/z.jpg\nhttp://a/\n"
    )
    items = read_items(path, "u")
    assert [item.image_id.partition("-")[0] for item in items[:3]] == ["x_y", "z", "z"]
    assert len(items) == 4 and len({item.image_id for item in items}) == 4


@pytest.mark.parametrize(
    "text, options, said",
    [
        ("id,url\n1,http://a/1\n", {}, "no column 'ImageURL'; found 'id', 'url'"),
        ("id,ImageURL\n1,http://a/1\n1,http://a/2\n", {}, "image '1' has two addresses"),
        ("id,ImageURL\n1,http://a/1\n,http://a/2\n", {}, "1 rows have no 'id'"),
        ("id,ImageURL\n1,http://a/1\n", {"license_column": "l"}, "no column 'l'"),
    ],
)
def test_a_wrong_table(text: str, options: dict[str, str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_items(path, "ImageURL", **options)
    assert said in str(error.value) and error.value.expected and error.value.todo


@pytest.mark.parametrize(
    "options", [["--per-host", "0"], ["--formats", "pdf"], ["--timeout", "nan"]]
)
def test_limits_that_cannot_be_meant(options: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        download(parse("download", [str(tmp_path / "t.csv"), "url", *options]))


def test_the_door_is_light_and_its_errors_are_short(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['interestingness', 'download', 'nowhere.csv', 'url']\n"
        "from interestingness.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "2 False\n" and done.stderr.startswith("error: nowhere.csv: there is no")


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_stopped_goes_on_where_it_was(
    stop: signal.Signals, host: Any, tmp_path: Path
) -> None:
    path, out = tmp_path / "photos.csv", tmp_path / "images"
    # The host holds back all but 30, so that the process is at work when it is stopped.
    urls = [f"{host.url}/{'ok' if k < 30 else 'held'}/{k}.jpg" for k in range(60)]
    path.write_text("\n".join(["id,url", *(f"{k},{url}" for k, url in enumerate(urls))]))
    words = ["interestingness", "download", str(path), "url", "--out", str(out)]
    words += ["--loopback-for-tests", "--per-host", "2", "--pause", "0"]
    # Jobs that a shell starts in the background ignore SIGINT, and so do their children.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-m", *words], stderr=subprocess.PIPE, preexec_fn=heed
    )
    journal = out / JOURNAL
    while not journal.is_file() or journal.read_bytes().count(b"\n") < 30:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(stop)
    said = process.communicate()[1].decode()
    host.open.set()
    there = {p.name for p in out.glob("[!.]*.jpg")}
    assert len(there) == 30
    if stop is signal.SIGINT:
        assert process.returncode == 130 and said.strip() == "interrupted"
        assert len(pq.read_table(out / TABLE)) >= 30
    else:
        assert journal.is_file() and not (out / TABLE).exists()
    (out / ".59.jpg.part").write_bytes(b"begun")
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
    assert done.returncode == 0 and "60 of 60 images are there" in done.stdout, done.stderr
    # Only what was under way when it stopped may have been asked for twice.
    twice = [path for path, times in host.asked.items() if times > 1]
    assert len(twice) <= 2 and len(host.asked) == 60
    rows = {row["image_id"]: row for row in pq.read_table(out / TABLE).to_pylist()}
    assert len(rows) == 60 and all((out / row["file"]).is_file() for row in rows.values())
    assert not list(out.glob(".*.part"))
