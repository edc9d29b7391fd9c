"""A label source from votes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.aggregation import MODELS, RaterModel, aggregate, check_rule
from interestingness.labels.source import Labels, LabelSource
from interestingness.schema import DEFAULT_QUESTION, Pairs
from interestingness.tables.tables import Tables, Votes

KINDS = ("human", "model", "any")
ORDERS = 2
"""Presentations of a pair to a model: with either image first."""
SHOWN = 3
"""Most simulated raters that are named in the sentence."""


def simulation_of(raters: Iterable[str]) -> str:
    """The sentence to print with votes of simulated raters, recognised by their ids, or ""."""
    names = [name for name in raters if "simulated" in name.casefold()]
    more = ", …" if len(names) > SHOWN else ""
    told = ", ".join(names[:SHOWN]) + more
    return f"SIMULATION: votes of {told}; no evidence about anybody" if names else ""


class VoteSource(LabelSource):
    """Votes of some raters on one question, aggregated to one preference per pair."""

    def __init__(
        self,
        tables: Tables,
        *,
        name: str,
        raters: Sequence[str],
        kind: str,
        aggregation: str,
        question: str = DEFAULT_QUESTION,
        threshold: float = 0.8,
        annotator: str | None = None,
        price_per_call: float | None = None,
    ) -> None:
        """Choose the votes and the rule.

        Args:
            tables: the prepared data set.
            name: shown in tables.
            raters: patterns of rater ids, ``*`` for any text: ``["gpt-4o*"]``.
            kind: "human", "model" or "any".
            aggregation: one of ``aggregation.RULES``: majority, consensus, share,
                order_consistent, order_corrected, agreement_weighted.
            question: what was asked.
            threshold: for "consensus": the least share of votes on the majority side.
            annotator: option that obtains the votes (``interestingness annotate annotator=…``).
            price_per_call: approximate price of one answer in dollars, for the text of ``missing``.

        Raises:
            ConfigError: for an unknown aggregation, threshold or kind, or no rater pattern.
        """
        super().__init__(tables, name=name)
        check_rule(aggregation, threshold)
        if kind not in KINDS:
            raise ConfigError(
                f"rater kind {kind!r}",
                expected=f"one of {', '.join(KINDS)}",
                todo="correct label_source.kind",
            )
        if isinstance(raters, str) or not raters:
            raise ConfigError(
                f"raters: {raters!r}",
                expected="a list of patterns of rater ids",
                todo='label_source.raters=["*"] takes every rater',
            )
        self.raters = tuple(raters)
        self.kind = kind
        self.aggregation = aggregation
        self.question = question
        self.threshold = threshold
        self.annotator = annotator
        self.price_per_call = price_per_call
        self._model: RaterModel | None = None

    def fit(self, pairs: Pairs) -> Self:
        """Estimate the model of the raters from votes on these pairs if the rule has one."""
        if self.aggregation in MODELS:
            self._need_votes()
            votes = self._votes
            self._model = self._fitted(votes[pairs.find(votes.key) >= 0])
        return self

    def _fitted(self, votes: Votes) -> RaterModel:
        return MODELS[self.aggregation](votes, self.tables.pairs, self._kinds)

    def labels(self, pairs: Pairs) -> Labels:
        """Preferences by the aggregation; NaN for pairs without a usable vote.

        Without ``fit`` the model of the raters is estimated from all votes of the source, so that
        the label of a pair does not depend on the other pairs given.

        Raises:
            LabelError: if the tables hold no such vote; it names the command that obtains them.
        """
        self._need_votes()
        if self.aggregation in MODELS and self._model is None:
            self._model = self._fitted(self._votes)
        return aggregate(
            self.aggregation, self._votes, pairs, threshold=self.threshold, model=self._model
        )

    def missing(self) -> str | None:
        """Which votes are missing, the command that obtains them and what that costs."""
        if not self.tables.has("votes"):
            return f"there is no vote table. {self._advice()}"
        if len(self._votes):
            return None
        who = "raters" if self.kind == "any" else f"{self.kind} raters"
        return (
            f"no vote on the question {self.question!r} by {who} {', '.join(self.raters)}; "
            f"the vote table has {self._present()}. {self._advice()}"
        )

    def simulated(self) -> str:
        """The sentence of simulated raters: the data set's, else by the ids of the raters."""
        if self.missing() is not None:
            return ""
        return simulation_of(self._votes.raters[i] for i in np.unique(self._votes.rater))

    def fingerprint(self) -> str:
        """Hash of the rule and of the votes that it reads (not of other raters' votes)."""
        rule = json.dumps([self.aggregation, self.threshold])
        digest = hashlib.sha256(rule.encode())
        if self.tables.has("votes"):
            votes = self._votes
            digest.update("\0".join(votes.raters).encode())
            for column in (votes.key, votes.rater, votes.first, votes.sample):
                digest.update(column.tobytes())
            for number in (votes.preference, votes.probability):
                # one bit pattern for every NaN, and one for both zeros
                digest.update(np.where(np.isnan(number), np.nan, number + 0.0).tobytes())
        return digest.hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        """Without the votes, which are read again where they are needed."""
        state = self.__dict__.copy()
        for name in ("_votes", "_kinds"):
            state.pop(name, None)
        return state

    @cached_property
    def _votes(self) -> Votes:
        return self.tables.votes(question=self.question, raters=self.raters, kind=self.kind)

    @cached_property
    def _kinds(self) -> list[str]:
        people = self.tables.votes(question=self.question, raters=self.raters, kind="human")
        human = {people.raters[i] for i in np.unique(people.rater).tolist()}
        return ["human" if name in human else "model" for name in self._votes.raters]

    def _need_votes(self) -> None:
        missing = self.missing()
        if missing is not None:
            raise LabelError(f"label source {self.name!r}: {missing}")

    def _present(self) -> str:
        table = self.tables.vote_table
        if table.num_rows == 0:
            return "no votes at all"
        raters = sorted(table["rater_id"].unique().to_pylist())
        questions = sorted(table["question"].unique().to_pylist())
        more = f" … ({len(raters)} raters)" if len(raters) > 5 else ""
        return f"votes of {', '.join(raters[:5])}{more} on {', '.join(questions[:5])}"

    def _advice(self) -> str:
        if self.annotator is None:
            return (
                "Add them as votes.csv with the columns left,right,choice (rater, first, reason "
                "optional): `dataset=folder dataset.images=… dataset.votes=votes.csv`"
            )
        question = "" if self.question == DEFAULT_QUESTION else f" question={self.question}"
        options = f"dataset=…{question} annotator={self.annotator}"
        command = f"`interestingness annotate {options}` obtains them"
        pairs = len(self.tables.pairs)
        calls = f"{pairs:,} pairs × {ORDERS} orders = {pairs * ORDERS:,} calls"
        if self.price_per_call is None:
            return f"{command}: {calls} of a model that runs on your own machine"
        total = pairs * ORDERS * self.price_per_call
        return (
            f"{command}: {calls}, × ${self.price_per_call:g} a call ≈ ${total:,.2f} "
            "(about 320 tokens in and 40 out for each; check the present price list first)"
        )
