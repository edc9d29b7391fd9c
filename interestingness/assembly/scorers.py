"""Make scorers by name: published heads, runs and checkpoints of ours, exported folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from numpy.typing import NDArray

from interestingness.assembly.checks import OWN_PACKAGES, check, locate
from interestingness.assembly.run_record import checkpoint_of
from interestingness.errors import ConfigError, WeightsError
from interestingness.learning.learner import CHECKPOINT_KEY
from interestingness.models.backbone import Backbone
from interestingness.models.backbones import OpenClipBackbone
from interestingness.models.exchange import (
    ABOUT,
    LESS,
    ScorerCard,
    learnt_sha256,
    load_scorer,
    read_card,
    restore,
)
from interestingness.models.published_heads import HEADS_ON_CLIP, published_head
from interestingness.models.scorer import Scorer, build_scorer
from interestingness.models.weights import BACKBONE, find_weights
from interestingness.plugins import plugin_packages
from interestingness.runs import registry
from interestingness.runs.checkpoints import load_checkpoint
from interestingness.scoring.clip_linear import score_images
from interestingness.scoring.table_scorer import ScorerMaterial, TableScorer


@dataclass(frozen=True, eq=False)
class NamedScorer:
    """A scorer with its description.

    Attributes:
        card: name, question, unit, licence.
        scorer: with its backbone, where it has one.
    """

    card: ScorerCard
    scorer: Scorer

    @property
    def logits(self) -> bool:
        """Check whether a difference of scores is the logit of a choice between two images."""
        return self.card.unit.startswith("logits")

    @property
    def identity(self) -> str:
        """Identify zero and unit: scores of different identities are never compared."""
        return f"{learnt_sha256(self.scorer)}:{self.scorer.embedding.fingerprint()}"


class RunScorer(TableScorer):
    """``scorer=run``: a run of ours, a checkpoint or an exported folder, on another data set."""

    def __init__(self, *, path: str, column: str, weights: str | None = None) -> None:
        """Load the scorer.

        Args:
            path: run folder, ``.ckpt`` file, or what ``interestingness export`` wrote.
            column: name of the score.
            weights: file of the backbone's weights, where there is no hub.

        Raises:
            WeightsError: if there is none, or it has no backbone.
        """
        self._named, self.column = make_scorer(path, weights=weights), column
        self.licence = self._named.card.licence

    def describe(self) -> str:
        """Describe name, unit and what it learnt from."""
        card = self._named.card
        return f"{card.name} ({card.unit}, learnt from {card.learnt_from})"

    def identity(self) -> str:
        """Hash tensors and features."""
        return f"run {self._named.identity}"

    def scores(self, material: ScorerMaterial) -> NDArray[np.float64]:
        """Score images in the scorer's unit."""
        return score_images(self._named.scorer, material)


def make_scorer(name: str, *, head: str | None = None, weights: str | None = None) -> NamedScorer:
    """Load a published head by its name, or a run folder or checkpoint of ours.

    Args:
        name: see ``models.published_heads``, or a path.
        head: file of a published head, if it is downloaded already.
        weights: file of the backbone's weights; None takes the hub's.

    Raises:
        WeightsError: if there is no such scorer, or it must not see photographs.
    """
    if name in HEADS_ON_CLIP:
        published = published_head(name)
        path = published.locate(head)  # before the tower, which is slow to load
        backbone = _openai_tower(published.architecture, weights)
        card = ScorerCard(
            name=name,
            question=published.question,
            learnt_from=published.file.url,
            unit=published.unit,
            licence=f"{published.file.licence} (head), {backbone.licence} (backbone)",
            backbone={
                "_target_": "interestingness.models.backbones.OpenClipBackbone",
                "architecture": published.architecture,
                "pretrained": "openai",
                "weights": weights or "hub",
                "licence": "MIT",
            },
        )
        return NamedScorer(card, published.scorer(backbone, path=str(path)))
    if head is not None:
        raise ConfigError(
            f"--head with --scorer {name}",
            expected="a published head's name, whose file --head is",
            todo=f"leave out --head, or choose one of {', '.join(HEADS_ON_CLIP)}",
        )
    path = Path(name).expanduser()
    if (path / ABOUT).is_file():
        return _of_folder(name, path, weights)
    if not path.exists():
        raise WeightsError(
            f"{name}: neither a published head nor a checkpoint",
            expected=f"one of {', '.join(HEADS_ON_CLIP)}, a run folder, a .ckpt file or an "
            "exported folder",
            todo="name the folder that train printed, such as runs/my_run",
        )
    return _of_checkpoint(name, checkpoint_of(path, best=True), weights)


