"""One checkpoint judged by every reference, on its own data or on another data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.checks import check
from interestingness.assembly.model import image_features
from interestingness.assembly.parts import Model, usable_rows
from interestingness.assembly.prepare import prepare
from interestingness.assembly.reporting import announce, report
from interestingness.data.datamodule import PairDataModule
from interestingness.data.images import Skips
from interestingness.errors import ConfigError, DataError, WeightsError
from interestingness.learning.learner import CHECKPOINT_KEY
from interestingness.models.backbone import Backbone
from interestingness.models.exchange import restore
from interestingness.models.scorer import build_scorer
from interestingness.runs.checkpoints import load_checkpoint
from interestingness.runs.team import ALONE, Team

WORDS = "model.words.path=…"
"""What a message about a file of word vectors tells a training run to give."""
ALL_TEST = {"_target_": "interestingness.data.splits.all_test", "_partial_": True}


def judge(
    cfg: DictConfig, file: Path, team: Team = ALONE, *, trusted: tuple[str, ...]
) -> float | None:
    """Rebuild the scorer of a checkpoint and judge it.

    Args:
        cfg: composed ``conf/evaluate.yaml``.
        file: the checkpoint.
        team: ranks that share the encoding of images; the first one reports.
        trusted: packages whose classes the checkpoint's config may name; a stranger's checkpoint is
            a config too.

    Returns:
        Accuracy against the main reference; None on ranks that do not report.
    """
    checkpoint = load_checkpoint(file)
    own = checkpoint[CHECKPOINT_KEY]
    merged = merge(own["record"], cfg)
    plain: Any = OmegaConf.to_container(merged, resolve=True)
    check(plain, trusted=trusted, recorded=True)
    prepared = prepare(merged, learn=False)
    skips, notes = Skips(max_share=merged.data.max_bad_share), [f"judged from {file}"]
    scorer = build_scorer(own["scorer"])
    state = {
        n.removeprefix("scorer."): v
        for n, v in checkpoint["state_dict"].items()
        if n.startswith("scorer.")
    }

    def trained(backbone: Backbone) -> None:
        """Its weights as training left them; a frozen backbone stays as it is."""
        if own["scorer"]["trainable_backbone"]:
            restore(build_scorer(own["scorer"], backbone), state, where=str(file))

    try:
        backbone, embedding, features, present = image_features(
            merged, prepared.tables, skips, notes, team=team, ready=trained
        )
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
    differences = scorer.embedding.differences(embedding)
    if differences:
        raise WeightsError(
            f"{file}: was trained on other features: {'; '.join(differences)}",
            expected="the backbone, weights and preprocessing of its run",
            todo="give the same weights as then (the effective config is in the run's config.yaml)",
        )
    if not team.first:
        return None
    restore(scorer, state, where=str(file))
    with torch.inference_mode():
        scores = scorer.eval().score(torch.from_numpy(features)).double().numpy()
    scores[~present] = np.nan
    rows = usable_rows(prepared, present, learn=False)
    unused = np.ones(len(scores), dtype=bool)
    unused[prepared.pairs[rows["test"]].images_used()] = False
    scores[unused] = np.nan
    model = Model(scorer, PairDataModule(_no_side), own["l2"], backbone, rows, notes, skips)
    announce(merged, prepared, model)
    return report(merged, prepared, model, scores)


def merge(record: Mapping[str, Any], cfg: DictConfig) -> DictConfig:
    """The run's own config, with the data set, split, references and paths of this command.

    Another data set without a split of its own is tested as a whole.

    Raises:
        ConfigError: for word vectors where the run read none.
    """
    merged = OmegaConf.create(dict(record))
    if cfg.question is None:
        cfg.question = merged.question
    asked = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(asked, dict)
    for name in ("paths", "references", "question"):
        merged[name] = asked[name]
    if asked.get("dataset"):
        merged["dataset"] = asked["dataset"]
        merged["split"] = asked.get("split") or ALL_TEST
    elif asked.get("split"):
        merged["split"] = asked["split"]
    else:
        # Prepared data lie in this machine's cache, wherever the run's own was.
        then, now = str(record["paths"]["cache"]), str(asked["paths"]["cache"])
        root = str(merged["dataset"]["root"])
        merged["dataset"]["root"] = now + root.removeprefix(then) if root.startswith(then) else root
    if asked.get("trainer"):
        merged["trainer"] = asked["trainer"]
    if asked.get("weights"):
        merged["model"]["backbone"]["weights"] = asked["weights"]
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


def _no_side(side: str, rank: int, ranks: int) -> None:
    return None
