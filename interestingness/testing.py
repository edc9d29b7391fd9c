"""Contracts for plugin authors: subclass one in your own tests, and pytest runs all of it.

from interestingness.testing import LabelSourceContract

class TestSaliency(LabelSourceContract):
    score_names = ("saliency",)

    def make(self, tables):
        return SaliencySource(tables, name="saliency")
"""

from __future__ import annotations

import pickle
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.labels.source import Labels, LabelSource
from interestingness.labels.tables import Manifest, Tables
from interestingness.schema import Pair, Pairs

if TYPE_CHECKING:
    import pytest

IMAGES, PAIRS, PEOPLE = 24, 80, 14
DEFAULT_RATERS = ("gpt-4o-contract", "llama-3.2-contract", "deepseek-vl2-contract")


def contract_tables(
    root: Path,
    *,
    score_names: Sequence[str] = (),
    model_raters: Sequence[str] = DEFAULT_RATERS,
    rename: NDArray[np.int64] | None = None,
    reverse: bool = False,
    labelled: bool = True,
) -> Tables:
    """A small synthetic data set with votes in both orders, ties, refusals and scores.

    Args:
        root: empty folder.
        score_names: scores to make up.
        model_raters: ids of models that vote on every pair in both orders; fourteen people vote
            as well, five on a pair.
        rename: image i gets the name of image ``rename[i]``, which swaps left and right of some
            pairs and changes nothing else; shape (24,).
        reverse: every vote goes to the other image, every score changes sign.
        labelled: False leaves votes and scores out.
    """
    rng = np.random.default_rng(11)
    named = np.arange(IMAGES) if rename is None else rename
    names = [f"image{i:02d}" for i in named.tolist()]
    utility = rng.normal(size=IMAGES)
    tables: dict[str, pa.Table] = {"images": pa.table({"image_id": names})}
    every = [(i, j) for i in range(IMAGES) for j in range(i + 1, IMAGES)]
    chosen = [every[k] for k in rng.permutation(len(every))[:PAIRS].tolist()]
    pairs = [Pair.of(names[i], names[j]) for i, j in chosen]
    tables["pairs"] = pa.table(
        {
            "pair_id": [p.pair_id for p in pairs],
            "left": [p.left for p in pairs],
            "right": [p.right for p in pairs],
        }
    )
    votes: list[dict[str, Any]] = []
    for (i, j), pair in zip(chosen, pairs, strict=True):
        people = [f"person{k:02d}" for k in rng.permutation(PEOPLE)[:5].tolist()]
        cast = [(who, "human", None) for who in people]
        cast += [(who, "model", shown) for who in model_raters for shown in (i, j)]
        for who, kind, shown in cast:
            lean = utility[i] - utility[j] - (0.6 if shown == i else -0.6 if shown == j else 0.0)
            draw = rng.random(3)
            chance = 1 / (1 + np.exp(-lean))
            choice: int | str | None = i if (draw[0] < chance) != reverse else j
            choice = None if draw[1] < 0.03 else "tie" if draw[2] < 0.03 else choice
            votes.append(
                {
                    "pair_id": pair.pair_id,
                    "rater_id": who,
                    "rater_kind": kind,
                    "choice": _side(pair, names, choice),
                    "first": _side(pair, names, shown),
                }
            )
    scores = [utility + rng.normal(size=IMAGES) for _ in score_names]
    if labelled:
        tables["votes"] = pa.Table.from_pylist(votes)
        sign = -1.0 if reverse else 1.0
        tables["scores"] = pa.table(
            {
                "image_id": pa.array(names * len(scores), pa.string()),
                "name": pa.array(np.repeat(list(score_names), IMAGES).tolist(), pa.string()),
                "score": pa.array(sign * np.concatenate([*scores, np.empty(0)])),
            }
        )
    return Tables.write(root, Manifest("contract", "synthetic"), tables)


def _side(pair: Pair, names: Sequence[str], shown: int | str | None) -> str | None:
    if shown is None or isinstance(shown, str):
        return shown
    return "left" if names[shown] == pair.left else "right"


