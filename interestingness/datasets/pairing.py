"""Draw pairs of images where no table gives them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError


def random_regular_pairs(images: int, degree: int, *, seed: int) -> NDArray[np.int64]:
    """Draw distinct random pairs so that every image is in ``degree`` of them.

    Args:
        images: how many images there are, at least 2.
        degree: pairs that each image is in, at least 1; more than ``images - 1`` means all pairs.
        seed: of the random generator.

    Returns:
        Rows of the two images of each pair, smaller first, sorted, shape (pairs, 2). Where
        ``images * degree`` is odd, one image is in one pair fewer.

    Raises:
        DataError: for fewer than two images or a degree below 1.

    Source:
        The configuration model (Bollobás 1980), its loops and double edges removed by switching.
        Abdullahu and Grabner 2025 have 1,000 images in five pairs each.
    """
    if images < 2:
        raise DataError(
            f"{images} image(s) to make pairs of",
            expected="at least two images",
            todo="add images",
        )
    if degree < 1:
        raise DataError(
            f"pairs_per_image={degree}", expected="1 or more", todo="choose a larger number"
        )
    degree = min(degree, images - 1)
    # Dense graphs are drawn by their complement: this needs few switches and always succeeds.
    dense = 2 * degree > images - 1
    drawn = images - 1 - degree if dense else degree
    stubs = np.repeat(np.arange(images), drawn)
    rng = np.random.default_rng(seed)
    if len(stubs) % 2:
        odd = rng.integers(images)
        stubs = np.append(stubs, odd) if dense else np.delete(stubs, odd * drawn)
    pairs = _simple_graph(stubs, rng)
    if dense:
        low, high = np.triu_indices(images, 1)
        left_out = np.isin(low * images + high, pairs[:, 0] * images + pairs[:, 1])
        pairs = np.stack([low[~left_out], high[~left_out]], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def random_pairs_within(
    usable: NDArray[np.int64], group: NDArray[np.int64] | None, degree: int, *, seed: int
) -> NDArray[np.int64]:
    """Draw ``random_regular_pairs`` of some images, or of those of each group.

    Args:
        usable: rows of images.
        group: group of every image, negative for none; None draws from all.
        degree: pairs that each image is in, as far as its group has others.
        seed: of the random generator.

    Returns:
        Rows of the two images of each pair, shape (pairs, 2).

    Raises:
        DataError: if no two usable images are of one group.
    """
    if group is None:
        return usable[random_regular_pairs(len(usable), degree, seed=seed)]
    own = [usable[group[usable] == number] for number in range(int(group.max(initial=-1)) + 1)]
    drawn = [
        rows[random_regular_pairs(len(rows), degree, seed=seed)] for rows in own if len(rows) > 1
    ]
    if not drawn:
        raise DataError(
            f"{len(usable)} images in {len(own)} groups, and no two in one",
            expected="groups of at least two images",
            todo="choose another column: dataset.pairs_within=…",
        )
    return np.concatenate(drawn)


def _simple_graph(stubs: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    while True:
        edges = rng.permutation(stubs).reshape(-1, 2)
        edges.sort(axis=1)
        if _switch_conflicts(edges, rng):
            return edges


def _switch_conflicts(edges: NDArray[np.int64], rng: np.random.Generator) -> bool:
    """Exchange partners of conflicting and random edges until no conflict is left, in place; return
    False if that fails."""
    size = int(edges.max(initial=0)) + 1
    keys = edges[:, 0] * size + edges[:, 1]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    bad = (edges[:, 0] == edges[:, 1]) | (first[inverse] != np.arange(len(edges)))
    if not bad.any():
        return True
    present = set(keys[~bad].tolist())
    waiting = set(np.flatnonzero(bad).tolist())
    for k in sorted(waiting):
        for _ in range(200):
            m = int(rng.integers(len(edges)))
            (a, b), (c, d) = edges[k].tolist(), edges[m].tolist()
            if rng.integers(2):
                c, d = d, c
            one, two = (min(a, d), max(a, d)), (min(c, b), max(c, b))
            new = {one[0] * size + one[1], two[0] * size + two[1]}
            if m in waiting or a == d or c == b or one == two or new & present:
                continue
            present.discard(min(c, d) * size + max(c, d))
            present |= new
            edges[k], edges[m] = one, two
            waiting.discard(k)
            break
        else:
            return False
    return True


def shared_rater_pairs(
    rater: NDArray[np.integer], image: NDArray[np.integer], images: int, degree: int, *, seed: int
) -> NDArray[np.int64]:
    """Draw distinct random pairs of images rated by one rater, each image in at most ``degree``.

    Args:
        rater: who rated, shape (ratings,); a rater and image occur together at most once.
        image: row of the rated image, shape (ratings,).
        images: how many images there are.
        degree: most pairs that an image is in.
        seed: of the random generator.

    Returns:
        Rows of the two images of each pair, smaller first, sorted, shape (pairs, 2). An image that
        shares raters with few others is in fewer pairs.
    """
    order = np.argsort(rater, kind="stable")
    _, starts = np.unique(rater[order], return_index=True)
    rated = [image[rows] for rows in np.split(order, starts[1:])] if len(order) else []
    rng = np.random.default_rng(seed)
    free = np.full(images, degree)
    chosen: set[int] = set()
    # In a round each rater matches each of their images once, so that pairs come from many raters.
    for _ in range(3 * degree):
        before = len(chosen)
        for k in rng.permutation(len(rated)).tolist():
            own = rng.permutation(rated[k][free[rated[k]] > 0])
            matched = np.sort(own[: len(own) // 2 * 2].reshape(-1, 2), axis=1)
            for key in (matched[:, 0] * images + matched[:, 1]).tolist():
                if key not in chosen:
                    chosen.add(key)
                    free[[key // images, key % images]] -= 1
        if len(chosen) == before:
            break
    keys = np.asarray(sorted(chosen), dtype=np.int64)
    return np.stack([keys // images, keys % images], axis=1)


def crossed_pairs(
    flag: NDArray[np.bool_],
    usable: NDArray[np.bool_],
    group: Sequence[str],
    degree: int,
    *,
    seed: int,
) -> NDArray[np.int64]:
    """Draw distinct random pairs of a flagged and another image of the same group.

    Args:
        flag: shape (images,).
        usable: which images may be paired, shape (images,).
        group: e.g. days; groups without images of both kinds give no pairs, shape (images,).
        degree: pairs of each image of the kind that its group has fewer of, as far as distinct.
        seed: of the random generator.

    Returns:
        Rows of the flagged and of the other image, sorted, shape (pairs, 2).
    """
    rng = np.random.default_rng(seed)
    _, code = np.unique(np.asarray(group, dtype=str), return_inverse=True)
    order = np.argsort(code, kind="stable")
    order = order[usable[order]]
    parts = np.split(order, np.flatnonzero(np.diff(code[order])) + 1)
    found = [np.empty((0, 2), dtype=np.int64)]
    for rows in parts:
        few, many = rng.permutation(rows[flag[rows]]), rng.permutation(rows[~flag[rows]])
        swapped = len(few) > len(many)
        if swapped:
            few, many = many, few
        if not len(few):
            continue
        # each of the few meets consecutive ones of the many, cyclically, so that pairs are distinct
        rounds = min(degree, len(many))
        step = np.arange(rounds)
        start = np.arange(len(few)) * rounds
        met = many[(start[:, None] + step[None, :]) % len(many)]
        one = np.repeat(few, rounds)
        pair = np.stack([one, met.ravel()], axis=1)
        found.append(pair[:, ::-1] if swapped else pair)
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
