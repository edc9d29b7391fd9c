"""Contracts for plugin authors: subclass one in your own tests, and pytest runs all of it.

from interestingness.testing import LabelSourceContract

class TestSaliency(LabelSourceContract):
    score_names = ("saliency",)

    def make(self, tables):
        return SaliencySource(tables, name="saliency")
"""

from __future__ import annotations

import json
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
from interestingness.schema import Pair, Pairs
from interestingness.tables.tables import Manifest, Tables

if TYPE_CHECKING:
    import pytest
    from PIL import Image
    from torch import Tensor

    from interestingness.models.backbone import Backbone

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
    """Write a small synthetic data set with votes in both orders, ties, refusals and scores.

    Args:
        root: empty folder.
        score_names: scores to simulate.
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
    """The contract of every label source; see ``interestingness.labels.source.LabelSource``.

    Attributes:
        score_names: scores that the source reads; the contract simulates them.
        model_raters: ids of models whose votes the source reads.
        reads_own_files: whether ``make`` writes files that replace the tables' votes and scores, so
            that the source works without these.
        tolerance: largest difference of preferences that count as equal.
    """

    score_names: Sequence[str] = ()
    model_raters: Sequence[str] = DEFAULT_RATERS
    reads_own_files: bool = False
    tolerance: float = 1e-9

    @abstractmethod
    def make(self, tables: Tables) -> LabelSource:
        """Make the source on these tables. It may write its own files to ``tables.root``; derive
        them from the tables, whose images are renamed and whose votes and scores change."""

    def tables(self, root: Path, **change: Any) -> Tables:
        """Write ``contract_tables`` with the votes and scores that this source reads."""
        return contract_tables(
            root, score_names=self.score_names, model_raters=self.model_raters, **change
        )

    def fitted(self, tables: Tables) -> LabelSource:
        """Fit the source on the first three quarters of the pairs."""
        return self.make(tables).fit(tables.pairs[: 3 * PAIRS // 4])

    def labels(self, tables: Tables) -> Labels:
        """Return the labels of the fitted source for all pairs."""
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
        # each row holds the same two images, swapped where their new names sort the other way
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


class BackboneContract(ABC):
    """The contract of every backbone; see ``interestingness.models.backbone.Backbone``.

    from interestingness.testing import BackboneContract

    class TestEdges(BackboneContract):
        def make(self, seed):
            return EdgeBackbone(weights=f"random:{seed}")

    Attributes:
        tolerance: of features that should be equal but were computed in another batch, as a share
            of the largest.
        has_weights: False for a backbone without weights to learn; ``make`` then ignores the seed.
    """

    tolerance: float = 1e-4
    has_weights: bool = True

    @abstractmethod
    def make(self, seed: int) -> Backbone:
        """Make the backbone with random weights that depend on the seed only."""

    def images(self, backbone: Backbone, *, seed: int = 0) -> Tensor:
        """Return five synthetic pictures of different sizes, transformed, shape (5, 3, H, W)."""
        import torch

        return torch.stack([backbone.transform(picture) for picture in contract_pictures(seed)])

    def test_features_have_the_promised_shape(self) -> None:
        import torch

        backbone = self.make(0)
        features = backbone(self.images(backbone))
        assert features.shape == (5, backbone.dim) and features.dtype == torch.float32
        assert torch.isfinite(features).all()
        assert len(features.unique(dim=0)) == 5, "different pictures, the same features"

    def test_a_row_does_not_depend_on_the_others(self) -> None:
        backbone = self.make(0)
        images = self.images(backbone)
        together = backbone(images)
        limit = self.tolerance * float(together.abs().max())
        alone = backbone(images[2:3])
        assert float((together[2:3] - alone).abs().max()) <= limit
        images[3] = -images[3]
        changed = backbone(images)
        assert float((together[2] - changed[2]).abs().max()) <= limit
        assert float((together[3] - changed[3]).abs().max()) > limit

    def test_threads_do_not_mix_up_features(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        backbone = self.make(0)
        if not backbone.reentrant:
            return
        batches = [self.images(backbone, seed=seed) for seed in range(2)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(backbone, batches * 2))
        for features, images in zip(found, batches * 2, strict=True):
            expected = backbone(images)
            limit = self.tolerance * float(expected.abs().max())
            assert float((features - expected).abs().max()) <= limit

    def test_frozen_means_no_gradient_and_eval_mode_whatever_train_says(self) -> None:
        import torch

        backbone = self.make(0)
        assert backbone.frozen
        images = self.images(backbone)
        before, state = backbone(images), _copied(backbone)
        wrapper = torch.nn.Sequential(backbone)
        wrapper.train()
        assert not any(module.training for module in backbone.modules())
        after = backbone(images)
        assert not any(p.requires_grad for p in backbone.parameters())
        assert not after.requires_grad
        assert torch.equal(before, after)
        assert all(torch.equal(v, state[k]) for k, v in backbone.state_dict().items())

    def test_unfrozen_it_learns(self) -> None:
        backbone = self.make(0).unfreeze().train()
        if not self.has_weights:
            assert not backbone.state_dict(), "has_weights is False, and there are weights"
            return
        assert backbone.training and not backbone.frozen
        backbone(self.images(backbone)).square().sum().backward()
        assert any(p.grad is not None and bool(p.grad.any()) for p in backbone.parameters())
        assert not backbone.freeze().training

    def test_equal_weights_equal_features_equal_fingerprint(self) -> None:
        import torch

        one, same, other = self.make(0), self.make(0), self.make(1)
        images = self.images(one)
        assert one.fingerprint() == same.fingerprint()
        assert torch.equal(one(images), same(images))
        if not self.has_weights:
            assert one.fingerprint() == other.fingerprint()
            return
        assert one.fingerprint() != other.fingerprint(), "other weights, the same fingerprint"
        assert not torch.equal(one(images), other(images)), "the seed changes nothing"

    def test_the_contract_survives_json(self) -> None:
        backbone = self.make(0)
        contract = backbone.contract
        again = type(contract).from_dict(json.loads(json.dumps(contract.as_dict())))
        assert again == contract and again.fingerprint() == backbone.fingerprint()
        assert contract.dim == backbone.dim

    def test_the_transform_pickles_without_the_network(self) -> None:
        import torch

        backbone = self.make(0)
        pickled = pickle.dumps(backbone.transform)
        assert len(pickled) < 100_000, "the transform carries weights"
        picture = contract_pictures(0)[0]
        assert torch.equal(pickle.loads(pickled)(picture), backbone.transform(picture))

    def test_the_two_steps_of_the_transform_are_the_transform(self) -> None:
        import torch

        transform = self.make(0).transform
        pictures = contract_pictures(0)
        stack = transform.normalise(torch.stack([transform.pixels(p) for p in pictures]))
        assert stack.dtype == torch.float32 and stack.ndim == 4 and stack.shape[1] == 3
        assert all(torch.equal(row, transform(p)) for row, p in zip(stack, pictures, strict=True))

    def test_building_leaves_the_random_state_alone(self) -> None:
        import torch

        before = torch.get_rng_state()
        self.make(7)
        assert torch.equal(before, torch.get_rng_state())

    def test_it_says_what_it_is(self) -> None:
        backbone = self.make(0)
        assert backbone.domain in {"photographs", "synthetic", "any pictures"}
        assert backbone.licence
        described = backbone.describe()
        assert described and "\n" not in described


def contract_pictures(seed: int) -> list[Image.Image]:
    """Return five synthetic RGB pictures: wide, tall, square, tiny and one pixel high."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    shapes = ((90, 160), (200, 80), (120, 120), (7, 5), (1, 40))
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in shapes]


def _copied(backbone: Backbone) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
