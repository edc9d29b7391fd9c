"""A local imitation of Flickr's API. All its photos are made up."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import numpy as np

KEY = "0123456789abcdef-a-key"


def population(day: str, photos: int = 600) -> list[dict[str, Any]]:
    """Photos of a day, the same each time; the first 40 stand in its list."""
    seed = int(day.replace("-", ""))
    rng = np.random.default_rng(seed)
    midnight = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    found = []
    for k in range(photos):
        listed = k < 40
        tags = list(rng.choice(["sky", "sea", "cat", "red", "night"], size=int(rng.integers(0, 4))))
        if listed and rng.random() < 0.5:
            tags.append("explore")
        photo = {
            "id": str(seed * 1000 + k),
            "owner": f"{int(rng.integers(80))}@N00",
            "ownername": "nobody",
            "title": f"made up {k}",
            "description": {"_content": "a description,\nof two lines"},
            "tags": " ".join(tags),
            "dateupload": str(midnight + int(rng.integers(86400))),
            "license": str(k % 11),
            "views": str(rng.poisson(900 if listed else 20)),
            "count_faves": str(rng.poisson(60 if listed else 1)),
            "latitude": 47.5 if k % 2 else "0",
            "longitude": 8.7 if k % 2 else "0",
            "url_z": f"https://live.staticflickr.com/1/{seed * 1000 + k}_0a_z.jpg",
        }
        if k % 3 == 0:
            photo["url_l"] = photo["url_z"].replace("_z.jpg", "_l.jpg")
        if k % 50 == 49:
            del photo["url_z"]
            photo.pop("url_l", None)
        found.append(photo)
    return found


class Imitation(ThreadingHTTPServer):
    """Answers ``flickr.interestingness.getList`` and ``flickr.photos.search``.

    Attributes:
        asked: number of queries by method.
        trouble: answers given, one by one, before any other: (status, body).
        paths: addresses asked, which must not hold the key.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.trouble: list[tuple[int, str]] = []
        self.paths: set[str] = set()
        self.days: dict[str, list[dict[str, Any]]] = {}
        self.stop_after = 10**9
        self.guard = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/services/rest/"

    def photos_of(self, day: str) -> list[dict[str, Any]]:
        return self.days.setdefault(day, population(day))


class _Handler(BaseHTTPRequestHandler):
    server: Imitation

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        with server.guard:
            server.paths.add(self.path)
            server.asked[asked["method"]] += 1
            trouble = server.trouble.pop(0) if server.trouble else None
            over = server.asked.total() > server.stop_after
        if over:
            self._send(500, "down")
        elif trouble is not None:
            self._send(*trouble)
        elif asked["api_key"] != KEY:
            self._fail(100, f"Invalid API Key {asked['api_key']} (Key has invalid format)")
        elif asked["method"] == "flickr.interestingness.getList":
            if asked["date"] < "2004-07-01":
                self._fail(1, "Not a valid date string.")
                return
            self._page(server.photos_of(asked["date"])[:40], asked)
        elif asked["method"] == "flickr.photos.search":
            low, high = int(asked["min_upload_date"]), int(asked["max_upload_date"])
            day = datetime.fromtimestamp(low, UTC).date().isoformat()
            photos = server.photos_of(day)
            self._page([p for p in photos if low <= int(p["dateupload"]) <= high], asked)
        else:
            self._fail(112, "Method not found")

    def _page(self, photos: list[dict[str, Any]], asked: dict[str, str]) -> None:
        size, page = int(asked["per_page"]), int(asked["page"])
        inner = {
            "page": page, "pages": -(-len(photos) // size), "perpage": size,
            "photo": photos[(page - 1) * size : page * size],
        }  # fmt: skip
        self._send(200, json.dumps({"photos": inner, "stat": "ok"}))

    def _fail(self, code: int, message: str) -> None:
        self._send(200, json.dumps({"stat": "fail", "code": code, "message": message}))

    def _send(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
