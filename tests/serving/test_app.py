"""The scoring server: the numbers of rank, a status for every bad image, batches, limits."""

from __future__ import annotations

import io
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from interestingness import LoadedScorer, load
from interestingness.errors import WeightsError
from interestingness.models.backbones import SceneClipBackbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.exchange import ScorerCard, save_scorer
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.serving.app import ServingLimits, make_app

NODE = {"_target_": "interestingness.models.backbones.SceneClipBackbone", "weights": "embedded"}


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (5, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((50, 40)).save(file, "JPEG")
    return file.getvalue()


def bomb(side: int = 14_000) -> bytes:
    """A PNG of side × side black pixels, in a few hundred kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header, pressed = pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), zlib.compressobj(9)
    row = b"\0" * (3 * side + 1)
    data = b"".join(pressed.compress(row) for _ in range(side)) + pressed.flush()
    parts = chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> LoadedScorer:
    backbone = SceneClipBackbone(weights="embedded")
    head = LinearHead(backbone.dim)
    head.load_state_dict({"weight": torch.linspace(-1, 1, backbone.dim)})
    card = ScorerCard("mine", "interesting", "people", "logits", "Apache-2.0", NODE)
    made = Scorer(backbone, FeatureScaler("unit", backbone.dim), head)
    folder = save_scorer(tmp_path_factory.mktemp("s") / "mine", made, card)
    return load(folder, reference=[-1.0, 0.0, 1.0])


@pytest.fixture
def client(scorer: LoadedScorer) -> Iterator[TestClient]:
    with TestClient(make_app(scorer)) as opened:
        yield opened


def form(*images: bytes) -> list[tuple[str, Any]]:
    return [("images", (f"{at}.jpg", data, "image/jpeg")) for at, data in enumerate(images)]


def test_the_numbers_of_the_library(client: TestClient, scorer: LoadedScorer) -> None:
    images = [jpeg(seed) for seed in range(5)]
    expected = scorer.score(images)
    found = client.post("/score", files=form(*images)).json()["results"]
    assert [one["name"] for one in found] == [f"{at}.jpg" for at in range(5)]
    assert np.allclose([one["score"] for one in found], np.asarray(expected), atol=1e-5)
    assert [one["percentile"] for one in found] == [one.percentile for one in expected]
    two = {"a": images[0], "b": images[1]}
    probability = client.post("/compare", files=two).json()["probability"]
    assert probability == pytest.approx(scorer.compare(images[0], images[1]), abs=1e-5)
    vectors = client.post("/embed", files=form(*images)).json()["results"]
    assert np.allclose([one["vector"] for one in vectors], scorer.embed(images), atol=1e-5)


def test_every_bad_image_has_a_status_and_fails_no_other(client: TestClient) -> None:
    frames = io.BytesIO()
    Image.new("RGB", (9, 9)).save(
        frames, "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")]
    )
    bad = {
        413: bomb(),
        415: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        422: jpeg(1)[:200],
    }
    assert len(bad[413]) < 1_000_000
    for status, data in [*bad.items(), (422, frames.getvalue()), (422, b"")]:
        alone = client.post("/score", files=form(data))
        assert alone.status_code == status and alone.json()["problem"], status
        both = client.post("/compare", files={"a": jpeg(0), "b": data})
        assert both.status_code == status
    assert "14000" in client.post("/score", files=form(bad[413])).json()["problem"]
    mixed = client.post("/score", files=form(jpeg(0), *bad.values(), jpeg(1)))
    assert mixed.status_code == 200
    results = mixed.json()["results"]
    assert [one["status"] for one in results] == [200, 413, 415, 422, 200]
    assert [one["score"] is None for one in results] == [False, True, True, True, False]


def test_bad_requests(client: TestClient) -> None:
    for path in ("/score", "/embed", "/compare"):
        assert client.post(path, json={"images": []}).status_code == 415
        assert client.post(path).status_code == 415
        assert client.post(path, files={"other": jpeg(0)}).status_code == 422
        assert client.post(path, data={"images": "text"}, files={"x": b""}).status_code == 422
        assert client.get(path).status_code == 405
        broken = {"Content-Type": "multipart/form-data; boundary=x"}
        assert client.post(path, content=b"--y\r\nno form", headers=broken).status_code == 422
        none = {"Content-Type": "multipart/form-data"}
        assert client.post(path, content=b"--y", headers=none).status_code == 422
    assert client.post("/compare", files={"a": jpeg(0)}).status_code == 422
    url = {"urls": "http://example.org/a.jpg"}
    assert client.post("/score", data=url, files=form(jpeg(0))).status_code == 422
    assert client.get("/nothing").status_code == 404


def test_limits(scorer: LoadedScorer) -> None:
    limits = ServingLimits(waiting=3, images=4, body=100_000)
    with TestClient(make_app(scorer, limits=limits)) as client:
        full = client.post("/score", files=form(*[jpeg(0)] * 4))
        assert full.status_code == 429 and int(full.headers["retry-after"]) > 0
        assert client.post("/score", files=form(*[jpeg(0)] * 3)).status_code == 200
        assert client.post("/score", files=form(*[jpeg(0)] * 5)).status_code == 422
        assert client.post("/score", files=form(b"x" * 100_001)).status_code == 413

        def parts() -> Iterator[bytes]:  # without a length
            yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
            for _ in range(200):
                yield b"x" * 1000

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/score", content=parts(), headers=kind).status_code == 413


def test_a_token(scorer: LoadedScorer) -> None:
    with TestClient(make_app(scorer, token="a-long-token")) as client:
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "é".encode()}):
            refused = client.post("/score", files=form(jpeg(0)), headers=headers)
            assert (
                refused.status_code == 401
                and "bearer" in refused.headers["www-authenticate"].lower()
            )
        good = {"Authorization": "Bearer a-long-token"}
        assert client.post("/score", files=form(jpeg(0)), headers=good).status_code == 200
        assert client.get("/health").status_code == 200 and client.get("/docs").status_code == 401


def test_health_metrics_and_interface(client: TestClient) -> None:
    client.post("/score", files=form(jpeg(0), b"bad"))
    assert client.get("/health").json()["status"] == "ok"
    text = client.get("/metrics").text
    assert 'interestingness_images_total{status="415"} 1.0' in text
    assert 'interestingness_requests_total{path="/score",status="200"} 1.0' in text
    assert "interestingness_waiting_images 0.0" in text
    interface = client.get("/openapi.json").json()
    assert {"/score", "/compare", "/embed", "/health", "/metrics"} == set(interface["paths"])
    docs = client.get("/docs").text
    assert all(path in docs for path in interface["paths"]) and "http://" not in docs


def test_many_clients_at_once_share_batches(client: TestClient, scorer: LoadedScorer) -> None:
    images = [jpeg(seed) for seed in range(24)]
    expected = np.asarray(scorer.score(images))
    found = np.full(len(images), np.nan)

    def ask(at: int) -> None:
        data = images[at] if at % 6 else b"bad"
        answer = client.post("/score", files=form(data))
        if at % 6:
            found[at] = answer.json()["results"][0]["score"]
        else:
            assert answer.status_code == 415

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = np.arange(len(images)) % 6 > 0
    assert np.allclose(found[good], expected[good], atol=1e-5) and np.isnan(found[~good]).all()


def test_private_addresses_are_refused(scorer: LoadedScorer) -> None:
    with TestClient(make_app(scorer, allow_urls=True)) as client:
        for url in ("http://127.0.0.1:9/a.jpg", "file:///etc/passwd", "http://[::1]/a.jpg", "x"):
            answer = client.post("/score", data={"urls": url}, files=form(jpeg(0)))
            assert answer.status_code == 422 and url in answer.json()["problem"]


def test_a_scorer_of_vectors_is_refused(tmp_path: Path) -> None:
    made = Scorer(
        None,
        FeatureScaler("none", 3),
        LinearHead(3),
        embedding=EmbeddingContract.of_cached("v", "0" * 16, 3),
    )
    folder = save_scorer(tmp_path / "v", made, ScorerCard("v", "q", "votes", "logits", ""))
    with pytest.raises(WeightsError):
        make_app(load(folder))
