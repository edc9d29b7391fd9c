"""What is handed out, and what comes back, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

CHOICES = ("left", "right", "tie", "both_bad")
"""Answers that are votes."""
NO_VOTE = ("skip", "failed")
"""Answers that are none: not now, and an image that the screen could not show."""
SCALES = (5, 7)
"""Points of a scale for single images, from 1."""


@dataclass(frozen=True)
class Wanted:
    """A pair, or one image, that is to be shown.

    Attributes:
        left: image id.
        right: image id; None for one image.
        chosen_by: random, active, list, or again for one that was shown before, swapped.
        probability: with which it was chosen among all; None where that is not known.
        again: number of the appearance that it repeats.
    """

    left: str
    right: str | None
    chosen_by: str
    probability: float | None = None
    again: int | None = None


@dataclass(frozen=True)
class Appearance:
    """What stands, or will stand, on a rater's screen; ``token`` names it to the page."""

    id: int
    token: str
    left: str
    right: str | None


@dataclass(frozen=True)
class Given:
    """An answer as the page sends it.

    Attributes:
        token: of the appearance.
        key: made by the page, so that an answer that is sent twice is stored once.
        choice: one of ``CHOICES`` and ``NO_VOTE``, or a rating in digits.
        reason: in the rater's words.
        response_ms: from both images on screen to the answer.
    """

    token: str
    key: str
    choice: str
    reason: str = ""
    response_ms: float | None = None
