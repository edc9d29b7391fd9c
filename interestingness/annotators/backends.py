"""A backend: which model, where, what may be sent to it, its limits and its price.

One YAML file of ``conf/annotator/`` each; see docs/labelling.md for every key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any, Literal

from interestingness.annotators.credentials import host_of, is_loopback
from interestingness.annotators.ledger.export import CHECKS
from interestingness.annotators.prices import Meter, Price
from interestingness.annotators.prompting import Prompt
from interestingness.annotators.sent_images import Transcode
from interestingness.data.images import MAX_PIXELS
from interestingness.errors import ConfigError

STRUCTURED = ("json_schema", "json_object_schema", "guided_json", "json_object", "prompt")
"""Ways to be sure of JSON, the surest first: strict schema; the schema beside ``json_object`` as
llama.cpp takes it; vLLM's ``guided_json``; any JSON object; the words of the prompt alone."""

SAMPLING = frozenset(
    {"temperature", "top_p", "seed", "logprobs", "top_logprobs", "reasoning_effort"}
    | {"frequency_penalty", "presence_penalty", "verbosity", "store", "service_tier"}
)
"""Parameters of chat completions that a backend may allow. ``n`` is not among them: samples are
tasks of their own."""

OWN_FIELDS = frozenset(
    {"model", "messages", "n", "stream", "max_tokens", "max_completion_tokens"}
    | {"response_format", "guided_json"}
)
"""Fields of a request's body that other options decide."""

