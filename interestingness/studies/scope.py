"""Choose pairs to train and test on: all, order-consistent ones, or consensus pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.aggregation import ROUNDING, aggregate, check_threshold
from interestingness.labels.source import Labels
from interestingness.studies.study import Material

Mask = NDArray[np.bool_]
CHOICES = ("all", "order_consistent", "consensus")


@dataclass(frozen=True, eq=False)
class Scope:
    """Sets of pairs by name.

    Attributes:
        masks: ``all``, ``order_consistent`` and ``consensus`` where there is such a set, (pairs,).
        texts: a description of each set, or why it does not exist.
    """

    masks: dict[str, Mask]
    texts: dict[str, str]

    def of(self, name: str, option: str) -> Mask:
        """Return the pairs of a set.

        Args:
            name: one of ``CHOICES``.
            option: what the user set to it, for the message.

        Raises:
            ConfigError: for a name that does not exist.
            LabelError: if the votes do not define the set.
        """
        if name not in CHOICES:
            raise ConfigError(
                f"{option}={name}", expected=f"one of {', '.join(CHOICES)}", todo="choose one"
            )
        if name not in self.masks:
            raise LabelError(
                f"{option}={name}: {self.texts[name]}",
                expected="votes that tell which pairs these are",
                todo=f"{option}=all takes every pair",
            )
        return self.masks[name]

    def describe(self, name: str) -> str:
        """Describe a set in a phrase with the number of pairs."""
        return f"{self.texts[name]} ({int(self.masks[name].sum()):,} pairs)"


def scope_of(
    material: Material,
    reference: str,
    labels: Labels,
    *,
    consistent: Sequence[str],
    threshold: float,
) -> Scope:
    """Make the sets that the data set's votes define.

    Consensus pairs are taken among the order-consistent ones where these are known, as the paper
    does; the text says whether they are.

    Args:
        material: the data.
        reference: name of the source whose votes make the consensus.
        labels: of the reference.
        consistent: patterns of raters; a pair is order-consistent if the majorities of their votes
            in both orders have the same winner.
        threshold: least share of its votes on one side.
    """
    check_threshold(threshold, where="study")
    masks = {"all": np.ones(len(material.pairs), dtype=bool)}
    texts = {"all": "all pairs"}
    steady = _steady(material, consistent)
    who = ", ".join(consistent)
    if steady is None:
        texts["order_consistent"] = f"no pair has votes of {who or 'any model'} in both orders"
    else:
        masks["order_consistent"] = steady
        texts["order_consistent"] = f"pairs whose winner {who} keep when the images are exchanged"
    agreed = labels.consensus >= threshold - ROUNDING
    agreed &= labels.known & (labels.preference != 0.5)
    if np.isnan(labels.consensus).all():
        texts["consensus"] = f"{reference} has no votes, and so no consensus"
    else:
        among = "order-consistent pairs" if steady is not None else "pairs"
        masks["consensus"] = agreed if steady is None else agreed & steady
        texts["consensus"] = (
            f"{among} with at least {100 * threshold:g} % of the votes of {reference} on one side"
        )
    return Scope(masks, texts)


def _steady(material: Material, consistent: Sequence[str]) -> Mask | None:
    tables = material.tables
    if not consistent or not tables.has("votes"):
        return None
    votes = tables.votes(question=material.question, raters=consistent)
    labels = aggregate("order_consistent", votes, tables.pairs)
    return labels.known if labels.facts["pairs_in_both_orders"] else None
