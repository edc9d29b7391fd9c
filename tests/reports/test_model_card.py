"""What the README of an exported scorer says of the score and of the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from interestingness.models.contract import EmbeddingContract
from interestingness.models.exchange import ScorerCard
from interestingness.reports.model_card import model_card

CARD = ScorerCard("mine", "interesting", "votes", "logits", "MIT")
EMBEDDING = EmbeddingContract.of_cached("tiny", "x", 7)
NO_MEANING = "A score by itself has no unit and no meaning outside."


def test_a_score_with_a_zero_means_something_by_itself() -> None:
    text = model_card(replace(CARD, has_zero=True), EMBEDDING, {})
    assert NO_MEANING not in text
    assert "above 0 an image is called *interesting*" in text and "`sigmoid(score)`" in text


@pytest.mark.parametrize(
    ("unit", "said"),
    [("logits", NO_MEANING), ("mean rating, 1 to 10", "Unit of the score: mean rating, 1 to 10.")],
)
def test_other_scores_mean_what_they_did(unit: str, said: str) -> None:
    text = model_card(replace(CARD, unit=unit), EMBEDDING, {})
    assert said in text and "sigmoid" not in text and "fine-tuned" not in text


@pytest.mark.parametrize(
    ("tuning", "said"),
    [
        ({"kind": "full"}, "all of its parameters"),
        ({"kind": "last_blocks", "blocks": 2}, "its last 2 blocks and what follows them"),
        ({"kind": "last_blocks", "blocks": 1}, "its last block and what follows it"),
        ({"kind": "last_blocks", "blocks": 0}, "what follows its last block"),
        (
            {"kind": "low_rank", "rank": 4, "alpha": 8.0, "targets": ["attn.out_proj.weight"]},
            "low-rank updates (LoRA, rank 4, alpha 8.0) of `attn.out_proj.weight`",
        ),
        ({"kind": "of_a_plugin", "depth": 3}, "kind of_a_plugin, depth 3"),
    ],
)
def test_a_fine_tuned_backbone_is_said(tuning: dict[str, Any], said: str) -> None:
    assert f"The backbone was fine-tuned: {said}." in model_card(CARD, EMBEDDING, tuning)


@pytest.mark.parametrize(
    ("question", "said"), [("complexity", "more *complexity*"), ("less grade", "*less grade*")]
)
def test_the_card_says_what_was_learnt(question: str, said: str) -> None:
    assert f"a higher score means {said}." in model_card(
        replace(CARD, question=question), EMBEDDING, {}
    )


def test_an_accuracy_comes_with_its_interval() -> None:
    figures = {"a": [0.713, 0.652, 0.77], "b": [0.5, None, None], "of older exports": 0.6}
    text = model_card(replace(CARD, figures=figures), EMBEDDING, {})
    assert "| a | 71.3 % [65.2, 77.0] |" in text
    assert "| b | 50.0 % |" in text and "| of older exports | 60.0 % |" in text
