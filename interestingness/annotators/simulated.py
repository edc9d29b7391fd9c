"""A simulated judge: seeded, offline, with a place bias. Its answers are no evidence.

It reads the same request bytes as a real server and gives the same kind of reply bytes, so that all
that lies between a task and a vote is exercised without a network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from interestingness.annotators.types import Failure, Reply, Request
from interestingness.stats.attributes.colour import colourfulness
from interestingness.stats.simulated_choice import probability_of_first

SENTENCE = "SIMULATION: a simulated judge, no model and no person; agreement is by construction"
"""Goes with every number that rests on its votes."""

_DIMENSIONS = 64
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class SimulatedJudge:
    """Answers like a multimodal model would, from planted utilities or a taste for colour.

    P("first") = σ(sharpness · (u_first − u_second) + order_term + noise · z), with z normal and
    fixed for a pair of images (its sign follows the order; 0 on a canvas). The same request always
    gets the same answer.

    Attributes:
        seed: of everything that is random.
        sharpness: logits per unit of utility.
        order_term: logits for the image shown first; negative favours the second.
        noise: standard deviation of a pair's own deviation, in logits.
        utilities: utility by SHA-256 of an image's sent bytes. An image without one has the utility
            of its colourfulness (Hasler and Süsstrunk 2003), in units of 25 around 40.
        refusals: share of requests that are refused.
        invalid: share of answers that are no JSON.
        contradictions: share of reasons that praise the other image.
        sees: whether it looks at images at all; if not, it answers like a model without vision.
        caps: whether it keeps to the cap on tokens.
        modes: ways of structured output that it accepts; others are refused with status 400.
        model: the name under which it answers.
    """

    seed: int
    sharpness: float
    order_term: float
    noise: float = 0.0
    utilities: Mapping[str, float] = field(default_factory=dict)
    refusals: float = 0.0
    invalid: float = 0.0
    contradictions: float = 0.0
    sees: bool = True
    caps: bool = True
    modes: Sequence[str] = ("json_schema", "json_object", "text")
    model: str = "simulated-judge"

    def reply(self, request: Request) -> Reply:
        """The reply to a request, whatever it is."""
        if request.path.endswith("/embeddings"):
            return self._embed(json.loads(request.body))
        body = json.loads(request.body)
        wanted = (body.get("response_format") or {}).get("type", "text")
        if wanted not in self.modes:
            message = f"response_format {wanted} is not supported (simulated)"
            return _reply({"error": {"message": message, "code": "unsupported"}}, status=400)
        images, text = _read(body["messages"])
        if self._uniform(request.body, "refuse") < self.refusals:
            return self._chat(body, images, text, None, refusal="I cannot help with that.")
        return self._chat(body, images, text, self._content(body, images, text))

    def _content(self, body: dict[str, Any], images: list[bytes], text: str) -> tuple[str, Any]:
        """The text of the answer, and the probabilities of its choice."""
        raw = json.dumps(body).encode()
        if self._uniform(raw, "invalid") < self.invalid:
            return "The first one, I would say.", None
        if '"choice"' not in text:
            return self._words(raw, images), None
        pair = '"first"' in text
        words = ("first", "second") if pair else ("yes", "no")
        p = self._p_first(images, text) if pair else self._p_yes(images)
        choice = words[0] if self._uniform(raw, "choice") < p else words[1]
        praised = choice
        if pair and self._uniform(raw, "contradict") < self.contradictions:
            praised = words[1] if choice == words[0] else words[0]
        reason = f"The {praised} image is more striking (simulated)." if pair else "(simulated)"
        return json.dumps({"choice": choice, "reason": reason}), (choice, words, p)

    def _p_first(self, images: list[bytes], text: str) -> float:
        if not self.sees or not images:
            return 0.9
        pictures = [_open(image) for image in images]
        if len(pictures) == 1:
            middle, whole = pictures[0].width // 2, pictures[0]
            pictures = [
                whole.crop((0, 0, middle, whole.height)),
                whole.crop((middle, 0, whole.width, whole.height)),
            ]
        if re.search(r"\bblue", text):
            first, second = map(_blueness, pictures)
            return 1 / (1 + math.exp(-20 * (first - second)))
        names = [hashlib.sha256(image).hexdigest() for image in images]
        if len(names) == 2 and all(name in self.utilities for name in names):
            first, second = (self.utilities[name] for name in names)
        else:
            first, second = map(_colour_utility, pictures)
        own = 0.0
        if len(names) == 2:
            own = self._normal("".join(sorted(names)).encode())
            own = own if names == sorted(names) else -own
        return probability_of_first(
            first - second,
            sharpness=self.sharpness,
            order_term=self.order_term,
            deviation=self.noise * own,
        )

    def _p_yes(self, images: list[bytes]) -> float:
        if not self.sees or not images:
            return 0.9
        value = _colour_utility(_open(images[0]))
        return 1 / (1 + math.exp(-(2 + self.sharpness * value)))

    def _words(self, raw: bytes, images: list[bytes]) -> str:
        if not images or not self.sees:
            kinds = ("street", "bird", "mountain", "face", "boat", "garden", "storm", "dance")
            chosen = kinds[int(self._uniform(raw, "kind") * len(kinds))]
            number = int(self._uniform(raw, "number") * 1000)
            return f"A simulated description, number {number}, of a {chosen}."
        red, green, blue = np.asarray(_open(images[0]).resize((1, 1)), dtype=float)[0, 0]
        tone = ("red", "green", "blue")[int(np.argmax((red, green, blue)))]
        light = "bright" if red + green + blue > 380 else "dark"
        return f"A {light}, mostly {tone} picture (simulated description)."

    def _chat(
        self,
        body: dict[str, Any],
        images: list[bytes],
        text: str,
        content: tuple[str, Any] | None,
        refusal: str | None = None,
    ) -> Reply:
        words, likely = content or ("", None)
        cap = int(body.get("max_completion_tokens") or body.get("max_tokens") or 10**9)
        finish = "stop"
        if self.caps and _tokens(words) > cap:
            words, finish = words[: 4 * cap], "length"
        message: dict[str, Any] = {"role": "assistant", "content": words, "refusal": refusal}
        if refusal:
            message["content"] = None
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
        if body.get("logprobs") and likely and finish == "stop":
            choice["logprobs"] = {"content": _logprobs(words, *likely)}
        used = {
            "prompt_tokens": _tokens(text) + sum(map(self._image_tokens, images)),
            "completion_tokens": _tokens(words) if words else 1,
        }
        whole = {
            "id": "chatcmpl-" + hashlib.sha256(json.dumps(body).encode()).hexdigest()[:12],
            "object": "chat.completion",
            "model": body.get("model", self.model),
            "system_fingerprint": "simulated",
            "choices": [choice],
            "usage": {**used, "total_tokens": sum(used.values())},
        }
        return _reply(whole)

    def _image_tokens(self, image: bytes) -> int:
        with Image.open(BytesIO(image)) as picture:  # the size is in the header
            return 85 + picture.width * picture.height // 2000

    def _embed(self, body: dict[str, Any]) -> Reply:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        size = int(body.get("dimensions") or _DIMENSIONS)
        data = []
        for index, text in enumerate(texts):
            words = _WORD.findall(text.lower()) or ["nothing"]
            vector = sum((self._vector(word, size) for word in words), np.zeros(size))
            length = float(np.linalg.norm(vector))
            values = [round(float(value), 7) for value in vector / max(length, 1e-9)]
            data.append({"object": "embedding", "index": index, "embedding": values})
        used = sum(map(_tokens, texts))
        usage = {"prompt_tokens": used, "completion_tokens": 0, "total_tokens": used}
        return _reply({"object": "list", "model": body["model"], "data": data, "usage": usage})

    def _vector(self, word: str, size: int) -> Any:
        digest = hashlib.blake2b(f"{self.seed} {word}".encode(), digest_size=8).digest()
        return np.random.default_rng(int.from_bytes(digest, "big")).normal(size=size)

    def _uniform(self, data: bytes, what: str) -> float:
        """Draw a number in [0, 1) from the seed and the bytes."""
        hashed = hashlib.blake2b(f"{self.seed} {what} ".encode() + data, digest_size=8)
        return int.from_bytes(hashed.digest(), "big") / 2**64

    def _normal(self, data: bytes) -> float:
        radius = math.sqrt(-2 * math.log(1 - self._uniform(data, "radius")))
        return radius * math.cos(2 * math.pi * self._uniform(data, "angle"))


@dataclass
class SimulatedSender:
    """The judge in this process, as the engine's `Sender`; nothing leaves it.

    Attributes:
        judge: who answers.
        asked: requests so far.
    """

    judge: SimulatedJudge
    asked: int = 0

    async def send(
        self, request: Request, *, attempt_id: str, deadline_s: float
    ) -> Reply | Failure:
        """Return the judge's reply, at once."""
        self.asked += 1
        return self.judge.reply(request)

    async def get(self, path: str, *, deadline_s: float) -> Reply | Failure:
        """Return the list of models."""
        return _reply({"object": "list", "data": [{"id": self.judge.model, "object": "model"}]})


