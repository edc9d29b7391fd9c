"""A step of the learner: what goes through the network, and what comes back."""

import math

import pytest
import torch
from torch import Tensor, nn

from interestingness.data.batch import PairBatch
from interestingness.errors import DataError
from interestingness.learning.learner import PreferenceLearner
from interestingness.learning.pair_losses import (
    BinaryLoss,
    BradleyTerryLoss,
    DavidsonLoss,
    PairLoss,
)
from interestingness.models.backbones import SceneClipBackbone
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.models.tuning import LastBlocks, tune


def batch(pairs: int = 20, images: int = 8) -> PairBatch:
    """Every image in five pairs."""
    generator = torch.Generator().manual_seed(0)
    left = torch.arange(pairs) % images
    right = (left + 1 + torch.arange(pairs) // images) % images
    return PairBatch(
        images=torch.randn(images, 3, 64, 64, generator=generator),
        left=left,
        right=right,
        preference=torch.rand(pairs, generator=generator),
        weight=torch.ones(pairs),
        row=torch.arange(pairs) + 100,
        normalizer=torch.tensor(float(pairs)),
    )


def learner(loss: PairLoss | None = None) -> PreferenceLearner:
    backbone = tune(SceneClipBackbone(weights="random:0"), LastBlocks(blocks=1))
    head = LinearHead(backbone.dim)
    nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(1))
    scorer = Scorer(backbone, FeatureScaler("none", backbone.dim), head)
    made = PreferenceLearner(scorer, optimizer=lambda p: torch.optim.SGD(p, lr=0.1), loss=loss)
    made.train()
    return made


def test_an_image_in_several_pairs_goes_through_the_network_once() -> None:
    one, given = learner(), batch()
    rows: list[int] = []
    one.scorer.backbone.network.conv1.register_forward_pre_hook(
        lambda _, images: rows.append(len(images[0]))
    )
    one.training_step(given, 0)
    assert rows == [8]  # one pass of 8 images; two passes would be 20 and 20


def test_gradients_are_those_of_two_passes_over_every_image_of_every_pair() -> None:
    one, two, given = learner(), learner(), batch()
    one.training_step(given, 0).backward()
    scores = [two.scorer(given.images[side]) for side in (given.left, given.right)]
    margin: Tensor = scores[0] - scores[1]
    expected = nn.functional.binary_cross_entropy_with_logits(margin, given.preference)
    expected.backward()
    theirs = {n: p.grad for n, p in two.named_parameters() if p.grad is not None}
    ours = {n: p.grad for n, p in one.named_parameters() if p.grad is not None}
    assert ours.keys() == theirs.keys() and len(ours) > 10
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-3, atol=1e-5)


def test_a_picture_that_breaks_the_loss_is_traced_to_its_pairs() -> None:
    one, given = learner(), batch()
    given.images[3] = float("inf")
    with pytest.raises(DataError) as caught:
        one.training_step(given, 7)
    assert all(part in caught.value.found for part in ("batch 7", "1 of 8", "102"))


@pytest.mark.parametrize("loss", [BinaryLoss(), DavidsonLoss(tie=0.3), BradleyTerryLoss()])
def test_the_objective_is_the_own_loss_over_pairs_with_a_preference(
    loss: PairLoss, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, logged = learner(loss), {}
    monkeypatch.setattr(one, "log_dict", lambda values, **_: logged.update(values))
    generator = torch.Generator().manual_seed(2)
    left, right = torch.randn(2, 12, generator=generator)
    preference, weight = torch.rand(2, 12, generator=generator)
    weight[4:6] = 0.0
    one.validation_scores.update(torch.arange(12), left, right, preference, weight)
    one.on_validation_epoch_end()
    known = weight > 0
    expected = loss(left[known], right[known], preference[known], weight[known]).item()
    assert logged["validation/objective"] == pytest.approx(expected, rel=1e-5)
    usual = BradleyTerryLoss()(left[known], right[known], preference[known], weight[known]).item()
    assert logged["validation/loss"] == pytest.approx(usual, rel=1e-5)
    assert isinstance(loss, BradleyTerryLoss) == (usual == pytest.approx(expected, rel=1e-5))
    one.on_validation_epoch_end()  # everything was taken out: nothing to judge by
    assert math.isnan(logged["validation/objective"])


def test_nan_weights_are_not_written() -> None:
    one = learner()
    one.scorer.head.weight.data[2] = float("nan")
    with pytest.raises(DataError) as caught:
        one.on_save_checkpoint({"state_dict": dict(one.state_dict())})
    assert "scorer.head.weight" in caught.value.found
