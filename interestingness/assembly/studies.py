"""Run a study: from a composed config to a folder of tables, figures and one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.checks import effective
from interestingness.assembly.model import features_of as described
from interestingness.assembly.model import image_features
from interestingness.assembly.opening import check_config, open_dataset
from interestingness.assembly.parts import skips_of
from interestingness.assembly.prepare import read_sources
from interestingness.assembly.reporting import picture_of
from interestingness.assembly.run_record import chosen, typed_overrides
from interestingness.assembly.towers import BackboneTowers
from interestingness.assembly.which_command import need_study
from interestingness.data.splits import PairSplit
from interestingness.disk import writable_cache
from interestingness.errors import ConfigError
from interestingness.progress import ProgressLine
from interestingness.reports.console import print_report
from interestingness.reports.page import write_report
from interestingness.runs import registry
from interestingness.studies.study import ImageFeatures, Material, Sources, Study, StudyInterrupted
from interestingness.tables.tables import Tables


def run_study(cfg: DictConfig) -> dict[str, Any]:
    """Compose → material → study → files.

    Args:
        cfg: composed ``conf/study.yaml``.

    Returns:
        What a sweep's table needs: ``{"run", "status", "accuracy"}``.
    """
    need_study(cfg)
    cfg.run_name = cfg.run_name or cfg.name or chosen("study", "dataset", seed=cfg.seed)
    config = check_config(cfg)
    cfg.paths.cache = str(writable_cache(cfg.paths.cache))
    run = Path(cfg.paths.run)
    registry.write_text(run / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(effective(config))))
    loggers = [instantiate(node) for node in cfg.logger.values() if node and node.get("_target_")]
    material = material_of(cfg)
    study: Study = instantiate(cfg.study, _convert_="all")
    stopped: StudyInterrupted | None = None
    try:
        result = study.run(material)
    except StudyInterrupted as told:
        stopped, result = told, told.result
    picture = picture_of(material.tables)
    page = write_report(run, result, picture=picture, settings=config)
    if loggers:
        from interestingness.reports.media import log_report

        log_report(loggers, result, page=page, picture=picture, settings=config)
    if stopped is not None:
        print_report(result, page=page)
        raise stopped
    # a sweep takes this file as the sign that the job is done
    said = {"study": result.name, "answer": result.answer, "simulated": result.simulated}
    metrics = {**said, "tables": [table.name for table in result.tables]}
    registry.write_text(run / registry.METRICS, json.dumps(metrics, indent=2) + "\n")
    print_report(result, page=page)
    return {"run": str(run), "status": "finished", "accuracy": None}


def material_of(cfg: DictConfig) -> Material:
    """Build the material of a study; each thing is made on first use."""

    def prepare() -> Tables:
        return open_dataset(cfg, ProgressLine("preparing the data set"))

    def label(tables: Tables, learn: bool) -> Sources:
        nodes = cfg.references if cfg.sources is None or not learn else cfg.sources
        return Sources(*read_sources(nodes, tables))

    return Material(
        question=cfg.question,
        seed=cfg.seed,
        cache=Path(cfg.paths.cache),
        prepare=prepare,
        label=label,
        split=lambda number, tables: split_number(cfg.split, number, tables),
        encode=lambda tables: features_of(cfg, tables),
        towers=BackboneTowers(cfg),
        overrides=tuple(typed_overrides()),
    )


def features_of(cfg: DictConfig, tables: Tables) -> ImageFeatures:
    """Return features of every image in a pair, from the cache, a file or the backbone."""
    skips, notes = skips_of(cfg), []  # type: ignore[var-annotated]
    backbone, embedding, values, present = image_features(
        cfg, tables, skips, notes, progress=ProgressLine("encoding images")
    )
    weights = described(cfg.model, embedding) if backbone is None else backbone.describe()
    note = "; ".join([weights, *notes])
    return ImageFeatures(values, present, embedding, note, tuple(skips.reasons.items()))


def split_number(node: DictConfig, number: int, tables: Tables) -> PairSplit:
    """Make the split of one repetition: its seed, or its test fold, counts up.

    Raises:
        ConfigError: for a second repetition of a split without randomness.
    """
    if "seed" in node:
        rule = instantiate(node, seed=int(node.seed) + number)
    elif "test" in node and node.get("column") is not None and isinstance(node.test, int):
        rule = instantiate(node, test=int(node.test) + number)
    elif number == 0:
        rule = instantiate(node)
    else:
        raise ConfigError(
            f"{node['_target_'].rpartition('.')[2]} has one split only",
            expected="a split with a seed or with folds, to repeat the study on many splits",
            todo="choose split=half_by_image, or one repetition: study.splits=1",
        )
    return rule(tables.pairs, tables.images)
