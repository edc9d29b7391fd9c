"""How a simulated rater with a liking for a place chooses between two images."""

from __future__ import annotations

from typing import overload

import numpy as np
from scipy.special import expit

from interestingness.schema import Array


@overload
def probability_of_first(
    margin: float, *, sharpness: float, order_term: float, deviation: float = 0.0
) -> float: ...


@overload
def probability_of_first(
    margin: Array, *, sharpness: float, order_term: float | Array, deviation: float | Array = 0.0
) -> Array: ...


def probability_of_first(
    margin: float | Array,
    *,
    sharpness: float,
    order_term: float | Array,
    deviation: float | Array = 0.0,
) -> float | Array:
    """P(first) = σ(sharpness · margin + order_term + deviation).

    Args:
        margin: utility of the image shown first minus that of the second; any shape.
        sharpness: logits per unit of utility, 1 / temperature; large is nearly deterministic.
        order_term: logits for the image shown first; negative favours the second.
        deviation: logits, of this pair or of this call.

    Returns:
        In [0, 1], in the shape of the arguments.

    Example:
        >>> probability_of_first(0.0, sharpness=2.0, order_term=0.0)
        0.5
        >>> round(probability_of_first(0.5, sharpness=2.0, order_term=-1.0), 3)
        0.5
    """
    chosen = expit(sharpness * margin + order_term + deviation)
    return float(chosen) if np.ndim(chosen) == 0 else chosen
