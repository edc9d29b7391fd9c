"""The page in a real browser, and the server under kill −9."""

from __future__ import annotations

import asyncio
import csv
import random
import re
import shutil
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import browser
import httpx
import pytest
from collect_process import Server, read

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def server(photos: Path, tmp_path: Path) -> Iterator[Server]:
    made = Server(photos, tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


@pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed")
def test_a_person_votes_undoes_and_loses_nothing_while_the_server_is_down(
    server: Server, tmp_path: Path
) -> None:
    server.start()

    async def person() -> None:
        async with browser.opened(server.address, tmp_path / "profile") as page:
            await page.until("!document.getElementById('entry').hidden")
            await page.run("document.getElementById('name').value = 'ann'")
            await page.run("document.querySelector('#entry button').click()")
            ready = "!document.getElementById('left').disabled && vote.dataset.token"
            boxes = "[...document.querySelectorAll('button')].map((b) => b.getBoundingClientRect())"
            places = f"JSON.stringify({boxes})"
            token, before = await page.until(ready), await page.run(places)
            for number, key in enumerate(("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"), 1):
                await page.press(key)
                await page.until(
                    f"document.getElementById('status').textContent === 'Saved: {number}'"
                )
                token = await page.until(
                    f"{ready} && vote.dataset.token !== '{token}' && vote.dataset.token"
                )
            assert await page.run(places) == before  # nothing moves with another pair
            await page.press("Backspace")
            await page.until("document.getElementById('status').textContent.includes('Saved: 3')")
            token = await page.until(
                f"{ready} && vote.dataset.token !== '{token}' && vote.dataset.token"
            )
            server.kill()
            for _ in range(2):  # of pairs that were fetched ahead
                await page.press("ArrowRight")
                token = await page.until(
                    f"{ready} && vote.dataset.token !== '{token}' && vote.dataset.token"
                )
            await page.until(
                "document.getElementById('status').textContent.startsWith('Not saved yet: 2')"
            )
            await page.call("Page.navigate", url="about:blank")  # the browser keeps them
            server.start()
            await page.call("Page.navigate", url=server.address)
            votes = "fetch('/api/statistics').then((r) => r.json()).then((x) => x.votes === 5)"
            await page.until(votes)
            await page.picture(tmp_path / "page.png")

    asyncio.run(person())
    assert server.stop() == 0
    # A picture that did not arrive because the server was gone is no picture that failed.
    assert not read(server.store, "SELECT 1 FROM answer WHERE choice = 'failed'")
    with open(server.store.with_suffix(".csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    choices = [row["choice"] for row in rows]
    assert choices == ["left", "right", "tie", "right", "right"] and {r["rater"] for r in rows} == {
        "ann"
    }
    assert all(float(row["response_ms"]) > 0 and row["shown_at"] for row in rows)


@pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed")
def test_single_photographs_are_rated_by_keys_and_buttons(photos: Path, tmp_path: Path) -> None:
    server = Server(photos, tmp_path, "--single", "5")
    server.start()

    async def person() -> None:
        async with browser.opened(server.address, tmp_path / "profile") as page:
            await page.until("!document.getElementById('entry').hidden")
            await page.run("document.getElementById('name').value = 'ann'")
            await page.run("document.querySelector('#entry button').click()")
            ready = "!document.getElementById('left').disabled && vote.dataset.token"
            token = await page.until(ready)
            await page.press("9")  # is no point of the scale
            await page.press("ArrowLeft")
            for number, vote in enumerate(("4", "2", "5"), 1):
                if number == 2:
                    await page.run("document.querySelector('#scale [data-choice=\"2\"]').click()")
                else:
                    await page.press(vote)
                token = await page.until(
                    f"{ready} && vote.dataset.token !== '{token}' && vote.dataset.token"
                )
            await page.until("document.getElementById('status').textContent === 'Saved: 3'")

    try:
        asyncio.run(person())
    finally:
        assert server.stop() == 0
    with open(server.store.with_suffix(".csv"), newline="", encoding="utf-8") as file:
        assert [row["rating"] for row in csv.DictReader(file)] == ["4", "2", "5"]


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_and_doubles_no_answer(
    server: Server, tmp_path: Path
) -> None:
    rng, sent, acknowledged = random.Random(0), set(), set()
    for _ in range(20):
        server.start()
        assert server.process is not None
        killer = subprocess.Popen(
            [sys.executable, "-c", "import os, sys, time; time.sleep(float(sys.argv[2])); "
             "os.kill(int(sys.argv[1]), 9)", str(server.process.pid), str(rng.random() / 4)]
        )  # fmt: skip
        with httpx.Client(base_url=server.address, timeout=60) as client:
            try:
                client.post("/api/enter", json={"name": f"rater {uuid.uuid4().hex}"})
                while True:
                    pair = client.post("/api/next", json={"tab": "tab1"}).json()["next"][0]
                    key = uuid.uuid4().hex
                    body = {"tab": "tab1", "token": pair["token"], "key": key, "choice": "left"}
                    sent.add(key)
                    if client.post("/api/answer", json=body).status_code == 200:
                        acknowledged.add(key)
            except (httpx.TransportError, IndexError):
                pass
        killer.wait()
        server.process.wait()
    found = dict(read(server.store, "SELECT key, counts FROM answer"))
    assert acknowledged <= set(found) <= sent and set(found.values()) <= {1}
    server.start()
    assert server.stop() == 0
    with open(server.store.with_suffix(".csv"), encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(found)


def test_a_second_server_on_one_store_is_refused(server: Server) -> None:
    server.start()
    done = subprocess.run(server.command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "another server" in done.stderr
    assert server.stop() == 0 and server.store.exists()


@pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.slow
def test_an_answer_outlives_a_token_and_another_store(photos: Path, tmp_path: Path) -> None:
    server = Server(photos, tmp_path, "--token", "first-token-1")
    ready = "!document.getElementById('left').disabled && vote.dataset.token"
    status = "document.getElementById('status').textContent"

    async def person() -> None:
        async with browser.opened(f"{server.address}/?token=first-token-1", profile) as page:
            await page.until("!document.getElementById('entry').hidden")
            await page.run("document.getElementById('name').value = 'ann'")
            await page.run("document.querySelector('#entry button').click()")
            token = await page.until(ready)
            server.kill()
            await page.press("ArrowLeft")
            await page.until(f"{ready} && vote.dataset.token !== '{token}'")
            await page.until(f"{status}.startsWith('Not saved yet: 1')")
            server.command[-1] = "second-token-2"
            server.start()  # the page's cookie opens nothing now
            await page.until(
                f"{status}.startsWith('Not saved yet: 1') && {status}.includes('token')"
            )
            server.kill()
            other = Server(photos, tmp_path / "other", "--token", "second-token-2")
            other.store.parent.mkdir()
            other.port, other.command[other.command.index("--port") + 1] = (
                server.port,
                str(server.port),
            )
            other.start()
            await page.call("Page.navigate", url=f"{server.address}/?token=second-token-2")
            await page.until(f"{ready} && {status} === 'Saved: 0'")  # this store's votes
            other.kill()
            assert not read(other.store, "SELECT 1 FROM answer")
            server.start()
            await page.call("Page.navigate", url=f"{server.address}/")
            await page.until(f"{status} === 'Saved: 1'")

    profile = tmp_path / "profile"
    server.start()
    try:
        asyncio.run(person())
    finally:
        assert server.stop() == 0
    assert read(server.store, "SELECT choice FROM answer WHERE counts") == [("left",)]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_https_with_a_certificate_of_ones_own(photos: Path, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out",
         str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    options = ("--host", "0.0.0.0", "--tls-cert", str(certificate), "--tls-key", str(key))
    server = Server(photos, tmp_path, *options)
    with open(server.log, "wb") as log:
        server.process = subprocess.Popen(server.command, stdout=log, stderr=log)
    trust = ssl.create_default_context(cafile=str(certificate))
    address = f"https://localhost:{server.port}"
    with httpx.Client(base_url=address, verify=trust, timeout=60) as client:
        for _ in range(2400):
            try:
                assert client.get("/").status_code == 401
                break
            except httpx.TransportError:
                assert server.process.poll() is None, server.log.read_text()
                time.sleep(0.05)
        told = server.log.read_text()
        (token,) = re.findall(r"https://[\d.a-z-]+:\d+/\?token=(\S+)", told)
        assert "unencrypted" not in told and "0.0.0.0" not in told
        assert client.get(f"/?token={token}").status_code == 303
        entered = client.post("/api/enter", json={"name": "ann"}, headers={"Origin": address})
        assert entered.status_code == 200 and "secure" in entered.headers["set-cookie"].lower()
    assert server.stop() == 0
