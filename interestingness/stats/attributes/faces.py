"""Frontal faces in a picture, by the small cascade that scikit-image ships."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray
from skimage.data import lbp_frontal_face_cascade_filename
from skimage.feature import Cascade

SMALLEST = 24
"""Side of the cascade's window in pixels; smaller faces are not found."""

_own = threading.local()


def faces(rgb: NDArray[np.floating]) -> float:
    """Number of upright frontal faces that the cascade finds.

    It is a weak detector from 2007: it misses turned, tilted, covered and small faces and reports
    some false ones. A score table from a better model can replace it.

    Args:
        rgb: sRGB samples in [0, 1], shape (height, width, 3).

    Returns:
        A whole number, 0 or more.

    Source:
        Liao et al. 2007, multi-scale block LBP; the cascade file is OpenCV's (BSD licence), shipped
        with scikit-image.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < SMALLEST:
        return 0.0
    if not hasattr(_own, "cascade"):  # it keeps state while it runs: one for each thread
        _own.cascade = Cascade(lbp_frontal_face_cascade_filename())
    found = _own.cascade.detect_multi_scale(
        img=np.rint(255 * rgb).astype(np.uint8),
        scale_factor=1.2,
        step_ratio=1,
        min_size=(SMALLEST, SMALLEST),
        max_size=(height, width),
    )
    return float(len(found))
