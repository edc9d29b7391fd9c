"""Make tables, labels and a split, on which a run's identity depends. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote as quoted
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.opening import open_dataset
from interestingness.datasets.image_texts import reads_written
from interestingness.errors import ConfigError, DataError, LabelError
from interestingness.labels.source import Labels, LabelSource
from interestingness.models.scene_clip import WEIGHTS
from interestingness.schema import Pairs
from interestingness.tables.tables import Tables

if TYPE_CHECKING:
    from interestingness.data.splits import PairSplit

ADAM = {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False}
"""Options of torch's Adam as cross-fitting takes its steps: the defaults."""


@dataclass(frozen=True, eq=False)
class RunTables:
    """The data that a run learns from and is evaluated against.

    Attributes:
        tables: the prepared data set.
        pairs: all its pairs.
        split: which pairs train, validate and test.
        source: what is learnt.
        labels: its preferences for all pairs (fitted on training pairs only).
        references: what the model is held against, by name, without sources that find nothing
            in the data set.
        absent: why the other references are left out, by name.
    """

    tables: Tables
    pairs: Pairs
    split: PairSplit
    source: LabelSource
    labels: Labels
    references: dict[str, LabelSource]
    absent: dict[str, str]

    def fingerprints(self, model: Mapping[str, Any]) -> dict[str, str]:
        """Hash data, labels, split and weight files, by name.

        Args:
            model: the config's ``model`` node; every value that names a file is hashed by content.
        """
        parts = [np.packbits(part).tobytes() for part in self.split.parts().values()]
        folds = [] if self.split.folds is None else [self.split.folds.tobytes()]
        split = hashlib.sha256(b"".join([*parts, *folds])).hexdigest()[:16]
        # Descriptions by models are no column of the image table, and may be rewritten.
        written = reads_written(self.tables, model.get("modalities") or (), model.get("raters"))
        return {
            "data": self.tables.fingerprint("images", "pairs", *(["texts"] if written else [])),
            "labels": self.source.fingerprint(),
            "split": split,
            **files_of(model, "model"),
            **{f"reference.{n}": s.fingerprint() for n, s in sorted(self.references.items())},
        }


def files_of(node: Any, path: str) -> dict[str, str]:
    """Hash every file that a config names, by its place: a file may change and keep its name."""
    if isinstance(node, Mapping):
        found = [files_of(value, f"{path}.{key}") for key, value in node.items()]
        return {k: v for part in found for k, v in part.items()}
    file = WEIGHTS if node == "embedded" else Path(str(node)).expanduser()
    if not isinstance(node, str) or not file.is_file():
        return {}
    with file.open("rb") as stream:
        return {path: hashlib.file_digest(stream, "sha256").hexdigest()[:16]}


def prepare(cfg: DictConfig, *, learn: bool = True, progress: Any = None) -> RunTables:
    """Open the data set, split its pairs and label them; the steps document their errors."""
    tables = open_dataset(cfg, progress)
    split = split_pairs(cfg, tables)
    return label_pairs(cfg, tables, split, learn=learn)


def split_pairs(cfg: DictConfig, tables: Tables) -> PairSplit:
    """Assign pairs to training, validation and test.

    Raises:
        DataError: if the data set has no pairs, or for an impossible split.
        ConfigError: for cross-fitting of anything but linear heads.
    """
    if len(tables.pairs) == 0:
        raise DataError(
            f"{tables.root}: the data set has no pairs",
            expected="pairs, votes or scores to make pairs from",
            todo="give dataset.votes, dataset.pairs or dataset.scores",
        )
    if cfg.split._target_.endswith(".by_size"):
        options = {} if not why_no_cross_fit(cfg) else {"cross_fit_below": 0}
        # the split that is meant stands in the run's config, so that a checkpoint repeats it
        cfg.split = instantiate(cfg.split, **options)(tables.pairs, tables.images)
    split: PairSplit = instantiate(cfg.split)(tables.pairs, tables.images)
    if split.folds is not None and (reason := why_no_cross_fit(cfg)):
        raise ConfigError(
            f"split=cross_fit with {reason}",
            expected="a linear head on cached features that bradley_terry trains: many fit in "
            "seconds",
            todo="split=half_by_image; or leave the option out",
        )
    return split