class LabelSourceContract(ABC):
    """What every label source keeps to; see ``interestingness.labels.source.LabelSource``.

    Attributes:
        score_names: scores that the source reads; the contract makes them up.
        model_raters: ids of models whose votes the source reads.
        reads_own_files: whether ``make`` brings files that take the place of the tables' votes and
            scores, so that nothing is missing without these.
        tolerance: of equal preferences.
    """

    score_names: Sequence[str] = ()
    model_raters: Sequence[str] = DEFAULT_RATERS
    reads_own_files: bool = False
    tolerance: float = 1e-9

    @abstractmethod
    def make(self, tables: Tables) -> LabelSource:
        """The source on these tables. Files of its own may be written into ``tables.root``; derive
        them from the tables, whose images are renamed and whose votes and scores change."""

    def tables(self, root: Path, **change: Any) -> Tables:
        """``contract_tables`` with what this source reads."""
        return contract_tables(
            root, score_names=self.score_names, model_raters=self.model_raters, **change
        )

    def fitted(self, tables: Tables) -> LabelSource:
        """The source, fitted on the first three quarters of the pairs."""
        return self.make(tables).fit(tables.pairs[: 3 * PAIRS // 4])

    def labels(self, tables: Tables) -> Labels:
        """Labels of the fitted source for all pairs."""
        return self.fitted(tables).labels(tables.pairs)

    def test_preferences_are_probabilities_or_nan(self, tmp_path: Path) -> None:
        labels = self.labels(self.tables(tmp_path))
        assert len(labels) == PAIRS
        assert labels.decided.any(), "no pair is decided on the contract's tables"
        known = labels.preference[labels.known]
        assert ((known >= 0) & (known <= 1)).all()

    def test_weights_and_consensus_are_in_range(self, tmp_path: Path) -> None:
        labels = self.labels(self.tables(tmp_path))
        assert labels.weight.shape == labels.consensus.shape == (PAIRS,)
        assert (labels.weight >= 0).all()
        known = labels.consensus[~np.isnan(labels.consensus)]
        assert ((known >= 0.5) & (known <= 1)).all()

    def test_swapping_the_images_of_a_pair_swaps_the_preference(self, tmp_path: Path) -> None:
        tables = self.tables(tmp_path / "one")
        rename = np.random.default_rng(5).permutation(IMAGES)
        other = self.tables(tmp_path / "other", rename=rename)
        # the same two images, row by row; swapped where their new names sort the other way
        swapped = tables.pairs.left != other.pairs.left
        assert swapped.any() and not swapped.all()
        p, q = self.labels(tables).preference, self.labels(other).preference
        np.testing.assert_allclose(np.where(swapped, 1 - q, q), p, atol=self.tolerance)

    def test_reversed_votes_and_scores_are_noticed(self, tmp_path: Path) -> None:
        one = self.labels(self.tables(tmp_path / "one")).preference
        other = self.labels(self.tables(tmp_path / "other", reverse=True)).preference
        assert not np.array_equal(one, other, equal_nan=True)

    def test_the_same_answer_twice(self, tmp_path: Path) -> None:
        tables = self.tables(tmp_path)
        source = self.fitted(tables)
        first, second = source.labels(tables.pairs), source.labels(tables.pairs)
        np.testing.assert_array_equal(first.preference, second.preference)
        again = self.labels(Tables(tables.root))
        np.testing.assert_array_equal(first.preference, again.preference)

    def test_a_pair_does_not_depend_on_the_others_asked_for(self, tmp_path: Path) -> None:
        tables = self.tables(tmp_path)
        source = self.fitted(tables)
        some = np.random.default_rng(3).permutation(PAIRS)[:17]
        part = source.labels(tables.pairs[some])
        whole = source.labels(tables.pairs)
        np.testing.assert_allclose(
            part.preference, whole.preference[some], atol=self.tolerance, equal_nan=True
        )
        assert len(source.labels(tables.pairs[some[:0]])) == 0

    def test_unknown_pairs_give_nan(self, tmp_path: Path) -> None:
        tables = self.tables(tmp_path)
        pairs, _, _ = Pairs.from_ids(["nowhere1", "nowhere1"], ["nowhere2", "nowhere3"])
        labels = self.fitted(tables).labels(pairs)
        assert np.isnan(labels.preference).all()

    def test_pickles(self, tmp_path: Path) -> None:
        tables = self.tables(tmp_path)
        source = self.fitted(tables)
        copy = pickle.loads(pickle.dumps(source))
        np.testing.assert_array_equal(
            source.labels(tables.pairs).preference, copy.labels(tables.pairs).preference
        )
        assert copy.fingerprint() == source.fingerprint()

    def test_opens_no_socket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tables = self.tables(tmp_path)

        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("a label source opened a socket")

        monkeypatch.setattr(socket, "socket", refuse)
        monkeypatch.setattr(socket, "create_connection", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        source = self.make(tables)
        source.missing()
        source.fit(tables.pairs).labels(tables.pairs)
        source.image_scores()
        source.fingerprint()

    def test_the_fingerprint_changes_exactly_when_the_tables_change(self, tmp_path: Path) -> None:
        one = self.tables(tmp_path / "one")
        same = self.tables(tmp_path / "same")
        changed = self.tables(tmp_path / "changed", reverse=True)
        print_ = self.make(one).fingerprint()
        assert self.make(one).fingerprint() == print_
        assert self.make(same).fingerprint() == print_, (
            "same content elsewhere, another fingerprint"
        )
        assert self.make(changed).fingerprint() != print_, "other content, the same fingerprint"
        assert self.fitted(one).fingerprint() == print_, "fitting changed the fingerprint"

    def test_image_scores_are_one_per_image(self, tmp_path: Path) -> None:
        tables = self.tables(tmp_path)
        scores = self.fitted(tables).image_scores()
        assert scores is None or scores.shape == (IMAGES,)

    def test_missing_tables_are_said_in_a_sentence(self, tmp_path: Path) -> None:
        assert self.make(self.tables(tmp_path / "all")).missing() is None
        said = self.make(self.tables(tmp_path / "bare", labelled=False)).missing()
        if self.reads_own_files:
            assert said is None or said.strip()
        else:
            assert said is not None and said.strip(), "nothing to read, and nothing said"
