"""Files and batches of a provider, in memory, with the faults that such a thing can have.

Used as the script of a `ScriptedServer`: ``server.follow(Provider())``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from servers.scripted import Action, Answer, Cut, Seen, completion, error

Ending = Callable[[list[str]], tuple[str, bytes | None, bytes | None]]
"""From the ids that were asked to the final status, the output file and the error file."""


def answer_line(attempt_id: str, body: bytes | None = None, status: int = 200) -> bytes:
    """One line of an output file."""
    content = json.loads(body if body is not None else completion())
    response = {"status_code": status, "request_id": f"req-{attempt_id}", "body": content}
    line = {"id": "batch_req", "custom_id": attempt_id, "response": response, "error": None}
    return json.dumps(line).encode() + b"\n"


def error_line(attempt_id: str, code: str) -> bytes:
    """One line of an error file, for a request that was not carried out."""
    line = {"custom_id": attempt_id, "response": None, "error": {"code": code, "message": code}}
    return json.dumps(line).encode() + b"\n"


def completed(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
    """Everything is answered."""
    return "completed", b"".join(answer_line(attempt_id) for attempt_id in ids), None


@dataclass
class Provider:
    """What it holds, and how it behaves.

    Attributes:
        ending: how batches end.
        polls: looks at a batch before it has ended.
        faults: actions for requests whose ``METHOD path`` matches a pattern; each is used once,
            after the request was carried out if it is a `Cut`.
        key: another key does not see what this one made.
        unlisted: listings in which the newest batch is not shown yet.
    """

    ending: Ending = completed
    polls: int = 1
    faults: list[tuple[str, Action]] = field(default_factory=list)
    key: str = ""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    page: int = 100
    unlisted: int = 0

    def __call__(self, seen: Seen) -> Action:
        fault = self._fault(f"{seen.method} {seen.path}")
        if fault is not None and not isinstance(fault, Cut):
            return fault
        answer = self._answer(seen)
        return fault if fault is not None else answer

    def _fault(self, what: str) -> Action | None:
        for i, (pattern, action) in enumerate(self.faults):
            if re.fullmatch(pattern, what):
                del self.faults[i]
                return action
        return None

    def _answer(self, seen: Seen) -> Action:
        path = seen.path.removeprefix("/v1").partition("?")[0]
        if seen.method == "POST":
            made = self._upload(seen) if path == "/files" else self._create(seen.json)
            return Answer(body=json.dumps(made).encode()) if made else error(400, "no_such_file")
        if path in {"/files", "/batches"}:
            return self._list(path, seen)
        kind, _, rest = path.lstrip("/").partition("/")
        name, _, content = rest.partition("/")
        mine = not self.key or seen.headers.get("authorization") == f"Bearer {self.key}"
        found = (self.files if kind == "files" else self.batches).get(name) if mine else None
        if found is None:
            return error(404, "not_found", f"No such {kind}: {name}")
        if content:
            return Answer(body=found["content"], type="application/jsonl")
        return Answer(body=json.dumps(self._look(found)).encode())

    def _list(self, path: str, seen: Seen) -> Action:
        """Newest first, in pages."""
        held = self.files if path == "/files" else self.batches
        names = list(reversed(held))
        if path == "/batches" and self.unlisted and names:
            self.unlisted -= 1
            del names[0]
        after = re.search(r"after=([\w-]+)", seen.path)
        start = names.index(after[1]) + 1 if after else 0
        page = names[start : start + self.page]
        entries = [{k: v for k, v in held[name].items() if k != "content"} for name in page]
        more = start + self.page < len(names)
        return Answer(body=json.dumps({"data": entries, "has_more": more}).encode())

    def _upload(self, seen: Seen) -> dict[str, Any]:
        head, _, rest = seen.body.partition(b'name="file"')
        del head
        filename = re.search(rb'filename="([^"]+)"', rest)
        assert filename is not None
        content = rest.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
        return self._store(filename[1].decode(), content)

    def _store(self, filename: str, content: bytes) -> dict[str, Any]:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = {
            "id": name,
            "filename": filename,
            "bytes": len(content),
            "content": content,
        }
        return {k: v for k, v in self.files[name].items() if k != "content"}

    def _create(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        if asked["input_file_id"] not in self.files:
            return None
        name = f"batch-{len(self.batches) + 1}"
        self.batches[name] = {**asked, "id": name, "status": "in_progress", "looks": 0}
        return self.batches[name]

    def _look(self, batch: dict[str, Any]) -> dict[str, Any]:
        if "looks" not in batch:
            return batch
        batch["looks"] += 1
        if batch["looks"] > self.polls and batch["status"] == "in_progress":
            lines = self.files[batch["input_file_id"]]["content"].splitlines()
            ids = [json.loads(line)["custom_id"] for line in lines]
            status, output, errors = self.ending(ids)
            batch["status"] = status
            batch["output_file_id"] = self._file_id("output", output)
            batch["error_file_id"] = self._file_id("errors", errors)
            done = len(output.splitlines()) if output else 0
            batch["request_counts"] = {"total": len(ids), "completed": done}
        return batch

    def _file_id(self, what: str, content: bytes | None) -> str | None:
        """None where there is no file, and an empty text where there is an empty one."""
        if content is None:
            return None
        return str(self._store(f"{what}.jsonl", content)["id"]) if content else ""
