"""The likelihood of votes given each pair's margin: logit P(left) = a·m + s·b, m ~ N(0, 1).

a and b belong to the group of a vote's rater; s is +1 where left was shown first, −1 where right
was, 0 where that is unknown. The margins are integrated out by the trapezoidal rule on 241 nodes
within ±7; its error falls with exp(−2π²/h), h the nodes' distance in logits (a/17), because the
logistic function has no pole closer than π to the real line. Gauss and Hermite's nodes are far
worse where a is large.

Shapes: K patterns of votes, C = 6 · groups cells (see ``vote_patterns``), Q nodes, G groups.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import expit, log_expit, logsumexp

from interestingness.schema import Array
from interestingness.stats.columns import exact_ties
from interestingness.stats.vote_patterns import Patterns

NODES = 241
_REACH = 7.0
_ENTRIES = 100_000
"""Cells of patterns whose slopes at all nodes exist at one time."""


class VoteLikelihood:
    """Marginal log likelihood of (a, b) over distinct patterns of votes."""

    def __init__(self, patterns: Patterns, multiplicity: Array, groups: int) -> None:
        """Take the patterns that occur.

        Args:
            patterns: of the votes.
            multiplicity: weight of each pattern, shape (patterns,).
            groups: number of groups of raters.
        """
        half = np.linspace(0.0, _REACH, NODES // 2 + 1)
        self.node_Q = np.concatenate([-half[:0:-1], half])
        self.log_weight_Q = -(self.node_Q**2) / 2 - logsumexp(-(self.node_Q**2) / 2)
        used = multiplicity > 0
        self.counts_KC = patterns.counts[used]
        self.weight_K = multiplicity[used]
        self.groups = groups
        cell = np.arange(6 * groups)
        self.group_C, self.order_C, self.sign_C = (
            cell // 6,
            (cell // 2) % 3 - 1.0,
            1.0 - 2 * (cell % 2),
        )

    def value(self, a_G: Array, b_G: Array) -> tuple[float, Array, Array]:
        """Log likelihood, and its gradients in a and in b, each of shape (groups,)."""
        posterior_KQ, log_marginal_K, logit_CQ = self._posterior(a_G, b_G)
        posterior_KQ *= self.weight_K[:, None]
        slope_CQ = (self.counts_KC.T @ posterior_KQ) * expit(-logit_CQ) * self.sign_C[:, None]
        by_cell_2C = slope_CQ @ self.node_Q, slope_CQ.sum(axis=1) * self.order_C
        of_a, of_b = (
            np.bincount(self.group_C, weights=by_cell_C, minlength=self.groups).astype(np.float64)
            for by_cell_C in by_cell_2C
        )
        return float(self.weight_K @ log_marginal_K), of_a, of_b

    def scores(self, a_G: Array, b_G: Array) -> sparse.csr_matrix:
        """Gradient of each pattern's log likelihood, of a then of b, shape (K, 2 · groups)."""
        posterior_KQ, _, logit_CQ = self._posterior(a_G, b_G)
        slope_CQ = expit(-logit_CQ) * self.sign_C[:, None]
        entry = self.counts_KC.tocoo()
        mean = np.empty((2, entry.nnz))
        for start in range(0, entry.nnz, _ENTRIES):
            part = slice(start, start + _ENTRIES)
            share = posterior_KQ[entry.row[part]] * slope_CQ[entry.col[part]]
            mean[0, part] = share @ self.node_Q
            mean[1, part] = share.sum(axis=1) * self.order_C[entry.col[part]]
        group = self.group_C[entry.col]
        column = np.concatenate([group, self.groups + group])
        return sparse.csr_matrix(
            ((mean * entry.data).reshape(-1), (np.tile(entry.row, 2), column)),
            shape=(len(self.weight_K), 2 * self.groups),
        )

    def mean_preference(self, a_G: Array, b_G: Array, scale: float) -> Array:
        """E[σ(scale · m) | a pattern's votes], shape (K,)."""
        posterior_KQ, _, _ = self._posterior(a_G, b_G)
        mean: Array = posterior_KQ @ expit(scale * self.node_Q)
        return mean

    def _posterior(self, a_G: Array, b_G: Array) -> tuple[Array, Array, Array]:
        shift_C = (self.order_C * b_G[self.group_C])[:, None]
        logit_CQ = self.sign_C[:, None] * (a_G[self.group_C, None] * self.node_Q + shift_C)
        joint_KQ = self.counts_KC @ log_expit(logit_CQ) + self.log_weight_Q
        log_marginal_K = logsumexp(joint_KQ, axis=1)
        return np.exp(joint_KQ - log_marginal_K[:, None]), log_marginal_K, logit_CQ


def expected_preference(patterns: Patterns, a_G: Array, b_G: Array, scale: float) -> Array:
    """E[σ(scale · m) | a pair's votes], NaN for a pair without a vote, shape (pairs,).

    Swapping a pair's images maps p to 1 − p exactly; votes that mirror themselves give exactly 0.5.
    """
    likelihood = VoteLikelihood(patterns, np.ones(patterns.counts.shape[0]), len(a_G))
    mean = likelihood.mean_preference(a_G, b_G, scale)
    return patterns.spread(np.where(patterns.self_mirrored, 0.5, exact_ties(mean)))