def why_no_cross_fit(cfg: DictConfig) -> str:
    """Name the option for which the fit of a head cannot be repeated in seconds, else "".

    With L2 a head is fitted to its optimum, as ``optimizer=optimum`` does; without, by the steps of
    Adam that the run takes.
    """
    model, trainer = cfg.model, cfg.trainer
    wanted: dict[str, tuple[Any, Any]] = {
        "data.source": (cfg.data.source, "features"),
        "model.head": (model.head._target_.rpartition(".")[2], "LinearHead"),
        "model.modalities": (model.get("modalities"), None),
        "loss": (cfg.loss._target_.rpartition(".")[2], "BradleyTerryLoss"),
    }
    if model.l2 != 0:
        at_optimum = ("interestingness.learning.optimum.Optimum", "torch.optim.LBFGS")
        solver = cfg.optimizer._target_
        wanted["optimizer"] = (solver, solver if solver in at_optimum else "optimum")
    else:
        wanted |= {
            "optimizer": (cfg.optimizer._target_, "torch.optim.Adam"),
            **{f"optimizer.{k}": (cfg.optimizer.get(k, v), v) for k, v in ADAM.items()},
            "scheduler": (cfg.scheduler.get("_target_"), None),
            "trainer.gradient_clip_val": (trainer.get("gradient_clip_val"), None),
            "trainer.accumulate_grad_batches": (trainer.get("accumulate_grad_batches") or 1, 1),
        }
    return next((f"{name}={is_}" for name, (is_, fine) in wanted.items() if is_ != fine), "")


def label_pairs(
    cfg: DictConfig, tables: Tables, split: PairSplit, *, learn: bool = True
) -> RunTables:
    """Label all pairs by the config's label source, and open its references.

    Args:
        cfg: composed config.
        tables: the prepared data set.
        split: the source is fitted on its training pairs only.
        learn: whether training follows; if not, the label source may find nothing in the tables.

    Raises:
        LabelError: if the data set has nothing for the label source, or no training pair a label.
    """
    pairs = tables.pairs
    source = _source(cfg.label_source, tables)
    lacking = source.missing()
    if lacking is not None and learn:
        raise LabelError(
            f"label source {source.name!r} has nothing to read in "
            f"{tables.manifest.name}: {lacking}",
            todo=_obtaining(cfg),
        )
    if lacking is None:
        labels = source.fit(pairs[split.train]).labels(pairs)
    else:
        labels = Labels.of(np.full(len(pairs), np.nan))
    if learn and not (labels.known & split.train).any():
        raise LabelError(
            f"label source {source.name!r} labels none of the "
            f"{int(split.train.sum())} training pairs",
            expected="a preference for at least one training pair",
            todo="choose another label source, aggregation or split",
        )
    references, absent = read_sources(cfg.get("references"), tables)
    if lacking is None:
        references[_own_name(source, references)] = source
        absent.pop(source.name, None)
    said = (used.simulated() for used in references.values())
    simulated = tables.manifest.simulated or next(filter(None, said), "")
    tables.manifest = replace(tables.manifest, simulated=simulated)
    return RunTables(tables, pairs, split, source, labels, references, absent)


def _obtaining(cfg: DictConfig) -> str:
    """Write the command that obtains the labels of the config's source for its data."""
    annotator = cfg.label_source.get("annotator")
    if annotator is None:
        return "obtain the labels, or choose another label_source"
    given = HydraConfig.get().overrides.task if HydraConfig.initialized() else ["dataset=…"]
    kept = ("dataset", "question", "paths.cache")
    words = [quoted(w) for w in given if w.lstrip("+~").startswith(kept)]
    command = " ".join(["interestingness annotate", *words, f"annotator={annotator}"])
    return (
        f"{command} pilot=30 asks about thirty pairs first (answers that its ledger has cost "
        "nothing again); or choose another label_source"
    )


def _own_name(source: LabelSource, references: Mapping[str, LabelSource]) -> str:
    """Name the learnt source as a reference: its own name, unless another rule has it."""
    other = references.get(source.name)
    same = other is None or other.fingerprint() == source.fingerprint()
    return source.name if same else f"{source.name}_as_learnt"


def _source(node: DictConfig, tables: Tables) -> LabelSource:
    made: LabelSource = instantiate(with_tables(node, tables), _convert_="all")
    return made


def with_tables(node: DictConfig, tables: Tables) -> dict[str, Any]:
    """Pass ``tables`` to the node and to every source nested in it."""

    def give(value: Any) -> Any:
        if isinstance(value, dict):
            inner = {k: give(v) for k, v in value.items()}
            return {**inner, "tables": tables} if "_target_" in inner else inner
        return [give(v) for v in value] if isinstance(value, list) else value

    given = give(OmegaConf.to_container(node, resolve=True))
    assert isinstance(given, dict)
    return given


def read_sources(
    nodes: DictConfig | None, tables: Tables
) -> tuple[dict[str, LabelSource], dict[str, str]]:
    """Read sources by name; return also why others are left out, with nothing in the tables."""
    there: dict[str, LabelSource] = {}
    absent: dict[str, str] = {}
    for name, node in (nodes or {}).items():
        source = _source(node, tables)
        lacking = source.missing()
        if lacking is None:
            there[str(name)] = source
        else:
            absent[str(name)] = lacking
    return there, absent
