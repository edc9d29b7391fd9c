"""Rebuild a checkpoint's scorer and score test images, of its own or another data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.checks import check, plain
from interestingness.assembly.model import image_features
from interestingness.assembly.opening import trusted_packages
from interestingness.assembly.parts import Model, skips_of, usable_rows
from interestingness.assembly.prepare import RunTables
from interestingness.data.datamodule import PairDataModule
from interestingness.data.images import Skips
from interestingness.errors import ConfigError, DataError, WeightsError
from interestingness.learning.learner import CHECKPOINT_KEY
from interestingness.models.backbone import Backbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.exchange import restore
from interestingness.models.scorer import build_scorer
from interestingness.models.weights import find_weights
from interestingness.runs.team import ALONE, Team

WORDS = "model.words.path=…"
"""What a message about a file of word vectors tells a training run to give."""
ALL_TEST = {"_target_": "interestingness.data.splits.all_test", "_partial_": True}


def restored_scores(
    cfg: DictConfig,
    checkpoint: Mapping[str, Any],
    file: Path,
    prepared: RunTables,
    team: Team = ALONE,
) -> tuple[Model, NDArray[np.float64]]:
    """Rebuild the scorer of a checkpoint and score the test images of a data set.

    Args:
        cfg: from ``merged_config``.
        checkpoint: from ``load_checkpoint``.
        file: its path, for messages.
        prepared: tables, labels and split.
        team: processes that share the encoding of images.

    Returns:
        The model, and the score per image in logits, NaN where it is not tested, shape (images,).

    Raises:
        WeightsError: if the features are not those that the scorer was trained on.
    """
    own = checkpoint[CHECKPOINT_KEY]
    skips, notes = skips_of(cfg), [f"scored by {file}"]
    scorer = build_scorer(own["scorer"])
    state = {
        n.removeprefix("scorer."): v
        for n, v in checkpoint["state_dict"].items()
        if n.startswith("scorer.")
    }

    def trained(backbone: Backbone) -> None:
        """Load the trained weights; a frozen backbone stays as it is."""
        if own["scorer"]["trainable_backbone"]:
            restore(build_scorer(own["scorer"], backbone), state, where=str(file))

    backbone, embedding, features, present = _features(cfg, prepared, skips, notes, team, trained)
    differences = scorer.embedding.differences(embedding)
    if differences:
        raise WeightsError(
            f"{file}: was trained on other features: {'; '.join(differences)}",
            expected="the backbone, weights and preprocessing of its run",
            todo="give the same weights as then (the effective config is in the run's config.yaml)",
        )
    restore(scorer, state, where=str(file))
    with torch.inference_mode():
        scores = scorer.eval().score(torch.from_numpy(features)).double().numpy()
    scores[~present] = np.nan
    rows = usable_rows(prepared, present, learn=False)
    unused = np.ones(len(scores), dtype=bool)
    unused[prepared.pairs[rows["test"]].images_used()] = False
    scores[unused] = np.nan
    data = PairDataModule(_no_part)
    return Model(scorer, data, own["l2"], backbone, rows, notes, skips, features), scores


def _features(
    cfg: DictConfig,
    prepared: RunTables,
    skips: Skips,
    notes: list[str],
    team: Team,
    trained: Callable[[Backbone], None],
) -> tuple[Backbone | None, EmbeddingContract, NDArray[np.float32], NDArray[np.bool_]]:
    """Call ``image_features``, and let its errors name the options of this command."""
    try:
        return image_features(cfg, prepared.tables, skips, notes, team=team, ready=trained)
    except DataError as error:
        raise DataError(
            error.found, expected=error.expected, todo=error.todo.replace(WORDS, "words=…")
        ) from None
    except WeightsError as error:
        if "synthetic scenes only" not in error.found:
            raise
        raise WeightsError(
            error.found,
            expected="a checkpoint that was trained on photographs",
            todo="train one on photographs: a checkpoint keeps its backbone",
        ) from None


def merged_config(checkpoint: Mapping[str, Any], cfg: DictConfig) -> DictConfig:
    """Merge a checkpoint's config with the options of this command, and check it.

    Args:
        checkpoint: from ``load_checkpoint``; its config may name only trusted classes.
        cfg: composed ``conf/evaluate.yaml``.

    Raises:
        ConfigError: for classes that are not trusted, or impossible options.
    """
    merged = merge(checkpoint[CHECKPOINT_KEY]["record"], cfg)
    check(plain(merged), trusted=trusted_packages(cfg), recorded=True)
    return merged


def merge(record: Mapping[str, Any], cfg: DictConfig) -> DictConfig:
    """Return the run's config with the data set, split, references and paths of this command.

    Another data set without a split of its own is tested as a whole.

    Raises:
        ConfigError: for word vectors where the run read none.
    """
    merged = OmegaConf.create(dict(record))
    if cfg.question is None:
        cfg.question = merged.question
    asked = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(asked, dict)
    for name in ("paths", "references", "question", "judge"):
        merged[name] = asked[name]
    given = {name: value for name, value in (asked.get("data") or {}).items() if value is not None}
    merged["data"] = {**(record.get("data") or {}), **given}
    if asked.get("dataset"):
        merged["dataset"] = asked["dataset"]
        merged["split"] = asked.get("split") or ALL_TEST
    elif asked.get("split"):
        merged["split"] = asked["split"]
    else:
        # Prepared data lie in this machine's cache, wherever that of the run was.
        then, now = str(record["paths"]["cache"]), str(asked["paths"]["cache"])
        root = str(merged["dataset"]["root"])
        merged["dataset"]["root"] = now + root.removeprefix(then) if root.startswith(then) else root
    if asked.get("trainer"):
        merged["trainer"] = asked["trainer"]
    if asked.get("weights"):
        merged["model"]["backbone"]["weights"] = asked["weights"]
    elif (merged["model"].get("backbone") or {}).get("weights") and asked.get("ckpt"):
        node = merged["model"]["backbone"]
        node["weights"] = find_weights(node["weights"], Path(str(asked["ckpt"])).expanduser())
    if asked.get("features"):
        merged["model"]["features"] = asked["features"]
    if asked.get("words"):
        if "path" not in (merged["model"].get("words") or {}):
            raise ConfigError(
                f"words={asked['words']}: the run read no file of word vectors",
                expected="a run of model=tag_fusion model/words=file",
                todo="leave words out",
            )
        merged["model"]["words"]["path"] = asked["words"]
    return merged


def _no_part(part: str, rank: int, ranks: int) -> None:
    return None