ANSWER_ONLY = frozenset({"logprobs", "top_logprobs", "store", "service_tier"})
"""Parameters that do not change what a model would answer. They are no part of a task's identity
besides ``logprobs``, without which there are no probabilities."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One model behind one address.

    Attributes:
        name: the option's name; part of a task's identity.
        model: the server's name for it; becomes the rater id of its votes.
        base_url: where requests go, e.g. ``https://api.openai.com/v1``; None for a simulated judge
            inside this process.
        key_env: environment variable that holds the key; None for servers without keys.
        key_header: header that carries it: ``Authorization``, as a bearer token, or ``api-key``.
        hosts: hosts that may get the key.
        images_per_message: 2, or 1 for models that take one image: pairs then go on one canvas.
        detail: of images (``low``, ``high``, ``auto``), or None where servers do not know it.
        parameters: sent with every request: temperature, logprobs, ….
        allowed: names of the parameters that the model takes; others are refused here.
        extra_body: further fields of a request's body, which are sent as they are.
        structured: ways to enforce JSON to try in the preflight, the best first.
        cap: most tokens of an answer, thinking included.
        cap_name: ``max_completion_tokens`` or ``max_tokens``.
        tokens_per_image: most tokens of one image, until the preflight has measured it.
        price: ``prompt`` and ``completion`` in dollars per million tokens, ``batch`` as a factor.
        limits: ``concurrency`` (requests at a time) and ``deadline_s`` (for one whole exchange).
            What the server allows a minute is read from its answers.
        models: further names under which the model may answer; another name ends a run.
        batch: limits of the batch interface: ``requests`` and ``bytes`` of one file; None if the
            server has none.
        max_side: longest side of an image that is sent, in pixels.
        quality: JPEG quality of images that are sent.
        max_pixels: what an image may cost to decode.
        shutdown: date at which the provider switches the model off, as it announced it.
        label_source: option that reads the votes.
        simulated: arguments of a simulated judge; None for a real model.
        where: prefix of the options that made this, for messages.
    """

    name: str
    model: str
    base_url: str | None
    key_env: str | None = None
    key_header: Literal["Authorization", "api-key"] = "Authorization"
    hosts: Sequence[str] = ()
    images_per_message: int = 2
    detail: str | None = None
    parameters: Mapping[str, Any]
    allowed: Sequence[str]
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    structured: Sequence[str] = STRUCTURED
    cap: int = 200
    cap_name: str = "max_completion_tokens"
    tokens_per_image: int = 4000
    price: Mapping[str, Any] | None
    limits: Mapping[str, Any]
    models: Sequence[str] = ()
    batch: Mapping[str, Any] | None = None
    max_side: int = 512
    quality: int = 90
    max_pixels: int = MAX_PIXELS
    shutdown: str | None = None
    label_source: str | None = None
    simulated: Mapping[str, Any] | None = None
    where: str = "annotator"

    def __post_init__(self) -> None:
        """Check what can be checked without a network.

        Raises:
            ConfigError: one error that lists everything that is wrong.
        """
        wrong = []
        if bool(self.simulated is not None) == bool(self.base_url):
            wrong.append("base_url and simulated: one of both")
        if self.simulated is not None and "simulated" not in self.model:
            wrong.append(f"model={self.model}: the name of a simulated judge says so")
        if self.images_per_message not in (1, 2):
            wrong.append(f"images_per_message={self.images_per_message}: 1 or 2")
        unsendable = sorted(set(self.allowed) - SAMPLING)
        wrong += [f"allowed: {name} is no parameter that may be sent" for name in unsendable]
        refused = sorted(set(self.parameters) - set(self.allowed))
        wrong += [f"parameters.{name}: {self.model} does not take it (allowed)" for name in refused]
        ours = sorted(set(self.extra_body) & (OWN_FIELDS | SAMPLING))
        wrong += [f"extra_body.{name}: it is set by another option" for name in ours]
        unknown = sorted(set(self.structured) - set(STRUCTURED))
        wrong += [f"structured: {name} is not one of {', '.join(STRUCTURED)}" for name in unknown]
        if not self.structured:
            wrong.append("structured: empty")
        if self.cap_name not in ("max_completion_tokens", "max_tokens"):
            wrong.append(f"cap_name={self.cap_name}: max_completion_tokens or max_tokens")
        if not 16 <= self.cap <= 100_000:
            wrong.append(f"cap={self.cap}: at least 16 tokens")
        wrong += self._wrong_limits()
        if self.shutdown is not None:
            try:
                date.fromisoformat(self.shutdown)
            except ValueError:
                wrong.append(f"shutdown={self.shutdown!r}: a date such as 2027-01-14")
        if wrong:
            raise ConfigError(
                f"{self.where} {self.name}: " + "; ".join(wrong),
                expected="the keys of docs/labelling.md",
                todo="correct the option, or its file in conf",
            )
        if self.base_url is not None:
            host_of(self.base_url, where=self.where)

    def _wrong_limits(self) -> list[str]:
        known = {"concurrency", "deadline_s"}
        wrong = [f"limits.{name} is not known" for name in sorted(set(self.limits) - known)]
        for name in ("concurrency", "deadline_s"):
            value = self.limits.get(name)
            if not isinstance(value, int | float) or value <= 0:
                wrong.append(f"limits.{name}={value!r}: above 0")
        return wrong

    @property
    def host(self) -> str:
        """Return the host that photographs would be sent to."""
        return host_of(self.base_url) if self.base_url else "(nowhere: simulated in this process)"

    @property
    def local(self) -> bool:
        """Check that nothing leaves this machine."""
        return self.base_url is None or is_loopback(self.host)

    @cached_property
    def transcode(self) -> Transcode:
        """Return the rule by which images are encoded for sending."""
        return Transcode(self.max_side, self.quality, self.max_pixels)

    @property
    def price_list(self) -> Price:
        """Return the price list.

        Raises:
            ConfigError: if it is not known.
        """
        return Price.of(self.price, annotator=self.name, where=self.where)

    @cached_property
    def sampling(self) -> dict[str, Any]:
        """Return the parameters that belong to a task's identity."""
        kept = {k: v for k, v in self.parameters.items() if k not in ANSWER_ONLY}
        extra = {"extra_body": dict(self.extra_body)} if self.extra_body else {}
        return {**kept, "logprobs": bool(self.parameters.get("logprobs", False)), **extra}

    def meter(self, prompts: Iterable[Prompt] = ()) -> Meter:
        """Make the meter of reserves and costs, with bounds on the tokens of these prompts.

        Raises:
            ConfigError: if the price is not known.
        """
        bound: dict[str, int] = {}
        for prompt in prompts:
            text = "".join((prompt.system, *prompt.captions, prompt.ask, str(prompt.schema)))
            images = 2 if prompt.kind == "pair" else len(prompt.captions)
            tokens = len(text.encode()) + images * self.tokens_per_image
            for kind in (prompt.kind, *CHECKS) if prompt.kind == "pair" else (prompt.kind,):
                bound[kind] = max(bound.get(kind, 0), tokens)
        return Meter(self.price_list, self.cap, bound)


def without_refused(backend: Backend, refusal: str) -> tuple[Backend, str] | None:
    """Leave out, or rename, the option that a server refuses by name.

    Args:
        backend: as it was asked.
        refusal: what the server said.

    Returns:
        The backend to ask, and what was changed; None if the refusal names no such option.
    """
    named = set(re.findall(r"[a-z_]+", refusal.casefold()))
    if backend.cap_name == "max_tokens" and "max_tokens" in named:
        return replace(backend, cap_name="max_completion_tokens"), "max_completion_tokens is sent"
    # the other way round only if it is refused by itself: else both names have been tried
    if "max_completion_tokens" in named and "max_tokens" not in named:
        return replace(backend, cap_name="max_tokens"), "max_tokens is sent"
    if named & {"logprobs", "top_logprobs", "logprob"}:
        named |= {"logprobs", "top_logprobs"}
    dropped = [name for name in backend.parameters if name in named]
    if not dropped:
        return None
    kept = {name: v for name, v in backend.parameters.items() if name not in dropped}
    return replace(backend, parameters=kept), f"{' and '.join(dropped)} is left out"
