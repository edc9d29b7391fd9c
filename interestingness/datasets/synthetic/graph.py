"""Draw random pairs in which every image occurs equally often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError

SWITCHES_PER_PAIR = 8


def check_regular(images: int, degree: int) -> None:
    """Check that so many images can have so many pairs each.

    Raises:
        DataError: if they cannot.
    """
    if images < 2:
        raise DataError(
            f"{images} images", expected="2 images or more", todo="raise dataset.images"
        )
    if not 0 < degree < images:
        raise DataError(
            f"{degree} pairs per image with {images} images",
            expected=f"from 1 to {images - 1} pairs per image",
            todo="lower dataset.degree or raise dataset.images",
        )
    if images * degree % 2:
        raise DataError(
            f"{images} images with {degree} pairs each: {images * degree} ends is an odd number",
            expected="an even product of images and pairs per image",
            todo="make one of the two even",
        )


def regular_pairs(images: int, degree: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Distinct random pairs, each image in exactly ``degree`` of them.

    Starts from a circulant graph and switches the ends of random pairs of edges; every step keeps
    the degrees and never makes a loop or a repeated pair.

    Args:
        images: number of images, 2 or more.
        degree: pairs per image; ``images * degree`` must be even and ``degree < images``.
        rng: the source of randomness.

    Returns:
        Rows of the two images of each pair, in random order, shape (images * degree / 2, 2).

    Raises:
        DataError: if no such set of pairs exists.

    Source:
        Protocol of Abdullahu and Grabner 2025 (every image in exactly five random pairs);
        switching chain of Rao, Jana and Bandyopadhyay 1996.
    """
    check_regular(images, degree)
    edges = [(i, (i + k) % images) for k in range(1, degree // 2 + 1) for i in range(images)]
    if degree % 2:
        edges += [(i, i + images // 2) for i in range(images // 2)]
    present = {_canonical(a, b) for a, b in edges}
    count = len(edges)
    attempts = SWITCHES_PER_PAIR * count
    chosen = rng.integers(count, size=(attempts, 2)).tolist()
    turned = rng.integers(2, size=attempts).tolist()
    for (i, j), turn in zip(chosen, turned, strict=True):
        a, b = edges[i]
        c, d = edges[j] if turn else edges[j][::-1]
        one, other = _canonical(a, d), _canonical(c, b)
        if a == d or c == b or one in present or other in present or one == other:
            continue
        present -= {_canonical(a, b), _canonical(c, d)}
        present |= {one, other}
        edges[i], edges[j] = (a, d), (c, b)
    pairs = np.array(edges, dtype=np.int64)
    names = rng.permutation(images)
    return names[pairs[rng.permutation(count)]]


def _canonical(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)
