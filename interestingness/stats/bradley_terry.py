"""Utilities of images from preferences on pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve, solve
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import cg
from scipy.special import expit, log_expit

from interestingness.errors import LabelError
from interestingness.schema import Array
from interestingness.stats.columns import check_preference, columns

_DENSE = 1500
"""Images up to which the Hessian is factorised; above, errors come from random probes."""
_PROBES = 256


@dataclass(frozen=True, eq=False)
class BradleyTerry:
    """Fitted utilities.

    Attributes:
        utility: in logits, mean 0 within each component; NaN for images without a comparison,
            shape (images,).
        standard_error: posterior standard deviation of a utility (Laplace approximation), NaN
            without a comparison or if not requested, shape (images,). Above 1,500 images it is
            estimated with random probes, within a few percent.
        component: number of the connected group of compared images, −1 for images without a
            comparison, shape (images,). Utilities are comparable only within one component.
        components: number of such groups; 1 is a connected graph.
    """

    utility: Array
    standard_error: Array
    component: NDArray[np.int64]
    components: int

    def margin(self, left: ArrayLike, right: ArrayLike) -> Array:
        """Difference of utilities, shape (pairs,); NaN across components."""
        one, other = np.asarray(left, dtype=np.int64), np.asarray(right, dtype=np.int64)
        apart = self.component[one] != self.component[other]
        return np.where(apart, np.nan, self.utility[one] - self.utility[other])


def bradley_terry(
    left: ArrayLike,
    right: ArrayLike,
    preference: ArrayLike,
    *,
    images: int,
    weight: ArrayLike | None = None,
    ridge: float = 0.1,
    standard_errors: bool = True,
) -> BradleyTerry:
    """Maximise Σ w [p log σ(u_l − u_r) + (1 − p) log σ(u_r − u_l)] − ridge/2 · Σ u².

    The ridge is a Gaussian prior of variance 1/ridge: it shrinks utilities and keeps them finite
    for images that won or lost every comparison. Newton's method with a sparse Hessian.

    >>> bradley_terry([0, 0, 1], [1, 2, 2], [1.0, 1.0, 0.5], images=3).utility.round(1).tolist()
    [1.6, -0.8, -0.8]

    Args:
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image, shape (pairs,).
        preference: probability that left is preferred, in [0, 1]; NaN pairs are dropped.
        images: number of images.
        weight: non-negative, e.g. the number of votes; None weighs pairs alike.
        ridge: 0 or more; 0 is maximum likelihood, which must then exist.
        standard_errors: False skips the inverse of the Hessian, which is slow for many images.

    Raises:
        LabelError: for a negative ridge; or for ridge 0 if some images never lost to the others of
            their component, so that no finite maximum exists.

    Source:
        Bradley and Terry 1952; existence: Ford 1957; soft preferences are fractions of a win.
    """
    p, w = columns(preference, weight=weight)
    one = np.asarray(left, dtype=np.int64).reshape(-1)
    other = np.asarray(right, dtype=np.int64).reshape(-1)
    columns(one, other, p)
    check_preference(p)
    if not ridge >= 0:
        raise LabelError(f"ridge = {ridge}", expected="0 or more", todo="choose a positive ridge")
    known = ~np.isnan(p) & (w > 0)
    one, other, p, w = one[known], other[known], p[known], w[known]
    component, components = _components(one, other, images)
    if ridge == 0:
        _check_maximum_exists(one, other, p, images, component)
    some = component >= 0
    row = np.cumsum(some) - 1
    n = int(some.sum())
    u, hessian = _newton(row[one], row[other], p, w, component[some], components, n, ridge)
    utility = np.full(images, np.nan)
    utility[some] = u
    error = np.full(images, np.nan)
    if standard_errors and n:
        error[some] = _errors(hessian, component[some], components, ridge)
    return BradleyTerry(utility, error, component, components)


def _newton(
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    p: Array,
    w: Array,
    component: NDArray[np.int64],
    components: int,
    n: int,
    ridge: float,
) -> tuple[Array, sparse.csc_matrix]:
    size = np.maximum(np.bincount(component, minlength=components), 1)
    # without a ridge the mean of a component is free; this fixes it and changes no difference
    floor = ridge if ridge > 0 else 1e-9 * max(float(w.sum()), 1.0)

    def value(u: Array) -> float:
        margin = u[one] - u[other]
        return float(
            ridge / 2 * (u @ u) - w @ (p * log_expit(margin) + (1 - p) * log_expit(-margin))
        )

    def curvature(u: Array) -> sparse.csc_matrix:
        s = expit(u[one] - u[other])
        h = w * s * (1 - s)
        rows = np.concatenate([one, other, one, other, np.arange(n)])
        cols = np.concatenate([one, other, other, one, np.arange(n)])
        cells = np.concatenate([h, h, -h, -h, np.full(n, floor)])
        return sparse.csc_matrix((cells, (rows, cols)), shape=(n, n))

    u = np.zeros(n)
    current = value(u)
    for _ in range(100):
        residual = w * (expit(u[one] - u[other]) - p)
        gradient = (
            np.bincount(one, residual, minlength=n)
            - np.bincount(other, residual, minlength=n)
            + ridge * u
        )
        if n == 0 or np.abs(gradient).max() <= 1e-10 * max(1.0, float(w.max())):
            break
        step = _solve(curvature(u), gradient)
        length = 1.0
        rounding = 1e-12 * abs(current)
        while (moved := value(u - length * step)) > current + rounding and length > 1e-8:
            length /= 2
        u, current = u - length * step, moved
        u = u - (np.bincount(component, u, minlength=components) / size)[component]
    return u, curvature(u)


def _solve(hessian: sparse.csc_matrix, gradient: Array) -> Array:
    """Newton's step. The Cholesky factor of a random comparison graph is dense, so that conjugate
    gradients are faster for many images; an inexact step costs at most another iteration."""
    if hessian.shape[0] <= _DENSE:
        return np.asarray(solve(hessian.toarray(), gradient, assume_a="pos"))
    scale = sparse.diags_array(1 / hessian.diagonal())
    step, _ = cg(hessian, gradient, rtol=1e-8, maxiter=1000, M=scale)
    return np.asarray(step)


def _errors(
    hessian: sparse.csc_matrix, component: NDArray[np.int64], components: int, ridge: float
) -> Array:
    """Square roots of the diagonal of the inverse Hessian, computed in blocks of columns.

    Without a ridge the mean of a component is undetermined, so the error of the difference from it
    is taken.
    """
    n = hessian.shape[0]
    if n > _DENSE:
        return _probed_errors(hessian, component, ridge)
    factor = cho_factor(hessian.toarray())
    variance = np.empty(n)
    size = np.bincount(component, minlength=components)
    for start in range(0, n, 512):
        rows = np.arange(start, min(start + 512, n))
        target = np.zeros((n, len(rows)))
        target[rows, np.arange(len(rows))] = 1.0
        if ridge == 0:
            target -= (component[:, None] == component[rows][None, :]) / size[component[rows]]
        variance[rows] = np.einsum("ij,ij->j", target, cho_solve(factor, target))
    return np.sqrt(np.maximum(variance, 0.0))


def _probed_errors(hessian: sparse.csc_matrix, component: NDArray[np.int64], ridge: float) -> Array:
    """Estimate of ``_errors``: the mean of z * (H⁻¹ z) over random signs z.

    The exact diagonal takes minutes for 10,000 images. The mean of a component is an eigenvector of
    H with the ridge as eigenvalue; its part, 1 / (ridge · size), is added exactly and the probes
    are centred, which reduces their variance.

    Source:
        Bekas, Kokiopoulou and Saad 2007, "An estimator for the diagonal of a matrix".
    """
    n = hessian.shape[0]
    size = np.bincount(component)
    scale = sparse.diags_array(1 / hessian.diagonal())
    rng = np.random.default_rng(0)
    total = np.zeros(n)

    def centred(values: Array) -> Array:
        rest: Array = values - (np.bincount(component, values) / size)[component]
        return rest

    for _ in range(_PROBES):
        sign = rng.integers(0, 2, n) * 2.0 - 1.0
        found, _ = cg(hessian, centred(sign), rtol=1e-5, maxiter=1000, M=scale)
        total += sign * centred(np.asarray(found))
    level = 1 / (ridge * size[component]) if ridge > 0 else 0.0
    return np.sqrt(np.maximum(total / _PROBES + level, 0.0))


def _components(
    one: NDArray[np.int64], other: NDArray[np.int64], images: int
) -> tuple[NDArray[np.int64], int]:
    graph = sparse.coo_matrix((np.ones(len(one)), (one, other)), shape=(images, images))
    _, label = connected_components(graph, directed=False)
    used = np.zeros(images, dtype=bool)
    used[one] = used[other] = True
    component = np.full(images, -1, dtype=np.int64)
    names, component[used] = np.unique(label[used], return_inverse=True)
    return component, len(names)


def _check_maximum_exists(
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    p: Array,
    images: int,
    component: NDArray[np.int64],
) -> None:
    winner = np.concatenate([one[p > 0], other[p < 1]])
    loser = np.concatenate([other[p > 0], one[p < 1]])
    graph = sparse.coo_matrix((np.ones(len(winner)), (winner, loser)), shape=(images, images))
    _, strong = connected_components(graph, directed=True, connection="strong")
    used = component >= 0
    if len(np.unique(strong[used])) > len(np.unique(component[used])):
        raise LabelError(
            "some images never lost to the rest of their group, so their utilities run to infinity",
            expected="for ridge 0: wins and losses between every two parts of a compared group",
            todo="use a positive ridge",
        )
