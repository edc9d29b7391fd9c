"""Request bodies: the order of the images above all."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from material import backend, photographs, rounds
from PIL import Image

from interestingness.annotators.requests import Build
from interestingness.annotators.sent_images import GAP, ImageSource
from interestingness.annotators.tasks import embedding_task, image_tasks, pair_tasks, text_tasks
from interestingness.annotators.types import Task
from interestingness.errors import ImageError
from interestingness.schema import Pair


class Asked:
    """Two photographs, and what is sent about them."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.backend = backend(**changes)
        files = photographs(folder, 2)
        self.sources = {n: ImageSource.read(n, path) for n, path in files.items()}
        self.by_hash = {s.sha256: s for s in self.sources.values()}
        self.pair = Pair.of(*self.sources)

    def build(self, structured: str = "json_schema", **more: Any) -> Build:
        canvas = self.backend.images_per_message == 1
        ways = [*rounds(canvas=canvas), *rounds("image"), *rounds("description"), *rounds("cupl")]
        prompts = {way.prompt.id: way.prompt for way in ways}
        return Build(self.backend, prompts, self.by_hash, structured, **more)

    def pairs(self, samples: int = 1) -> list[Task]:
        canvas = self.backend.images_per_message == 1
        ways = rounds(canvas=canvas)
        return pair_tasks(self.backend, ways, [self.pair], self.sources, samples=samples).tasks

    def body(self, task: Task, structured: str = "json_schema", **more: Any) -> Any:
        request = self.build(structured)(task, **more)
        assert request.path == "/chat/completions"
        return json.loads(request.body)


def sent(body: Any) -> list[bytes]:
    parts = [p for p in body["messages"][-1]["content"] if p["type"] == "image_url"]
    urls = [p["image_url"]["url"] for p in parts]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    return [base64.b64decode(url.partition(",")[2]) for url in urls]


def test_images_go_in_the_order_of_the_task_each_below_its_caption(tmp_path: Path) -> None:
    asked = Asked(tmp_path, detail="low")
    left_first, right_first = asked.pairs()
    body = asked.body(left_first)
    kinds = [p.get("text", "image") for p in body["messages"][-1]["content"]]
    assert kinds[:4] == ["First image:", "image", "Second image:", "image"]
    assert "more interesting" in kinds[4] and len(kinds) == 5
    transcode = asked.backend.transcode
    made = [
        transcode(asked.sources[name].bytes(), where=name)
        for name in (asked.pair.left, asked.pair.right)
    ]
    assert sent(body) == made
    assert sent(asked.body(right_first)) == made[::-1]
    assert body["messages"][-1]["content"][1]["image_url"]["detail"] == "low"


def test_the_same_task_gives_the_same_bytes(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    task = asked.pairs()[0]
    assert asked.build()(task) == asked.build()(task)


def test_one_canvas_for_models_that_take_one_image(tmp_path: Path) -> None:
    asked = Asked(tmp_path, images_per_message=1)
    bodies = [asked.body(task) for task in asked.pairs()]
    pictures = [Image.open(BytesIO(image)) for body in bodies for image in sent(body)]
    assert [picture.size for picture in pictures] == [(2 * 64 + 3 * GAP, 48 + 2 * GAP)] * 2
    halves = [
        (
            p.crop((GAP, GAP, GAP + 64, GAP + 48)),
            p.crop((64 + 2 * GAP, GAP, 128 + 2 * GAP, GAP + 48)),
        )
        for p in pictures
    ]

    def mean(image: Image.Image) -> list[float]:
        small = image.resize((1, 1)).getpixel((0, 0))
        assert isinstance(small, tuple)
        return list(small)

    assert mean(halves[0][0]) == pytest.approx(mean(halves[1][1]), abs=3)
    assert mean(halves[0][1]) == pytest.approx(mean(halves[1][0]), abs=3)
    assert "on the left" in bodies[0]["messages"][-1]["content"][0]["text"]


@pytest.mark.parametrize(
    ("structured", "expected"),
    [
        ("json_schema", {"response_format": "json_schema"}),
        ("json_object_schema", {"response_format": "json_object"}),
        ("json_object", {"response_format": "json_object"}),
        ("guided_json", {"guided_json": "object"}),
        ("prompt", {}),
    ],
)
def test_ways_of_structured_output(tmp_path: Path, structured: str, expected: Any) -> None:
    asked = Asked(tmp_path)
    body = asked.body(asked.pairs()[0], structured)
    found = {k: body[k]["type"] for k in ("response_format", "guided_json") if k in body}
    assert found == expected
    if structured == "json_schema":
        assert body["response_format"]["json_schema"]["strict"] is True
    assert ("schema" in body.get("response_format", {})) == (structured == "json_object_schema")


def test_caps_parameters_and_seeds(tmp_path: Path) -> None:
    parameters = {"seed": 5, "logprobs": True, "top_logprobs": 3, "temperature": 0.7}
    asked = Asked(tmp_path, cap=90, cap_name="max_tokens", parameters=parameters)
    tasks = asked.pairs(samples=2)
    body = asked.body(tasks[0])
    assert (body["max_tokens"], body["temperature"], body["top_logprobs"]) == (90, 0.7, 3)
    assert "max_completion_tokens" not in body and "n" not in body
    assert asked.body(tasks[0], retry_with="double_cap")["max_tokens"] == 180
    assert [asked.body(task)["seed"] for task in tasks] == [5, 5, 6, 6]


def test_single_images_and_texts(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    for kind in ("image", "description"):
        task = image_tasks(asked.backend, rounds(kind), asked.sources, asked.sources).tasks[0]
        body = asked.body(task)
        assert len(sent(body)) == 1
        assert ("response_format" in body) == (kind == "image") == ("logprobs" in body)
    body = asked.body(text_tasks(asked.backend, rounds("cupl")[0], samples=1).tasks[0])
    assert sent(body) == [] and "one interesting image" in body["messages"][0]["content"][0]["text"]


def test_a_persona_is_a_system_message(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    ways = rounds(persona="a sailor")
    task = pair_tasks(asked.backend, ways, [asked.pair], asked.sources).tasks[0]
    build = Build(asked.backend, {ways[0].prompt.id: ways[0].prompt}, asked.by_hash, "prompt")
    first = json.loads(build(task).body)["messages"][0]
    assert first == {
        "role": "system",
        "content": "You are a sailor. Answer as this person would.",
    }


def test_stored_bytes_are_sent_again(tmp_path: Path) -> None:
    """A library that would encode otherwise by now changes nothing (fault row 41)."""
    asked = Asked(tmp_path)
    kept = {s.sha256: b"old bytes of " + s.image_id.encode() for s in asked.sources.values()}
    build = asked.build(stored=lambda sha, transcode, make: kept[sha])
    body = json.loads(build(asked.pairs()[0]).body)
    assert sent(body) == [
        kept[asked.sources[n].sha256] for n in (asked.pair.left, asked.pair.right)
    ]


def test_a_file_that_changed_is_not_sent_under_its_old_name(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    task = asked.pairs()[0]
    asked.sources[asked.pair.left].path.write_bytes(b"something else")
    with pytest.raises(ImageError, match="changed"):
        asked.build()(task)


def test_texts_to_embed(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    request = asked.build()(embedding_task(asked.backend, "a dog", 8))
    assert request.path == "/embeddings"
    assert json.loads(request.body) == {
        "model": "simulated-judge",
        "input": ["a dog"],
        "encoding_format": "float",
        "dimensions": 8,
    }