def _openai_tower(architecture: str, weights: str | None) -> OpenClipBackbone:
    """Load a published head's tower; errors name the options of our commands."""
    try:
        return OpenClipBackbone(
            architecture, pretrained="openai", weights=weights or "hub", licence="MIT"
        )
    except WeightsError as error:
        raise WeightsError(
            error.found.replace(f"{BACKBONE}=", "--weights "),
            expected=f"OpenAI's weights of {architecture}",
            todo="--weights FILE with these weights, --scorer RUN for a scorer of your own, or "
            "once where the hub can be reached",
        ) from None


def _of_checkpoint(name: str, file: Path, weights: str | None) -> NamedScorer:
    checkpoint = load_checkpoint(file)
    own = checkpoint[CHECKPOINT_KEY]
    record = own["record"]
    if own["scorer"]["head"]["kind"] == "fusion":
        raise WeightsError(
            f"{name}: a fusion of {', '.join(own['scorer']['head']['widths'])}",
            expected="a scorer of images alone: photographs have no tags here",
            todo="python evaluate.py ckpt=RUN dataset=… evaluates it on data with these columns",
        )
    node = dict(record["model"].get("backbone") or {})
    backbone = _backbone(node, weights, file) if node.get("_target_") else None
    scorer = build_scorer(own["scorer"], backbone)
    state = checkpoint["state_dict"]
    kept = {n.removeprefix("scorer."): v for n, v in state.items() if n.startswith("scorer.")}
    restore(scorer, kept, where=str(file))
    card = ScorerCard(
        name=Path(name).name,
        question=_learnt(record),
        learnt_from=str(record.get("label_source", {}).get("name", "a label source")),
        unit="logits",
        licence="" if backbone is None else f"{backbone.licence} (backbone)",
        backbone=node if backbone is not None else {},
        simulated=str((registry.read(file.absolute().parents[1]) or {}).get("simulated") or ""),
        has_zero=_has_zero(record.get("loss") or {}),
    )
    return NamedScorer(card, scorer.eval())


def _learnt(record: Mapping[str, Any]) -> str:
    """Say what a higher score means: the score that was learnt, the question of the votes, …

    ``mix`` learns what its people were asked; what has neither is called by the source's name.
    """
    source = record.get("label_source") or {}
    asked = source.get("question") or (source.get("human") or {}).get("question")
    learnt = source.get("column") or asked or source.get("name") or record.get("question", "")
    return f"{LESS}{learnt}" if source.get("higher_is_better") is False else str(learnt)


def _has_zero(loss: Mapping[str, Any]) -> bool:
    """Check whether the loss of a record gives scores a zero.

    Classes of packages that are not trusted here are not imported.
    """
    target = str(loss.get("_target_"))
    if target.partition(".")[0] not in (*OWN_PACKAGES, *plugin_packages()):
        return False
    try:
        return bool(getattr(locate(target), "has_zero", False))
    except (ImportError, AttributeError):
        return False


def _of_folder(name: str, folder: Path, weights: str | None) -> NamedScorer:
    card, _ = read_card(folder)
    node = dict(card.backbone)
    backbone = _backbone(node, weights, folder) if node.get("_target_") else None
    return NamedScorer(card, load_scorer(folder, backbone))


def _backbone(node: dict[str, Any], weights: str | None, where: Path) -> Backbone:
    """Build the backbone of a checkpoint's or a folder's config, which may be third-party."""
    try:
        check({"model": {"backbone": node}}, trusted=plugin_packages(), recorded=True)
    except ConfigError as error:
        raise ConfigError(
            f"{where}: {error.found}",
            expected="a backbone of ours, or of an installed plugin",
            todo="install the package that it is from, if you mean to run its code",
        ) from None
    found = weights or find_weights(node.get("weights"), where)
    try:
        backbone: Backbone = instantiate({**node, "weights": found})
    except WeightsError as error:
        raise _other_option(error, where) from None
    except InstantiationException as error:
        if isinstance(error.__cause__, WeightsError):
            raise _other_option(error.__cause__, where) from None
        raise
    return backbone


def _other_option(error: WeightsError, where: Path) -> WeightsError:
    """Name the options that the commands on scorers have, not those of training."""
    return WeightsError(
        error.found.replace(f"{BACKBONE}=", f"{where}: weights ", 1),
        expected="the weights that the scorer was trained with, where they were or beside it",
        todo="name their file: --weights FILE (scorer.weights=FILE for `interestingness score`)",
    )
