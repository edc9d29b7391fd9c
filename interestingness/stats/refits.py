"""Variance of an estimate that is due to the training data of a model."""

from __future__ import annotations

import numpy as np

from interestingness.schema import Array


def training_variance(by_image: Array, by_pair: Array) -> Array:
    """Variance of an estimate over trainings on other pairs of other images.

    Training on resampled images weights a pair by the product of its images' counts and so counts
    the noise of the pair itself three times. Training on resampled pairs measures this noise, and
    twice it is subtracted. The noise of the pairs is the lower bound of the result.

    Args:
        by_image: the estimate after trainings on resampled images, shape (…, refits); NaN values,
            of resamples without a model, are left out.
        by_pair: the estimate after trainings on resampled pairs, shape (…, refits).

    Returns:
        Shape (…).

    Source:
        As ``bootstrap.bootstrap_over_images``: Owen 2007; Owen and Eckles 2012.
    """
    own = np.nanvar(by_pair, axis=-1)
    return np.asarray(np.maximum(np.nanvar(by_image, axis=-1) - 2 * own, own))
