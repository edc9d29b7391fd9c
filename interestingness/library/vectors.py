"""Vectors that a program holds, in whatever form → one matrix of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interestingness.errors import DataError


def numbers_of(values: Any, what: str, expected: str) -> NDArray[np.float64]:
    """Return an array of real numbers.

    Args:
        values: an array, a tensor on any device, or nested sequences of numbers or tensors.
        what: for messages, such as "vectors".
        expected: the right shape, for messages.

    Raises:
        DataError: for rows of several lengths, complex numbers, or what is no number.
    """
    if isinstance(values, list | tuple) and any(isinstance(one, Tensor) for one in values):
        values = [_array(one) if isinstance(one, Tensor) else one for one in values]
    try:
        found = np.asarray(_array(values) if isinstance(values, Tensor) else values)
        if found.dtype.kind == "c":
            raise TypeError("complex numbers")
        return found.astype(np.float64)
    except (TypeError, ValueError) as error:
        why = "rows of several lengths" if "inhomogeneous" in str(error) else error
        raise DataError(
            f"{what} that are no matrix of numbers ({type(values).__name__}: {why})",
            expected=expected,
            todo="stack them: numpy.stack([…])",
        ) from None


def _array(values: Tensor) -> NDArray[Any]:
    values = values.detach().cpu()
    return (values.double() if values.dtype == torch.bfloat16 else values).numpy()
