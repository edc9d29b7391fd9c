"""The README of an exported scorer, in the form that model hubs show."""

from __future__ import annotations

from pathlib import Path

from interestingness.disk import appear
from interestingness.models.contract import EmbeddingContract
from interestingness.models.exchange import ScorerCard
from interestingness.reports.text import plain

USE = """```sh
interestingness rank PHOTOS --scorer THIS_FOLDER
```"""


def write_model_card(path: Path, card: ScorerCard, embedding: EmbeddingContract) -> Path:
    """Write the card; it appears whole or not at all."""
    text = model_card(card, embedding)
    return appear(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def model_card(card: ScorerCard, embedding: EmbeddingContract) -> str:
    """The card as Markdown with the front matter of model hubs."""
    name, question = plain(card.name), plain(card.question)
    about = [
        f"# {name}",
        f"Scores images: a higher score means more *{question}*. Learnt from "
        f"{plain(card.learnt_from)}.",
    ]
    if card.simulated:
        about.append(f"**{plain(card.simulated)}**")
    if card.unit.startswith("logits"):
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
    if card.figures:
        rows = [f"| {plain(name)} | {100 * value:.1f} % |" for name, value in card.figures.items()]
        about += ["## Measured on held-out pairs", "\n".join(["| what | |", "|---|---|", *rows])]
    about += ["## Licence", plain(card.licence) or "Of the head: as its owner says."]
    front = "---\nlibrary_name: interestingness\ntags:\n- image-scoring\n- learning-to-rank\n---"
    return "\n\n".join([front, *about]) + "\n"