def _colour_utility(image: Image.Image) -> float:
    """Colourfulness, 0 for a moderately colourful picture."""
    small = np.asarray(image.resize((32, 32)), dtype=np.float64)
    return (colourfulness(small / 255) - 40) / 25


def _blueness(image: Image.Image) -> float:
    red, green, blue = np.asarray(image.resize((1, 1)), dtype=float)[0, 0] / 255
    return float(blue - (red + green) / 2)


def _read(messages: Sequence[Mapping[str, Any]]) -> tuple[list[bytes], str]:
    """Read the sent images, and all text."""
    images, texts = [], []
    for message in messages:
        content = message["content"]
        parts: list[dict[str, Any]] = content
        if isinstance(content, str):
            parts = [{"type": "text", "text": content}]
        for part in parts:
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                images.append(base64.b64decode(part["image_url"]["url"].partition(",")[2]))
    return images, "\n".join(texts)


def _open(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        return image.convert("RGB")


def _tokens(text: str) -> int:
    return -(-len(text.encode()) // 4)


def _logprobs(text: str, choice: str, words: Sequence[str], p: float) -> list[dict[str, Any]]:
    before, _, after = text.partition(f'"{choice}"')

    def entry(piece: str, share: float) -> dict[str, Any]:
        value = math.log(max(share, 1e-12))
        return {"token": piece, "logprob": value, "bytes": list(piece.encode())}

    shares = {words[0]: p, words[1]: 1 - p}
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    value = entry(choice, shares[choice])
    value["top_logprobs"] = [entry(word, share) for word, share in ranked]
    head, tail = entry(before + '"', 1.0), entry('"' + after, 1.0)
    return [{**head, "top_logprobs": []}, value, {**tail, "top_logprobs": []}]


def _reply(body: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})
