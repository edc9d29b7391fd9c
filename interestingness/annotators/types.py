"""Types that the modules of the annotators exchange; the standard library only.

Life of one answer: a `Task` is reserved in the ledger, which gives an `Attempt` (or `Denied`); its
`Request` goes out; a `Reply` comes back and is stored before it is parsed; parsing gives a
`Verdict` (`Answer` or `Reject`), and that is stored too. What goes wrong on the way is a `Failure`.

The cost is told with the verdict, because usage is known only once the stored bytes are parsed;
where it is not told the whole reserve counts as spent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None

NEVER_IDENTITY = frozenset(
    {
        "api_key",
        "base_url",
        "url",
        "host",
        "concurrency",
        "timeout",
        "deadline",
        "price",
        "price_id",
    }
    | {"max_tokens", "max_completion_tokens", "max_output_tokens", "batch", "mode"}
)
"""Settings that are in no task's identity, because changing them must not ask again."""


def canonical_json(value: JSON) -> str:
    """Write equal values as one text: sorted keys, no spaces, ASCII, 1.0 written as 1.

    Raises:
        ValueError: for NaN and infinities, which JSON does not have.
        TypeError: for values that are no JSON, and for keys that are no text.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: JSON) -> JSON:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"keys of JSON are text, found {list(value)!r}")
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def task_key(identity: Mapping[str, JSON]) -> str:
    """Hash the canonical JSON with SHA-256, 64 hexadecimal digits.

    Raises:
        ValueError: if the identity names something of ``NEVER_IDENTITY``.
    """
    wrong = sorted(NEVER_IDENTITY & set(identity))
    if wrong:
        raise ValueError(f"{', '.join(wrong)} cannot be part of a task's identity")
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()


@dataclass(frozen=True)
class Task:
    """One thing to be asked once.

    Attributes:
        key: ``task_key(identity)``; one answer at most is kept for it.
        kind: pair, image, persona_pair, description, cupl, embedding, …
        identity: what makes two tasks the same: source image hashes in the order shown, transcode
            id, detail, prompt id, backend, model, sampling, sample number. Never what is in
            ``NEVER_IDENTITY``.
        subject: what the export needs, e.g. pair_id, left, right, first (``left`` or ``right``),
            image_id, question, persona, sample, rater_id.
    """

    key: str
    kind: str
    identity: Mapping[str, JSON]
    subject: Mapping[str, JSON]

    @classmethod
    def of(cls, kind: str, identity: Mapping[str, JSON], subject: Mapping[str, JSON]) -> Task:
        """Make a task with its key; the kind is part of the identity."""
        whole = {**identity, "kind": kind}
        return cls(task_key(whole), kind, whole, subject)


@dataclass(frozen=True)
class Request:
    """What goes out, byte for byte; made just before sending."""

    path: str
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What came back, byte for byte.

    Attributes:
        status: HTTP status.
        body: bytes as received, decompressed.
        headers: lower-case names; only those worth keeping, never one that holds a key.
        request_id: the server's name of the request, if it gave one.
        seconds: from sending to the last byte.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Usage:
    """Tokens as the server counted them; None where it did not say."""

    prompt_tokens: int | None
    completion_tokens: int | None

    @property
    def total(self) -> int:
        """Add the known token counts."""
        return max(self.prompt_tokens or 0, 0) + max(self.completion_tokens or 0, 0)


@dataclass(frozen=True)
class Answer:
    """A usable answer.

    Attributes:
        choice: ``first`` or ``second`` for a pair in the order shown, ``yes`` or ``no`` for one
            image, None for texts and vectors.
        p_first: probability of ``first`` (or of ``yes``), in [0, 1]; None if the backend gave none.
        reason: the model's words; may be empty.
        extra: text, vector, mass, reason_supports, …
    """

    choice: str | None
    p_first: float | None = None
    reason: str = ""
    extra: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True)
class Reject:
    """A reply without a usable answer.

    Attributes:
        kind: invalid_json, wrong_choice, refused, filtered, failed, length, empty, http_400, …
        detail: a short text for people.
        terminal: the task is finished with it and is not asked again, in later runs neither.
        retry_with: name of the change for the next attempt (``double_cap``), or None.
        outage: the server failed, and no model answered: no try is used up, nothing is charged.
    """

    kind: str
    detail: str = ""
    terminal: bool = False
    retry_with: str | None = None
    outage: bool = False


Verdict: TypeAlias = Answer | Reject


class Parsed(NamedTuple):
    """What was read from a reply.

    Attributes:
        verdict: the answer, or why there is none.
        usage: tokens, where the server counted them.
        model: name of the model that answered, where the server told it.
        fingerprint: of its configuration, where told.
    """

    verdict: Verdict
    usage: Usage | None = None
    model: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Failure:
    """No reply: certainly not charged (``free``), or unknown (``doubt``)."""

    kind: Literal["free", "doubt"]
    detail: str


@dataclass(frozen=True)
class Attempt:
    """A reservation that was committed; the request may go out.

    Attributes:
        id: ``<first 32 digits of the key>-<n>``; goes out as ``X-Client-Request-Id`` and as
            ``custom_id`` of a batch, so that a server's own journal can be held against the ledger.
        key: the task's key.
        n: 1 for the first attempt on this key.
        rejected: answers to this key that were rejected before.
    """

    id: str
    key: str
    n: int
    rejected: int = 0


@dataclass(frozen=True)
class Denied:
    """No reservation, and nothing may be sent.

    Attributes:
        reason: ``budget`` (the cap would be passed; if reservations are open, wait and ask again),
            ``held`` (an earlier attempt may have been paid for), ``open`` (one is under way),
            ``done`` (labelled, refused for good, or rejected too often), ``unparsed`` (an answer is
            stored and waits for parsing), ``stopped`` (the disk is full or failing: stop, exit 74).
        detail: for people.
    """

    reason: Literal["budget", "held", "open", "done", "unparsed", "stopped"]
    detail: str = ""


@dataclass(frozen=True)
class Need:
    """What is there and what would be bought, in distinct tasks.

    Attributes:
        todo: tasks to ask, in the order given, each key once.
        labelled, refused, rejected: finished: with an answer, a terminal reject, too many rejects.
        held: in doubt; not asked again unless the policy is ``rebuy`` (then they are in ``todo``).
        unparsed: an answer is stored and was not parsed yet; it costs nothing.
        waiting: under way, in a batch.
    """

    todo: list[Task]
    labelled: int = 0
    refused: int = 0
    rejected: int = 0
    held: int = 0
    unparsed: int = 0
    waiting: int = 0

    @property
    def total(self) -> int:
        """Count the distinct tasks."""
        finished = self.labelled + self.refused + self.rejected
        return len(self.todo) + finished + self.held + self.unparsed + self.waiting
