"""Reasons that speak for the chosen image, for the other one, or for neither."""

from __future__ import annotations

import pytest

from interestingness.annotators.reason_support import reason_supports

CASES = [
    ("first", "The first image shows a rare animal in motion.", "supports"),
    ("second", "The first image shows a rare animal in motion.", "contradicts"),
    ("first", "The second photo is dull.", "supports"),
    ("first", "The first image is more vivid than the second image.", "supports"),
    ("second", "The first image is more vivid than the second image.", "contradicts"),
    ("second", "Compared to the first image, the second has a clear subject.", "supports"),
    ("first", "While the second image is plain, the first one tells a story.", "supports"),
    ("second", "The former lacks a subject, whereas the latter is full of life.", "supports"),
    ("first", "Image 2 has striking colours.", "contradicts"),
    ("first", "It has striking colours.", "unclear"),
    ("first", "", "unclear"),
    ("first", "The first and the second image are both fine.", "unclear"),
    ("first", "The first image is lively; the second image is lively too.", "unclear"),
]


@pytest.mark.parametrize(("choice", "reason", "expected"), CASES)
def test_reasons(choice: str, reason: str, expected: str) -> None:
    assert reason_supports(choice, reason) == expected


def test_left_and_right_name_images_on_a_canvas_only() -> None:
    reason = "The image on the right is unusual."
    assert reason_supports("first", reason) == "unclear"
    assert reason_supports("first", reason, canvas=True) == "contradicts"
    assert reason_supports("second", reason, canvas=True) == "supports"


@pytest.mark.parametrize(("choice", "reason", "expected"), CASES)
def test_the_other_choice_turns_the_result_round(choice: str, reason: str, expected: str) -> None:
    turned = {"supports": "contradicts", "contradicts": "supports", "unclear": "unclear"}
    other = "second" if choice == "first" else "first"
    assert reason_supports(other, reason) == turned[expected]
