"""What a run uses, in the words that its first lines and its page show."""

from __future__ import annotations

from dataclasses import dataclass

from interestingness.evaluation.results import Evaluation


@dataclass(frozen=True)
class RunDescription:
    """One line for each thing a reader must know before believing a number.

    Attributes:
        data: name, number and kind of images, number of pairs.
        labels: the source that is learnt from, its rule, how many pairs it decides.
        model: head and backbone.
        weights: where the pretrained weights come from.
        split: which images or pairs train, validate and test.
        simulated: sentence that goes with every number if raters are simulated, else "".
    """

    data: str
    labels: str
    model: str
    weights: str
    split: str
    simulated: str = ""

    def lines(self) -> list[tuple[str, str]]:
        """Name and text, in reading order."""
        names = ("data", "labels", "model", "weights", "split")
        return [(name, getattr(self, name)) for name in names]


def roles(evaluation: Evaluation) -> str:
    """One sentence: which source was learnt from, and which only judge."""
    learnt = [r.name for r in evaluation.references if r.learnt]
    judges = [r.name for r in evaluation.references if r.judged and not r.learnt]
    parts = []
    if learnt:
        parts.append(f"learnt from {', '.join(learnt)}")
    if judges:
        parts.append(f"{', '.join(judges)} only {'judge' if len(judges) > 1 else 'judges'}")
    return "; ".join(parts)


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage without its sign, "–" where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number with a true minus sign, "–" where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")
