"""A place bias moves the choice by as many logits as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from interestingness.stats.simulated_choice import probability_of_first


def test_logits_add_up_in_any_shape() -> None:
    margin = np.array([-1.0, 0.0, 2.0])
    p = probability_of_first(margin, sharpness=1.5, order_term=-0.5, deviation=0.25)
    np.testing.assert_allclose(logit(p), 1.5 * margin - 0.25)
    for value, expected in zip(margin.tolist(), p.tolist(), strict=True):
        one = probability_of_first(value, sharpness=1.5, order_term=-0.5, deviation=0.25)
        assert isinstance(one, float) and one == pytest.approx(expected, rel=1e-14)


def test_exchanging_the_images_and_the_bias_exchanges_the_choice() -> None:
    p = probability_of_first(0.7, sharpness=3.0, order_term=-1.0)
    q = probability_of_first(-0.7, sharpness=3.0, order_term=1.0)
    assert p + q == pytest.approx(1.0)
    assert probability_of_first(1e6, sharpness=1e6, order_term=0.0) == 1.0
