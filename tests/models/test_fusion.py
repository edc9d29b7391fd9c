"""The fusion head: widths, masks of what is missing, and a checkpoint that builds it again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from interestingness.errors import ConfigError
from interestingness.models.contract import EmbeddingContract
from interestingness.models.fusion import FusionHead, row_name, widths_of
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer, build_scorer

WIDTHS = {"image": 12, "tags v1.5": 5}


def head(*, reduce: bool = True, dropout: float = 0.0) -> FusionHead:
    torch.manual_seed(0)
    return FusionHead(17, widths=WIDTHS, hidden=7, dropout=dropout, reduce=reduce)


def rows() -> torch.Tensor:
    return torch.randn(6, 17, generator=torch.Generator().manual_seed(1))


def test_every_modality_goes_down_to_the_smallest_width() -> None:
    fused = head()
    assert [tuple(p.shape) for n, p in fused.modal.named_parameters() if "weight" in n] == [
        (5, 12),
        (5, 5),
    ]
    assert fused.joint[0].in_features == 10
    assert head(reduce=False).joint[0].in_features == 17


def test_scores_against_the_same_written_out() -> None:
    fused, x = head().eval(), rows()
    image = nn.functional.normalize(x[:, :12], dim=1) * np.sqrt(12)
    tags = nn.functional.normalize(x[:, 12:], dim=1) * np.sqrt(5)
    both = torch.cat([torch.relu(fused.modal[0][0](image)), torch.relu(fused.modal[1][0](tags))], 1)
    expected = fused.joint[3](torch.relu(fused.joint[0](both)))[:, 0]
    torch.testing.assert_close(fused(x), expected)


@pytest.mark.parametrize("reduce", [True, False])
def test_a_missing_modality_is_masked(reduce: bool) -> None:
    fused, x = head(reduce=reduce), rows()
    gone = x.clone()
    gone[:3, 12:] = torch.nan
    other = gone.clone()
    other[:3, 12:16] = 7.0  # still NaN in its last number: nothing of it may be read
    zeros = torch.where(torch.isnan(gone), 0.0, gone)
    with torch.no_grad():
        fused.missing[1].fill_(0.5)
        found = fused(gone)
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found, fused(other))
        torch.testing.assert_close(found[3:], fused(x)[3:])
        assert not torch.allclose(found[:3], fused(zeros)[:3])  # not the same as zeros
    fused(gone).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in fused.parameters() if p.grad is not None)
    assert fused.missing[1].grad is not None and fused.missing[1].grad.abs().sum() > 0


def test_a_scorer_is_built_again_from_plain_values() -> None:
    contract = EmbeddingContract.of_cached(row_name(WIDTHS), "abc", 17)
    assert widths_of(contract.architecture) == WIDTHS
    scorer = Scorer(None, FeatureScaler("none", 17), head(dropout=0.5), embedding=contract).eval()
    again = build_scorer(scorer.spec())
    again.load_state_dict(scorer.state_dict())
    torch.testing.assert_close(again.eval().score(rows()), scorer.score(rows()))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"widths": {"image": 16}}, "widths that add up"),
        ({"widths": {}}, "widths that add up"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
        ({"hidden": 0}, "at least one hidden unit"),
    ],
)
def test_what_cannot_be(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        FusionHead(17, **{"widths": WIDTHS, "hidden": 3, "dropout": 0.5, "reduce": True, **wrong})
