"""Write the table of published heads into docs/rank.md, from the heads that the code knows.

    python scripts/list_published_heads.py

A test holds that the page is current.
"""

from __future__ import annotations

from pathlib import Path

from interestingness.models.published_heads import HEADS_ON_CLIP

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rank.md"
BEGIN, END = "<!-- made by scripts/list_published_heads.py -->\n\n", "\n<!-- end -->\n"
HEAD = ("name", "a higher score is more", "unit", "tower", "licence of the head", "from")


def rows() -> list[tuple[str, ...]]:
    """One row per head, in the order of the code."""
    return [
        (
            f"`{head.name}`",
            head.question,
            head.unit,
            f"{head.architecture.removesuffix('-quickgelu')}, {head.image_size} px",
            head.file.licence,
            f"[{'/'.join(head.file.url.split('/')[3:5])}]({head.file.url})",
        )
        for head in HEADS_ON_CLIP.values()
    ]


def table() -> str:
    """The table in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *rows()]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def with_table(page: str) -> str:
    """The page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = f"\n{rest}".partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
