"""How far an estimate scatters because of what a model was trained on."""

from __future__ import annotations

import numpy as np

from interestingness.schema import Array


def training_variance(by_image: Array, by_pair: Array) -> Array:
    """Variance of an estimate over trainings on other pairs of other images.

    Training on resampled images weighs a pair by the product of its images' counts and so counts
    the noise of the pair itself three times; training on resampled pairs tells that noise, and two
    of the three are taken off again. Images can only add to it.

    Args:
        by_image: the estimate after trainings on resampled images, shape (…, refits);
            NaN where a resample gave none, which are left out.
        by_pair: the estimate after trainings on resampled pairs, shape (…, refits).

    Returns:
        Shape (…).

    Source:
        As ``bootstrap.bootstrap_over_images``: Owen 2007; Owen and Eckles 2012.
    """
    own = np.nanvar(by_pair, axis=-1)
    return np.asarray(np.maximum(np.nanvar(by_image, axis=-1) - 2 * own, own))
