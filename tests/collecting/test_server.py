"""The HTTP side: who comes in, what is refused, what never reaches the page."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from interestingness.collecting.server import BODY, Admission, make_app
from interestingness.collecting.session import VotingSession
from interestingness.collecting.store import VoteStore
from interestingness.commands.collect import collect, read_pairs, results
from interestingness.commands.options import parse
from interestingness.commands.web import reachable
from interestingness.errors import InterestingnessError

HOSTS = frozenset(("localhost",))


@pytest.fixture
def client(session: VotingSession, store: VoteStore, tmp_path: Path) -> Iterator[TestClient]:
    app = make_app(session, Admission(HOSTS), lambda: results(store, tmp_path / "page"))
    with TestClient(app, base_url="http://localhost:8000") as opened:
        yield opened


def enter(client: TestClient, name: str = "ann") -> None:
    assert client.post("/api/enter", json={"name": name}).status_code == 200


def answered(client: TestClient, number: int, choice: str = "left") -> dict[str, Any]:
    pair = client.post("/api/next", json={"tab": "tab1"}).json()["next"][0]
    client.post("/api/shown", json={"token": pair["token"]})
    body = {"tab": "tab1", "token": pair["token"], "key": f"key-{number:06d}", "choice": choice}
    found = client.post("/api/answer", json=body)
    assert found.status_code == 200
    return dict(found.json())


def test_a_vote_from_page_to_table(client: TestClient, store: VoteStore) -> None:
    assert client.get("/api/state").json()["rater"] is None
    enter(client)
    assert client.get("/api/state").json() | {"votes": 0} == client.get("/api/state").json()
    assert [answered(client, n)["votes"] for n in range(3)] == [1, 2, 3]
    assert client.post("/api/undo", json={"tab": "tab1", "key": "undo-1234"}).json()["votes"] == 2
    assert client.get("/api/statistics").json()["votes"] == 2
    ((shown,),) = store.rows("SELECT count(*) FROM appearance WHERE shown_at IS NOT NULL")
    assert shown == 3
    page = client.get("/results")
    assert page.status_code == 200 and "<h1" in page.text and "photograph " in page.text
    assert ".jpg" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


def test_pictures_and_pages_name_no_file(client: TestClient, photos: Path) -> None:
    enter(client)
    pair = client.post("/api/next", json={"tab": "tab1"}).json()["next"][0]
    picture = client.get(f"/image/{pair['left']}")
    assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"
    told = client.get("/").text + json.dumps(pair) + str(picture.headers)
    assert not any(path.name in told for path in photos.rglob("*.jpg"))
    for path in ("/image/absent", "/image/..%2f..%2fetc%2fpasswd", "/static/server.py", "/nothing"):
        assert client.get(path).status_code == 404


def test_other_hosts_pages_and_bodies_are_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/api/enter", json={"name": "x"}, headers=foreign).status_code == 403
    own = {"Origin": "http://localhost:8000"}
    assert client.post("/api/enter", json={"name": "x"}, headers=own).status_code == 200
    form = {"Content-Type": "text/plain"}
    assert client.post("/api/enter", content='{"name": "x"}', headers=form).status_code == 415
    large = {"name": "x" * BODY}
    assert client.post("/api/enter", json=large).status_code == 413
    for body in ({}, {"name": 3}, [], {"name": ""}):
        assert client.post("/api/enter", json=body).status_code == 422
    assert client.get("/api/answer").status_code == 405


def test_nobody_votes_without_a_name(client: TestClient) -> None:
    assert client.post("/api/next", json={"tab": "tab1"}).status_code == 401
    client.cookies.set("rater", "zz")
    assert client.post("/api/next", json={"tab": "tab1"}).status_code == 401
    enter(client)
    wrong = {"tab": "tab1", "token": "x", "key": "key-12345", "choice": "left"}
    assert client.post("/api/answer", json=wrong).status_code == 422
    cookie = client.post("/api/enter", json={"name": "ann"}).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    client.post("/api/leave", json={})
    assert client.get("/api/state").json()["rater"] is None


def test_the_token_opens_the_page_once(session: VotingSession) -> None:
    admission = Admission(None, "a-long-token", True)
    app = make_app(session, admission, lambda: None)
    with TestClient(app, base_url="https://photos.example", follow_redirects=False) as client:
        assert client.get("/").status_code == 401
        assert client.get("/?token=another").status_code == 401
        let_in = client.get("/?token=a-long-token")
        assert let_in.status_code == 303 and "token" not in let_in.headers["location"]
        assert "secure" in let_in.headers["set-cookie"].lower()
        assert client.get("/").status_code == 200 and client.get("/results").status_code == 404


def test_an_image_that_is_left_out_or_broken(client: TestClient, photos: Path) -> None:
    enter(client)
    for file in photos.rglob("*.jpg"):
        file.write_bytes(b"<svg onload=alert(1)>")
    pair = client.post("/api/next", json={"tab": "tab1"}).json()["next"][0]
    assert client.get(f"/image/{pair['left']}").status_code == 422
    gone = {"image": pair["left"], "why": "broken"}
    assert client.post("/api/exclude", json=gone).status_code == 200
    assert client.post("/api/exclude", json=gone | {"image": "x"}).status_code == 422
    again = client.post("/api/next", json={"tab": "tab1"}).json()["next"]
    assert all(pair["left"] not in (one["left"], one["right"]) for one in again)
    assert answered(client, 1, "failed")["votes"] == 0


def test_what_cannot_be_stored_is_not_acknowledged(
    client: TestClient, store: VoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(client)
    pair = client.post("/api/next", json={"tab": "tab1"}).json()["next"][0]

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    body = {"tab": "tab1", "token": pair["token"], "key": "key-12345", "choice": "left"}
    with monkeypatch.context() as patch:
        patch.setattr(store, "answer", full)
        refused = client.post("/api/answer", json=body)
    assert refused.status_code == 507 and "votes" not in refused.json()
    assert client.post("/api/answer", json=body).json()["votes"] == 1


def test_options_that_cannot_be_meant(photos: Path, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        store = str(tmp_path / "v.sqlite")
        with pytest.raises(InterestingnessError) as found:
            collect(parse("collect", [str(photos), "--store", store, "--port", "0", *words]))
        return found.value.found

    assert "--tls-key" in refused("--tls-cert", "c.pem")
    assert "--pairs" in refused("--single", "5", "--pairs", "p.csv")
    assert "token" in refused("--token", "short") and "token" in refused("--token", "a b" * 9)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2026:05:01 12:00:00"
    for file in photos.rglob("*.jpg"):
        Image.new("RGB", (9, 9)).save(file, exif=exif)
    assert "burst" in refused()


def test_the_printed_address_can_be_reached() -> None:
    assert reachable("192.0.2.7") == "192.0.2.7" and reachable("fe80::1") == "[fe80::1]"
    assert reachable("photos.example") == "photos.example"
    assert all(reachable(every) not in ("0.0.0.0", "::", "") for every in ("0.0.0.0", "::"))


def test_a_list_of_pairs_is_read_as_any_table(photos: Path, tmp_path: Path) -> None:
    id_of = {"a b.jpg": "1", "e.jpg": "2", "sub/ü€.jpg": "3"}
    table = tmp_path / "pairs.csv"
    table.write_text("\ufeffimage_a;image_b\n./e.jpg;a b.jpg\nsub/ü€.jpg;e.jpg\na b.jpg;e.jpg\n")
    found = read_pairs(table, photos, id_of)
    assert [sorted(pair) for pair in found] == [["1", "2"], ["2", "3"]]
    table.write_text("left,right\ne.jpg,absent.jpg\n")
    with pytest.raises(InterestingnessError, match=r"absent\.jpg"):
        read_pairs(table, photos, id_of)
