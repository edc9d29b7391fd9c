"""Collecting from a local imitation of Flickr's API."""

from __future__ import annotations

import csv
import importlib.util
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from interestingness.commands.collect_flickr import collect_flickr
from interestingness.commands.options import parse
from interestingness.datasets.flickr.api import KEY, Flickr
from interestingness.datasets.flickr.collect import collect
from interestingness.datasets.lafin import prepare_lafin
from interestingness.errors import ConfigError, DataError

FIRST, LAST = date(2012, 5, 1), date(2012, 5, 3)


@pytest.fixture(scope="session")
def imitation() -> Any:
    path = Path(__file__).with_name("imitation.py")
    spec = importlib.util.spec_from_file_location("flickr_imitation", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["flickr_imitation"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server(imitation: Any) -> Iterator[Any]:
    made = imitation.Imitation()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def flickr(server: Any, imitation: Any) -> Callable[..., Flickr]:
    quick = {"endpoint": server.url, "per_hour": 1e9, "backoff_s": 0.0}
    return lambda **options: Flickr(imitation.KEY, **quick | options)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_balanced_list_of_three_days(
    server: Any, flickr: Callable[..., Flickr], tmp_path: Path
) -> None:
    found = collect(flickr(), tmp_path, first=FIRST, last=LAST)
    rows = rows_of(found.table)
    by_day = Counter((row["date"], row["interesting"]) for row in rows)
    for day in ("2012-05-01", "2012-05-02", "2012-05-03"):
        listed = {photo["id"] for photo in server.photos_of(day)[:40]}
        mine = {r["photo_id"] for r in rows if r["date"] == day and r["interesting"] == "1"}
        others = {r["photo_id"] for r in rows if r["date"] == day and r["interesting"] == "0"}
        usable = {
            p["id"]
            for p in server.photos_of(day)[:40]
            if any("explor" not in t for t in p["tags"].split()) and "url_z" in p
        }
        assert mine == usable and others.isdisjoint(listed)
        assert by_day[day, "1"] == by_day[day, "0"] > 15
        hours = {int(r["date_upload"]) // 3600 % 24 for r in rows if r["photo_id"] in others}
        assert len(hours) > 5  # not the first minutes of the day
    assert len({row["photo_id"] for row in rows}) == len(rows) == 2 * found.interesting
    assert all(row["url"].endswith(("_l.jpg", "_z.jpg")) for row in rows)
    largest = {p["id"]: p.get("url_l", p.get("url_z")) for p in server.photos_of("2012-05-01")}
    assert all(r["url"] == largest[r["photo_id"]] for r in rows if r["date"] == "2012-05-01")
    assert rows[0]["description"] == "a description,\nof two lines"
    assert {row["license"] for row in rows} > {"CC BY 2.0", "All Rights Reserved"}
    assert {row["location"] for row in rows} == {"", "47.5,8.7"}
    assert found.counts["without_tags"] > 0 and server.paths == {"/services/rest/"}


def test_what_is_collected_is_a_data_set(flickr: Callable[..., Flickr], tmp_path: Path) -> None:
    found = collect(flickr(), tmp_path / "flickr", first=FIRST, last=LAST)
    tables = prepare_lafin(
        tmp_path / "cache", photos=found.table, download=False, features=["tags", "title"],
        leaking_tags="removed", pairs_per_image=2, seed=0,
    )  # fmt: skip
    facts = tables.manifest.facts
    assert facts["interesting"] == facts["others"] == found.interesting
    assert facts["images_with_too_few_tags"] == 0 and facts["tags_that_leak"] > 10
    assert facts["share_of_other_images_with_one"] == 0


def test_resumed_where_it_stopped(
    server: Any, flickr: Callable[..., Flickr], tmp_path: Path
) -> None:
    whole = collect(flickr(), tmp_path / "whole", first=FIRST, last=LAST)
    server.asked.clear()
    server.stop_after = whole.queries // 2
    with pytest.raises(DataError, match="what is collected is kept"):
        collect(flickr(attempts=2), tmp_path / "parts", first=FIRST, last=LAST)
    assert not (tmp_path / "parts" / "photos.csv").exists()
    days = sorted(p.name for p in (tmp_path / "parts" / "days").iterdir())
    assert days == ["2012-05-01.json"]
    server.stop_after = 10**9
    server.asked.clear()
    parts = collect(flickr(), tmp_path / "parts", first=FIRST, last=LAST)
    assert server.asked["flickr.interestingness.getList"] == 2
    assert parts.table.read_bytes() == whole.table.read_bytes() and parts.days == (3, 1)
    server.asked.clear()
    collect(flickr(), tmp_path / "parts", first=FIRST, last=LAST)
    assert not server.asked
    with pytest.raises(DataError, match="collected with"):
        collect(flickr(), tmp_path / "parts", first=FIRST, last=LAST, seed=1)


def test_fewer_a_day(flickr: Callable[..., Flickr], tmp_path: Path) -> None:
    found = collect(flickr(), tmp_path, first=FIRST, last=FIRST, per_day=10)
    assert found.interesting == 10 and found.counts["surplus"] > 0


def test_failures_that_pass(server: Any, flickr: Callable[..., Flickr], tmp_path: Path) -> None:
    server.trouble = [
        (503, "down"), (429, "slowly"), (200, "<html>maintenance</html>"),
        (200, '{"stat": "fail", "code": 105, "message": "Service currently unavailable"}'),
    ]  # fmt: skip
    found = collect(flickr(), tmp_path, first=FIRST, last=FIRST)
    assert found.interesting > 15 and not server.trouble


def test_failures_that_do_not(server: Any, imitation: Any, tmp_path: Path) -> None:
    wrong = Flickr("my-secret-key", endpoint=server.url, per_hour=1e9)
    with pytest.raises(ConfigError, match=KEY) as error:
        collect(wrong, tmp_path, first=FIRST, last=LAST)
    assert "my-secret-key" not in str(error.value) and server.asked.total() == 1
    good = Flickr(imitation.KEY, endpoint=server.url, per_hour=1e9)
    with pytest.raises(DataError, match="code 1, Not a valid date"):
        collect(good, tmp_path, first=date(2003, 1, 1), last=LAST)
    nobody = Flickr(imitation.KEY, endpoint="http://127.0.0.1:9/", per_hour=1e9, attempts=2)
    nobody._backoff_s = 0
    with pytest.raises(DataError, match="2 times"):
        collect(nobody, tmp_path, first=FIRST, last=LAST)


def test_an_even_pace(server: Any, flickr: Callable[..., Flickr], tmp_path: Path) -> None:
    waited: list[float] = []
    slow = flickr(per_hour=3600 * 50)  # one in 20 ms
    for _ in range(4):
        began = slow._next
        slow.ask("flickr.interestingness.getList", date="2012-05-01", per_page=5, page=1)
        waited.append(slow._next - began)
    assert all(pause >= 0.0199 for pause in waited[1:])


def test_the_command(
    server: Any, imitation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    days = ["--from", "2012-05-01", "--to", "2012-05-02", "--out", str(tmp_path / "out")]
    rest = ["--endpoint-for-tests", server.url, "--per-hour", "1e9"]
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(ConfigError, match="FLICKR_API_KEY is not set"):
        collect_flickr(parse("collect-flickr", [*days, *rest]))
    monkeypatch.setenv(KEY, imitation.KEY)
    collect_flickr(parse("collect-flickr", [*days, *rest]))
    said = capsys.readouterr().out
    assert "interesting photos and as many others" in said and "left out: without tags" in said
    assert imitation.KEY not in said
    for wrong in (["--from", "2012-05-03"], ["--to", "soon"], ["--per-day", "501"]):
        with pytest.raises(ConfigError):
            collect_flickr(parse("collect-flickr", [*days, *rest, *wrong]))
    assert not any(imitation.KEY in p.read_text() for p in (tmp_path / "out").rglob("*.json"))
