"""Downloads from a host that misbehaves."""

from __future__ import annotations

import hashlib
import json
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest

from interestingness.datasets.download.content import with_own
from interestingness.datasets.download.outcomes import JOURNAL, TABLE, Item, Journal
from interestingness.datasets.download.run import download_images
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.errors import DataError

ENDINGS = {
    "ok/1.jpg": "downloaded",
    "png/1": "downloaded",
    "cut-once/1": "downloaded",
    "error-once/1": "downloaded",
    "busy/1": "downloaded",
    "chain/3": "downloaded",
    "back/1": "downloaded",
    "gone/1": "gone",
    "gone/9": "gone",
    "forbidden/1": "refused",
    "html/1": "page",
    "binary/1": "not an image",
    "truncated/1": "not an image",
    "cut/1": "unreachable",
    "slow/1": "unreachable",
    "silent/1": "unreachable",
    "announced/1": "too large",
    "endless/1": "too large",
    "pixels/1": "too large",
    "always-busy/1": "busy",
    "error/1": "server error",
    "loop/a": "redirects",
    "chain/20": "redirects",
    "unavailable/1": "placeholder",
    "private/1": "address",
    "file/1": "address",
}


def items(host: Any, paths: list[str]) -> list[Item]:
    return [Item(path.replace("/", "-"), f"{host.url}/{path}") for path in paths]


