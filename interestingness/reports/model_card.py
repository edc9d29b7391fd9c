"""Write the README of an exported scorer, in the form that model hubs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interestingness.disk import appear
from interestingness.models.contract import EmbeddingContract
from interestingness.models.exchange import LESS, ScorerCard
from interestingness.number_text import percent
from interestingness.reports.text import plain

USE = """```sh
interestingness rank PHOTOS --scorer THIS_FOLDER
```"""


def write_model_card(
    path: Path, card: ScorerCard, embedding: EmbeddingContract, tuning: Mapping[str, Any]
) -> Path:
    """Write the card, whole or not at all."""
    text = model_card(card, embedding, tuning)
    return appear(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def model_card(card: ScorerCard, embedding: EmbeddingContract, tuning: Mapping[str, Any]) -> str:
    """Render the card as Markdown with the front matter of model hubs.

    Args:
        card: what is known of the scorer.
        embedding: of its features.
        tuning: from ``models.exchange.tuning_of``; empty for a frozen backbone.
    """
    name, question = plain(card.name), plain(card.question)
    more = f"*{question}*" if question.startswith(LESS) else f"more *{question}*"
    about = [
        f"# {name}",
        f"Scores images: a higher score means {more}. Learnt from {plain(card.learnt_from)}.",
    ]
    if card.simulated:
        about.append(f"**{plain(card.simulated)}**")
    if card.has_zero:
        about.append(
            f"A score is a logit: above 0 an image is called *{question}*, and `sigmoid(score)` is "
            "the probability of that where half of all images are so, as in the pairs that it "
            "learnt from. The difference of two scores is the logit of the probability that the "
            "first of two images is so, where exactly one of them is."
        )
    elif card.unit.startswith("logits"):
        about.append(
            "The difference of two scores is the logit of the probability that the first image is "
            "preferred. A score by itself has no unit and no meaning outside."
        )
    else:
        about.append(f"Unit of the score: {plain(card.unit)}.")
    size = f", images of {embedding.image_size} pixels" if embedding.image_size else ""
    scaled = "of length 1" if embedding.normalised else "not normalised"
    about += [
        "## Use",
        USE,
        "## Features",
        f"{embedding.family} {plain(embedding.architecture)}{size}, {embedding.dim} numbers, "
        f"{scaled}; weights {embedding.weights_sha256[:16]}. `scorer.json` holds all of it, and "
        "features of another network, size or preprocessing are refused.",
    ]
    if tuning:
        about.append(
            f"The backbone was fine-tuned: {_tuned(tuning)}. What training changed of it is in "
            "`scorer.safetensors`; these weights and that file make the network."
        )
    if card.figures:
        rows = [f"| {plain(name)} | {_figure(value)} |" for name, value in card.figures.items()]
        head = ["| what | with its interval of 95 % |", "|---|---|"]
        about += ["## Measured on held-out pairs", "\n".join([*head, *rows])]
    about += ["## Licence", plain(card.licence) or "Of the head: as its owner says."]
    front = "---\nlibrary_name: interestingness\ntags:\n- image-scoring\n- learning-to-rank\n---"
    return "\n\n".join([front, *about]) + "\n"


def _figure(value: Sequence[float | None] | float) -> str:
    values = value if isinstance(value, Sequence) else [value]
    known, low, high = (*values, None, None)[:3]
    if known is None:
        return "–"
    interval = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{percent(known)}{interval}"


def _tuned(tuning: Mapping[str, Any]) -> str:
    """Describe the trained part in words; a third-party kind by its name and options."""
    kind = tuning["kind"]
    if kind == "full":
        return "all of its parameters"
    if kind == "last_blocks":
        named = {0: "what follows its last block", 1: "its last block and what follows it"}
        return named.get(
            tuning["blocks"], f"its last {tuning['blocks']} blocks and what follows them"
        )
    if kind == "low_rank":
        targets = ", ".join(f"`{plain(str(name))}`" for name in tuning["targets"])
        return (
            f"low-rank updates (LoRA, rank {tuning['rank']}, alpha {tuning['alpha']}) of {targets}"
        )
    return plain(", ".join(f"{name} {value}" for name, value in tuning.items()))
