"""Rates of counts out of exposures (favourites of views, clicks of impressions).

In the beta-binomial model the count of image i is binomial with its own rate, and the rates vary
around an expectation from the image's age and owner. The difference of an image's rate from its
expectation is attributed to the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, logit, zeta

from interestingness.errors import LabelError
from interestingness.schema import Array
from interestingness.stats.columns import columns

CONCENTRATION_PRIOR = (30.0, 2.0)
"""Median of the log-normal prior on the concentration, and standard deviation of its logarithm."""
OWNER_PRIOR = (0.5, 4.0)
"""The owners' variance is shrunk towards 0.5² as if there were four more owners."""
_ROUNDS = 60
_LOG_CONCENTRATION = (np.log(0.5), np.log(1e6))


@dataclass(frozen=True)
class RateModel:
    """Expectation of a rate before its count is known.

    Attributes:
        intercept: logit of the expected rate at the mean log age, for the average owner.
        age_slope: its change per standard deviation of log age; 0 without ages.
        age_mean, age_sd: of log(1 + age) where the model was fitted.
        concentration: weight of the expectation in exposures (α + β of the beta distribution).
        owner_sd: standard deviation of the owners' effects, in logits; 0 without owners.
    """

    intercept: float
    age_slope: float
    age_mean: float
    age_sd: float
    concentration: float
    owner_sd: float

    def expected(self, age: Array | None, effect: Array | float = 0.0) -> Array:
        """Logit of the expected rate, shape of ``age`` or ``effect``."""
        if age is None:
            return self.intercept + np.asarray(effect, dtype=np.float64)
        return self.intercept + self.age_slope * self._scaled(age) + effect

    def _scaled(self, age: Array) -> Array:
        return np.asarray((np.log1p(age) - self.age_mean) / self.age_sd)


def check_counts(count: ArrayLike, exposure: ArrayLike) -> tuple[Array, Array]:
    """Counts and exposures as checked columns.

    Raises:
        LabelError: for a negative or infinite number, or a count above its exposure.
    """
    k, n, _ = columns(count, exposure)
    strange = {
        "negative or infinite": (k < 0) | (n < 0) | np.isinf(k) | np.isinf(n),
        "counted more often than it was shown": k > n,
    }
    for what, wrong in strange.items():
        if wrong.any():
            row = int(np.argmax(wrong))
            raise LabelError(
                f"{int(wrong.sum())} images are {what}, the first with count {k[row]:g} "
                f"and exposure {n[row]:g}",
                expected="counts from 0 to the exposure",
                todo="check that both columns are of the same period, or leave such images out",
            )
    return k, n


def fit_rates(
    count: ArrayLike,
    exposure: ArrayLike,
    *,
    age: ArrayLike | None = None,
    owner: ArrayLike | None = None,
) -> RateModel:
    """Maximum likelihood of the beta-binomial rates, owners as random effects.

    The owners' effects are taken at their mode, and their variance from the modes and their
    curvature (Laplace), in turns with the other parameters.

    Args:
        count: favourites, clicks; 0 or more, shape (images,). Rows with NaN or without exposure
            are left out.
        exposure: views, impressions, shape (images,).
        age: 0 or more, in any unit, e.g. days, shape (images,).
        owner: number of each image's owner, 0 or more, shape (images,).

    Raises:
        LabelError: for impossible counts, no image with exposure, or no count above 0.

    Source:
        Beta-binomial regression: Williams 1982; empirical Bayes of rates as in Robinson 2017.
    """
    k, n = check_counts(count, exposure)
    some = ~np.isnan(k) & (n > 0)
    days = None if age is None else np.asarray(age, dtype=np.float64)
    if days is not None:
        some &= ~np.isnan(days)
    if not some.any() or not k[some].any():
        what = "has exposure" if not some.any() else "was counted even once"
        raise LabelError(
            f"none of {len(k)} images {what}",
            expected="images that were shown, some of them counted",
            todo="check which columns hold counts and exposures",
        )
    k, n = k[some], n[some]
    mean, sd, z = 0.0, 1.0, np.zeros(len(k))
    if days is not None:
        log_age = np.log1p(days[some])
        mean, sd = float(log_age.mean()), float(log_age.std()) or 1.0
        z = (log_age - mean) / sd
    who = np.zeros(len(k), np.int64) if owner is None else np.asarray(owner, np.int64)[some]
    names, who = np.unique(who, return_inverse=True)
    effect, variance = np.zeros(len(names)), 0.0 if owner is None else OWNER_PRIOR[0] ** 2
    theta = np.array([logit((k.sum() + 0.5) / (n.sum() + 1)), 0.0, np.log(CONCENTRATION_PRIOR[0])])
    for _ in range(_ROUNDS if owner is not None else 1):
        theta = _parameters(k, n, z, effect[who], theta, slope=days is not None)
        if owner is None:
            break
        base, concentration = theta[0] + theta[1] * z, float(np.exp(theta[2]))
        effect, spread = _modes(k, n, base, who, len(names), concentration, variance, effect)
        prior_mean, prior_owners = OWNER_PRIOR
        before = variance
        variance = float(
            ((effect**2 + spread).sum() + prior_owners * prior_mean**2)
            / (len(names) + prior_owners)
        )
        if abs(variance - before) < 1e-4 * before:
            break
    return RateModel(
        float(theta[0]),
        float(theta[1]),
        mean,
        sd,
        float(np.exp(theta[2])),
        float(np.sqrt(variance)),
    )


