"""Write the tables of options into docs/label_sources.md and docs/configuration.md, from conf/.

    python scripts/list_options.py

What a table of label sources tells beyond the option's values stands in comments of its file:

    # synthetic: how dataset=synthetic makes the labels
    # licence: of real labels, or of the model that makes them
    # reads: and
    # rule: where the class is none of those below
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
SOURCES, CONFIGURATION = ROOT / "docs" / "label_sources.md", ROOT / "docs" / "configuration.md"
BEGIN, END = "<!-- made by scripts/list_options.py -->\n\n", "\n<!-- end -->\n"
HEAD = ("option", "reads", "rule", "in the synthetic data", "licence of real labels")


def comments(file: Path) -> dict[str, str]:
    """The comments ``# name: text`` of an option, and its first one as ``about``."""
    lines = [
        line[1:].strip()
        for line in file.read_text(encoding="utf-8").splitlines()
        if line[:1] == "#"
    ]
    texts = [line for line in lines if not line.startswith("@package")]
    named = dict(re.findall(r"^(\w+): (.+)$", "\n".join(texts), re.M))
    return {"about": texts[0] if texts else "", **named}


def label_source(file: Path) -> tuple[str, ...]:
    """The row of a label source."""
    option, told = yaml.safe_load(file.read_text(encoding="utf-8")), comments(file)
    reads, rule = _read_and_rule(option)
    return (
        f"`{file.stem}`",
        told.get("reads", reads),
        told.get("rule", rule),
        told.get("synthetic", "–"),
        told.get("licence", "not known"),
    )


def _read_and_rule(option: dict[str, Any]) -> tuple[str, str]:
    kind = str(option.get("_target_", "")).rpartition(".")[2]
    if kind == "VoteSource":
        who = {"human": "of people", "model": "of models", "any": "of people and models"}
        named = [] if option["raters"] == "???" else option["raters"]
        raters = ", ".join(f"`{r}`" for r in named if r != "*")
        votes = f"votes {who[option['kind']]}" + (f" {raters}" if raters else "")
        return votes, f"`{option['aggregation']}`"
    if kind == "ScoreSource":
        named = option["column"]
        rule = "higher wins" + (", the further the surer" if "link" in option else "")
        return "a score" if named == "???" else f"score `{named}`", rule
    return "–", f"`{kind}`"


def sources() -> str:
    """The table of label sources in Markdown."""
    rows = [label_source(file) for file in sorted((CONF / "label_source").glob("*.yaml"))]
    return "".join("| " + " | ".join(row) + " |\n" for row in [HEAD, ("---",) * len(HEAD), *rows])


def groups() -> dict[str, list[str]]:
    """Options by group; ``model/backbone`` is a group of its own."""
    found: dict[str, list[str]] = {}
    for file in sorted(CONF.rglob("*.yaml")):
        group = str(file.parent.relative_to(CONF))
        if group != "." and not group.startswith("hydra"):
            found.setdefault(group, []).append(file.stem)
    return found


def defaults() -> dict[str, str]:
    """By group, the option that the first command takes which has the group; train comes first."""
    found: dict[str, str] = {}
    first = [CONF / "train.yaml", *sorted(CONF.glob("model/*.yaml"))]
    for file in [*first, *sorted(CONF.glob("*.yaml"))]:
        below = "model/" if file.parent.name == "model" else ""
        for entry in yaml.safe_load(file.read_text(encoding="utf-8")).get("defaults", []):
            for group, option in entry.items() if isinstance(entry, dict) else ():
                found.setdefault(f"{below}{group}", str(option))
    return found


def with_options(page: str) -> str:
    """The page with the options of each group in its row ``| `group` | options | … |``."""
    usual, there = defaults(), groups()

    def row(match: re.Match[str]) -> str:
        group = match[1]
        if group not in there or group in {"label_source", "study"}:  # which have tables
            return match[0]
        marks = {usual.get(group, ""): " (default)"} if usual.get(group) != "default" else {}
        names = [f"`{option}`{marks.get(option, '')}" for option in there[group]]
        return f"| `{group}` | {', '.join(names)} |"

    return _with_studies(re.sub(r"^\| `([\w/]+)` \| [^|]*\|", row, page, flags=re.M))


def _with_studies(page: str) -> str:
    """The page with a row for each study: what is there, or the first comment of the option."""
    before, head, rest = page.partition("| study | question |\n|---|---|\n")
    table, _, after = rest.partition("\n\n")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M))
    there = groups()["study"]
    kept = [name for name in rows if name in there]
    for name in (name for name in there if name not in rows):
        rows[name] = comments(CONF / "study" / f"{name}.yaml")["about"]
        kept.append(name)
    made = "\n".join(f"| `{name}` | {rows[name]} |" for name in kept)
    return f"{before}{head}{made}\n\n{after}"


def with_sources(page: str) -> str:
    """The page with the table of label sources between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{sources()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    for path, renewed in ((SOURCES, with_sources), (CONFIGURATION, with_options)):
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
