"""Remember in a checkpoint which images trained it, and leave them out of later tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from interestingness.data.content import picture_keys
from interestingness.data.splits import PairSplit
from interestingness.errors import ConfigError, DataError
from interestingness.tables.tables import Tables

DIGITS = 16
"""Hexadecimal digits that are kept of a picture's key: 64 bits suffice for a billion images."""
SHOWN = 3
CHOICES = ("leave_out", "test")


def trained_keys(cfg: DictConfig, tables: Tables, rows: Mapping[str, NDArray[np.int64]]) -> str:
    """Join the keys of the images that train, or choose the epoch, for the checkpoint.

    Args:
        cfg: with ``paths.cache``.
        tables: the data set.
        rows: of pairs, by part of the split.
    """
    learnt = np.concatenate([rows["train"], rows["validation"]])
    images = tables.pairs[learnt].images_used()
    return "".join(sorted({key for key in _keys(cfg, tables, images) if key}))


def unseen_split(
    cfg: DictConfig, tables: Tables, split: PairSplit, own: Mapping[str, Any]
) -> PairSplit:
    """Leave pairs with images that trained a checkpoint out of a test on other data.

    Args:
        cfg: composed ``conf/evaluate.yaml``.
        tables: the data set that is tested.
        split: of its pairs, or another one of the run's own.
        own: what the checkpoint says of its run.

    Raises:
        DataError: if no test pair is left.
        ConfigError: for ``split=cross_fit``, or a ``trained_images`` that does not exist.
    """
    if split.folds is not None:
        raise ConfigError(
            "split=cross_fit tests models that it trains, not a checkpoint",
            expected="a split into parts, or none: every pair of another data set is tested",
            todo="leave split out; or train with it",
        )
    if cfg.trained_images not in CHOICES:
        raise ConfigError(
            f"trained_images={cfg.trained_images}",
            expected=f"one of {', '.join(CHOICES)}",
            todo="correct the option",
        )
    if cfg.trained_images == "test":
        return split
    trained = own.get("trained_images")
    if trained is None:
        said = "whether these images trained the checkpoint is not known: it is older"
        return replace(split, rule=f"{split.rule}; {said}")
    known = {trained[at : at + DIGITS] for at in range(0, len(trained), DIGITS)}
    tested = tables.pairs[split.test].images_used()
    keys = _keys(cfg, tables, tested)
    unread = sum(not key for key in keys)
    seen = tested[[key in known for key in keys]]
    said = (
        f"; images without a readable file, which may have trained it: {unread}" if unread else ""
    )
    if not len(seen):
        return replace(split, rule=f"{split.rule}{said}")
    pairs = split.test & (np.isin(tables.pairs.left, seen) | np.isin(tables.pairs.right, seen))
    names = [str(tables.image_ids[row]) for row in seen.tolist()]
    few = ", ".join([*names[:SHOWN], *(["…"] if len(names) > SHOWN else [])])
    found = f"{len(seen):,} of {len(tested):,} test images trained the checkpoint ({few})"
    if (pairs == split.test).all():
        raise DataError(
            f"{found}, so that no test pair is left",
            expected="pairs of images that the checkpoint has not seen",
            todo="give other images; trained_images=test tests these all the same",
        )
    rule = (
        f"{split.rule}; {found}: left out with {int(pairs.sum()):,} of {int(split.test.sum()):,} "
        f"pairs (trained_images=test keeps them){said}"
    )
    facts = {**split.facts, "trained_images": names, "pairs_with_trained": int(pairs.sum())}
    return replace(split, test=split.test & ~pairs, rule=rule, facts=facts)


def _keys(cfg: DictConfig, tables: Tables, images: NDArray[np.integer]) -> list[str]:
    """Return the key of each image, "" for images without a readable file."""
    paths = tables.images["path"]
    there = [row for row in images.tolist() if paths[row].as_py() is not None]
    files = [tables.image_path(row) for row in there]
    found = picture_keys(files, Path(cfg.paths.cache) / "features" / "pictures.npz")
    by_row = dict(zip(there, found, strict=True))
    keys = (by_row.get(row) for row in images.tolist())
    return ["" if key is None else key.hex()[:DIGITS] for key in keys]
