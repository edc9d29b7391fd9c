"""Write the table of label sources into docs/label_sources.md, from conf/label_source/*.yaml.

    python scripts/list_label_sources.py

A test holds that the page is current. What a config cannot know (how the synthetic data set makes
the labels, whose licence the real ones have) stands in ``KNOWN``; an option without an entry there
is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "label_sources.md"
BEGIN, END = "<!-- made by scripts/list_label_sources.py -->\n\n", "\n<!-- end -->\n"
HEAD = ("option", "reads", "rule", "in the synthetic data", "licence of real labels")

_JUDGE = "the truth dampened, a taste of its own, a liking for the second place"
_FLICKR = "terms of Flickr's API"
_MIXED = "those of its sources"
_YOURS = "yours"

KNOWN = {
    "aesthetic": ("truth, GPT-4o's utility, own taste", "VILA: Apache-2.0"),
    "comments": ("counts with heavy tails, half of them 0", _FLICKR),
    "commonly_interesting": ("truth, GPT-4o's utility, own taste", "none stated"),
    "cupl": ("truth, GPT-4o's utility, own taste", "none stated"),
    "deepseek_vl2": ("says “first” to nearly all", "DeepSeek's model licence"),
    "engagement": ("favourites of simulated views", _FLICKR),
    "favorites": ("counts with heavy tails", _FLICKR),
    "gpt4o": (_JUDGE, "OpenAI's terms"),
    "human": ("five of 553 workers a pair: truth, own tastes, noise", "none stated"),
    "human_consensus": ("as `human`", "none stated"),
    "judge": ("none until `interestingness annotate` asked", "terms of the model"),
    "lafin": ("1 for about half of the images; leaks into tags and views", _FLICKR),
    "llama32": ("a coin flip in most calls", "Llama 3.2 Community License"),
    "memorability": ("truth turned round, own taste", "ResMem: non-commercial only"),
    "mix": ("from its sources", _MIXED),
    "scores": ("any of its scores", _YOURS),
    "stars": ("none: scenes carry no ratings", _YOURS),
    "true_utility": ("the planted truth", "ours"),
    "views": ("counts with heavy tails, 97 % on flagged images", _FLICKR),
    "votes": ("people and models together", _YOURS),
}
"""How ``dataset=synthetic`` makes the labels; the licence of the published ones or their model."""


def rows() -> list[tuple[str, ...]]:
    """One row per option, sorted."""
    files = sorted((ROOT / "conf" / "label_source").glob("*.yaml"))
    options = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}
    if unknown := set(options) ^ set(KNOWN):
        raise SystemExit(f"KNOWN and conf/label_source differ: {', '.join(sorted(unknown))}")
    return [(f"`{name}`", *_read_and_rule(o), *KNOWN[name]) for name, o in options.items()]


def _read_and_rule(option: dict[str, Any]) -> tuple[str, str]:
    kind = option["_target_"].rpartition(".")[2]
    if kind == "VoteSource":
        who = {"human": "of people", "model": "of models", "any": "of people and models"}
        named = [] if option["raters"] == "???" else option["raters"]
        raters = ", ".join(f"`{r}`" for r in named if r != "*")
        votes = f"votes {who[option['kind']]}" + (f" {raters}" if raters else "")
        return votes, f"`{option['aggregation']}`"
    if kind == "ScoreSource":
        named = option["column"]
        return "a score" if named == "???" else f"score `{named}`", "higher wins"
    if kind == "EngagementSource":
        reads = f"scores `{option['counts']}` and `{option['exposure']}`"
        return reads, "higher rate wins, by its certainty"
    if kind == "MixSource":
        parts = [d for d in option["defaults"] if d != "_self_"]
        others = [str(d).partition("@")[0] for d in parts if not str(d).startswith("human@")]
        reads = f"{len(others)} sources, {option['human_pairs']} pairs with human votes"
        return reads, "logistic, calibrated on people"
    raise SystemExit(f"no column text for {kind}")


def table() -> str:
    """The table in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *rows()]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def with_table(page: str) -> str:
    """The page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