def owner_effects(
    model: RateModel,
    count: ArrayLike,
    exposure: ArrayLike,
    owner: NDArray[np.int64],
    *,
    owners: int,
    age: Array | None = None,
) -> Array:
    """Each owner's effect on the logit of the rate, shrunk towards 0; 0 without an image.

    Args:
        model: fitted, on these images or others.
        count, exposure, age: as for ``fit_rates``; images with NaN or without exposure are not
            used.
        owner: number of each image's owner, in [0, owners), shape (images,).
        owners: number of owners.

    Returns:
        Shape (owners,).
    """
    k, n = check_counts(count, exposure)
    base = np.broadcast_to(model.expected(age), k.shape)
    some = ~np.isnan(k) & (n > 0) & ~np.isnan(base)
    if model.owner_sd == 0:
        return np.zeros(owners)
    effect, _ = _modes(
        k[some], n[some], base[some], owner[some], owners, model.concentration,
        model.owner_sd**2, np.zeros(owners),
    )  # fmt: skip
    return effect


def rate_residuals(
    model: RateModel,
    count: ArrayLike,
    exposure: ArrayLike,
    *,
    age: Array | None = None,
    effect: Array | float = 0.0,
) -> tuple[Array, Array]:
    """Difference of each image's rate from its expectation, and the variance of this difference.

    Args:
        model: fitted.
        count, exposure, age: as for ``fit_rates``.
        effect: of each image's owner, shape (images,).

    Returns:
        Posterior mean of logit(rate) minus its prior mean, and the posterior variance of
        logit(rate), shape (images,) each; NaN if a number is missing or the exposure is 0.
    """
    k, n = check_counts(count, exposure)
    mu = expit(np.broadcast_to(model.expected(age, effect), k.shape))
    known = ~np.isnan(k) & (n > 0) & ~np.isnan(mu)
    alpha, beta = mu * model.concentration, (1 - mu) * model.concentration
    residual = digamma(k + alpha) - digamma(n - k + beta) - digamma(alpha) + digamma(beta)
    variance = _trigamma(k + alpha) + _trigamma(n - k + beta)
    return np.where(known, residual, np.nan), np.where(known, variance, np.nan)


def _parameters(k: Array, n: Array, z: Array, effect: Array, start: Array, *, slope: bool) -> Array:
    """Intercept, age slope and log concentration that maximise the penalised likelihood."""
    median, sd = CONCENTRATION_PRIOR

    def loss(theta: Array) -> tuple[float, Array]:
        mu, c = expit(theta[0] + theta[1] * z + effect), np.exp(theta[2])
        alpha, beta = mu * c, (1 - mu) * c
        pull = (theta[2] - np.log(median)) / sd
        value = -(betaln(k + alpha, n - k + beta) - betaln(alpha, beta)).sum() + pull**2 / 2
        value += theta[1] ** 2 / 2
        total = digamma(n + c) - digamma(c)
        d_alpha = digamma(k + alpha) - digamma(alpha) - total
        d_beta = digamma(n - k + beta) - digamma(beta) - total
        by_logit = c * mu * (1 - mu) * (d_alpha - d_beta)
        by_concentration = alpha * d_alpha + beta * d_beta
        gradient = [-by_logit.sum(), theta[1] - by_logit @ z, pull / sd - by_concentration.sum()]
        return float(value), np.array(gradient)

    still = (None, None) if slope else (0.0, 0.0)
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-30.0, 30.0), still, _LOG_CONCENTRATION],
        options={"maxiter": 500, "ftol": 1e-11, "gtol": 1e-5},
    )
    return np.asarray(found.x)


def _modes(
    k: Array,
    n: Array,
    base: Array,
    owner: NDArray[np.int64],
    owners: int,
    concentration: float,
    variance: float,
    start: Array,
) -> tuple[Array, Array]:
    """Modes of the owners' effects and their variances (inverse curvature), (owners,) each."""
    effect = start.copy()
    for _ in range(100):
        mu = expit(base + effect[owner])
        alpha, beta = mu * concentration, (1 - mu) * concentration
        inner = concentration * mu * (1 - mu)
        slope = inner * (
            digamma(k + alpha) - digamma(alpha) - digamma(n - k + beta) + digamma(beta)
        )
        bend = inner**2 * (
            _trigamma(k + alpha) - _trigamma(alpha) + _trigamma(n - k + beta) - _trigamma(beta)
        )
        gradient = np.bincount(owner, weights=slope, minlength=owners) - effect / variance
        curvature = 1 / variance - np.bincount(owner, weights=bend, minlength=owners)
        step = np.clip(gradient / curvature, -1.0, 1.0)
        effect = effect + step
        if not len(step) or np.abs(step).max() < 1e-7:
            break
    return effect, 1 / curvature


def _trigamma(x: Array) -> Array:
    """Derivative of digamma; several times as fast as ``polygamma(1, x)``."""
    return np.asarray(zeta(2.0, x))