def test_every_misbehaviour_has_its_own_ending(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    found = download_images(items(host, list(ENDINGS)), tmp_path / "images", settings=settings)
    assert {o.url.removeprefix(f"{host.url}/"): o.kind for o in found} == ENDINGS
    by_id = {o.image_id: o for o in found}
    assert by_id["png-1"].file == "png-1.png"  # by content, not by what the host called it
    assert by_id["ok-1.jpg"].file == "ok-1.jpg.jpg"
    assert by_id["chain-3"].final_url == f"{host.url}/ok/8.jpg"
    assert by_id["cut-once-1"].attempts == by_id["busy-1"].attempts == 2
    assert by_id["gone-1"].attempts == by_id["html-1"].attempts == 1
    assert "/photo_unavailable_l.png" in by_id["unavailable-1"].detail
    assert host.asked["/pw/images/en-us/photo_unavailable_l.png"] == 0
    waited = host.times["/busy/1"][1] - host.times["/busy/1"][0]
    assert waited >= 0.99  # Retry-After: 1
    # Nothing half-written: only whole images, the table and the lock.
    kept = {o.file for o in found if o.kept}
    assert {p.name for p in (tmp_path / "images").iterdir()} == kept | {TABLE, ".downloads.lock"}
    for outcome in found:
        if outcome.kept:
            data = (tmp_path / "images" / outcome.file).read_bytes()
            assert hashlib.sha256(data).hexdigest() == outcome.sha256
            assert (outcome.width, outcome.height) == (40, 30)


def test_one_in_ten_dead_politely_and_with_progress(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    paths = [f"gone/{k}" if k % 10 == 3 else f"ok/{k}.jpg" for k in range(100)]
    seen: list[tuple[int, int]] = []
    found = download_images(
        items(host, paths),
        tmp_path,
        settings=replace(settings, per_host=3, user_agent="somebody@example.org"),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert Counter(o.kind for o in found) == {"downloaded": 90, "gone": 10}
    assert host.most <= 3 and host.agents == {"somebody@example.org"}
    assert seen == [(k, 100) for k in range(1, 101)]
    assert sum(host.asked.values()) == 100


def test_a_second_run_asks_only_for_what_may_have_passed(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    paths = ["ok/1.jpg", "gone/1", "error/1", "html/1"]
    first = download_images(items(host, paths), tmp_path, settings=settings)
    host.asked.clear()
    second = download_images(items(host, paths), tmp_path, settings=settings)
    assert second == first
    assert set(host.asked) == {"/error/1"}
    download_images(items(host, paths), tmp_path, settings=settings, again=True)
    assert set(host.asked) == {"/error/1", "/gone/1", "/html/1"}


def test_the_record_keeps_images_of_other_tables(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    download_images(items(host, ["ok/1.jpg"]), tmp_path, settings=settings)
    download_images(items(host, ["ok/2.jpg"]), tmp_path, settings=settings)
    ids = pq.read_table(tmp_path / TABLE)["image_id"].to_pylist()
    assert ids == ["ok-1.jpg", "ok-2.jpg"]


def test_a_killed_run_leaves_a_journal_that_the_next_one_reads(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    paths = ["ok/1.jpg", "gone/1", "ok/2.jpg"]
    done = download_images(items(host, paths[:2]), tmp_path, settings=settings)
    (tmp_path / TABLE).unlink()  # as if it had been killed before the table was written
    journal = Journal(tmp_path)
    for outcome in done:
        journal.add(outcome)
    journal.close()
    with (tmp_path / JOURNAL).open("a") as stream:
        stream.write(json.dumps({"image_id": "torn"})[:9])
    host.asked.clear()
    found = download_images(items(host, paths), tmp_path, settings=settings)
    assert [o.kind for o in found] == ["downloaded", "gone", "downloaded"]
    assert set(host.asked) == {"/ok/2.jpg"} and not (tmp_path / JOURNAL).exists()


def test_files_of_ones_own_are_used_as_they_are(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    for folder in (out, other):
        folder.mkdir()
    (out / "ok-1.jpg.PNG").write_bytes(b"mine, whatever it is")
    (other / "ok-2.jpg.jpeg").write_bytes(b"mine too")
    (other / "ok-3.jpg.jpg").write_bytes(b"")  # empty: not a file that one has
    found = download_images(
        items(host, ["ok/1.jpg", "ok/2.jpg", "ok/3.jpg"]), out, have=[other], settings=settings
    )
    assert [o.kind for o in found] == ["already there", "already there", "downloaded"]
    assert found[0].file == "ok-1.jpg.PNG" and Path(found[1].file) == other / "ok-2.jpg.jpeg"
    assert (out / "ok-1.jpg.PNG").read_bytes() == b"mine, whatever it is"
    assert set(host.asked) == {"/ok/3.jpg"}


def test_verify_fetches_changed_files_again(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    wanted = items(host, ["ok/1.jpg", "ok/2.jpg"])
    first = download_images(wanted, tmp_path, settings=settings)
    path = tmp_path / first[0].file
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    host.asked.clear()
    assert download_images(wanted, tmp_path, settings=settings) == first  # same size: trusted
    assert not host.asked
    assert download_images(wanted, tmp_path, settings=settings, verify=True) == first
    assert set(host.asked) == {"/ok/1.jpg"}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first[0].sha256


def test_a_hash_that_was_promised(
    host: Any, misbehaving: ModuleType, settings: DownloadSettings, tmp_path: Path
) -> None:
    right = hashlib.sha256(misbehaving.picture(1)).hexdigest()
    wanted = [
        Item("right", f"{host.url}/ok/1.jpg", sha256=right),
        Item("wrong", f"{host.url}/ok/2.jpg", sha256=right),
    ]
    found = download_images(wanted, tmp_path, settings=settings)
    assert [o.kind for o in found] == ["downloaded", "not an image"]


def test_placeholders_of_ones_own(
    host: Any, misbehaving: ModuleType, settings: DownloadSettings, tmp_path: Path
) -> None:
    wanted = items(host, ["placeholder/1", "ok/1.jpg"])
    example = tmp_path / "example.png"
    example.write_bytes(misbehaving.PLACEHOLDER)
    md5 = hashlib.md5(misbehaving.PLACEHOLDER, usedforsecurity=False).hexdigest()
    size = f"{len(misbehaving.PLACEHOLDER)} bytes"
    for at, text in enumerate((md5, size, str(example))):
        found = download_images(
            wanted, tmp_path / str(at), settings=settings, placeholders=with_own([text])
        )
        assert [o.kind for o in found] == ["placeholder", "downloaded"]
    unknown = download_images(wanted, tmp_path / "unknown", settings=settings)
    assert [o.kind for o in unknown] == ["downloaded", "downloaded"]


def test_this_machine_is_refused_unless_a_test_allows_it(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    port = host.server_address[1]
    urls = [f"http://{name}:{port}/ok/1.jpg" for name in ("127.0.0.1", "localhost", "2130706433")]
    found = download_images(
        [Item(str(at), url) for at, url in enumerate(urls)],
        tmp_path,
        settings=replace(settings, loopback=False),
    )
    assert [o.kind for o in found] == ["address"] * 3
    assert "not public" in found[0].detail and not host.asked


def test_a_public_name_that_resolves_to_a_private_address(
    host: Any, settings: DownloadSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(name: str, port: int, *args: Any, **options: Any) -> list[Any]:
        assert name == "photos.example.org"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.1.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = download_images(
        [Item("a", "http://photos.example.org/a.jpg")], tmp_path, settings=settings
    )
    assert found[0].kind == "address" and "not public" in found[0].detail


def test_a_dead_host_does_not_hold_up_the_others(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
        wanted = [Item(f"dead-{k}", f"{dead}/{k}.jpg") for k in range(50)]
        wanted += items(host, [f"ok/{k}.jpg" for k in range(10)])
        found = download_images(wanted, tmp_path, settings=replace(settings, dead_after=6))
    assert Counter(o.kind for o in found) == {"unreachable": 50, "downloaded": 10}
    assert sum(o.attempts for o in found[:50]) < 20
    assert "did not answer" in found[49].detail and not found[49].final


def test_a_host_that_wants_to_be_left_alone_is(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    wanted = items(host, [f"later/{k}" for k in range(30)])
    found = download_images(wanted, tmp_path, settings=replace(settings, per_host=1))
    assert {o.kind for o in found} <= {"busy", "unreachable"} and not any(o.final for o in found)
    assert sum(host.asked.values()) == 1
    assert "asks to come back in 86400 s" in found[-1].detail


def test_a_host_that_does_not_say_how_long(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    wanted = items(host, ["crowded/1", *(f"ok/{k}.jpg" for k in range(8))])
    patient = replace(settings, per_host=2, backoff_s=0.3)
    found = download_images(wanted, tmp_path, settings=patient)
    assert all(o.kind == "downloaded" for o in found)
    refused = host.times["/crowded/1"][0]
    # what was under way at that time aside, all places at the host wait
    later = [host.times[f"/ok/{k}.jpg"][0] - refused for k in range(3, 8)]
    assert min(later) >= 0.25


def test_bad_addresses_are_counted_and_never_asked(
    settings: DownloadSettings, tmp_path: Path
) -> None:
    urls = ["", "not a url", "ftp://example.org/a.jpg", "http://", "http://u:p@example.org/a.jpg"]
    urls += ["file:///etc/passwd", "http://[::1", "http://example.org:99999/a.jpg"]
    found = download_images(
        [Item(str(at), url) for at, url in enumerate(urls)], tmp_path, settings=settings
    )
    assert {o.kind for o in found} == {"address"} and all(o.detail for o in found)


@pytest.mark.parametrize("ids", [["a", "a"], ["a", "A"]])
def test_ids_that_would_be_one_file(
    ids: list[str], settings: DownloadSettings, tmp_path: Path
) -> None:
    wanted = [Item(name, f"http://example.org/{at}") for at, name in enumerate(ids)]
    with pytest.raises(DataError, match=r"occurs twice|would be one file"):
        download_images(wanted, tmp_path / "out", settings=settings)
    assert not (tmp_path / "out").exists()


def test_ids_that_are_paths_stay_in_the_folder(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    names = ["../../evil", "/etc/passwd", ".hidden", "a/b", "Zürich 1", "x" * 300]
    wanted = [Item(name, f"{host.url}/ok/{at}.jpg") for at, name in enumerate(names)]
    found = download_images(wanted, tmp_path / "out", settings=settings)
    assert all(o.kind == "downloaded" for o in found)
    assert len(list((tmp_path / "out").glob("[!.]*.jpg"))) == len(names)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_two_downloads_into_one_folder(
    host: Any, settings: DownloadSettings, tmp_path: Path
) -> None:
    from filelock import FileLock

    with (
        FileLock(tmp_path / ".downloads.lock"),
        pytest.raises(DataError, match="another download"),
    ):
        download_images(items(host, ["ok/1.jpg"]), tmp_path, settings=settings)
    assert not host.asked


def test_a_damaged_record_is_one_clear_error(settings: DownloadSettings, tmp_path: Path) -> None:
    (tmp_path / TABLE).write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"downloads\.parquet: cannot be read"):
        download_images([Item("a", "http://example.org/a")], tmp_path, settings=settings)
