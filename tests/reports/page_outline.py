"""A page read back: its tags, attributes and words."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "wbr"}


class Outline(HTMLParser):
    """Tags, attributes and text; complains about tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def words(self) -> str:
        return " ".join("".join(self.text).split())

    def count(self, tag: str) -> int:
        return sum(t == tag for t, _ in self.tags)
