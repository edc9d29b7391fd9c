"""``interestingness caption``: a captioner writes a sentence about every image of a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
from hydra.utils import instantiate
from omegaconf import DictConfig

from interestingness.annotators.parsing import clean
from interestingness.annotators.votes import slug
from interestingness.assembly.opening import check_config, open_dataset
from interestingness.assembly.parts import skips_of
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.datasets.image_texts import WRITTEN, written_descriptions
from interestingness.errors import DataError
from interestingness.models.backbone import PHOTOGRAPHS, check_domain
from interestingness.models.captioners import CocaCaptioner
from interestingness.models.device import device_for
from interestingness.progress import ProgressLine
from interestingness.scoring.table_scorer import ScorerMaterial
from interestingness.tables.table_format import write_table
from interestingness.tables.tables import ANNOTATIONS, Tables

SHOWN = 3
"""Captions that are printed: whether they are any good is for the reader to see."""

NOISE = "random weights: these captions are noise and say nothing of the images"


def caption(cfg: DictConfig) -> dict[str, Any]:
    """Caption the images, write the table, and print how a model reads it.

    Captions are kept in the feature cache by image content: after an interruption the same command
    resumes, and a finished one captions nothing again.

    Args:
        cfg: composed ``conf/caption.yaml``.

    Returns:
        Images with a caption, how many images were captioned now, and the table.

    Raises:
        ConfigError: for impossible options.
        DataError: if no image can be read.
    """
    check_config(cfg)
    skips = skips_of(cfg)
    line = ProgressLine("captioning")
    tables = open_dataset(cfg, line)
    captioner: CocaCaptioner = instantiate(cfg.captioner)
    print(f"captioner  {captioner.describe()}")
    print(f"licence    {captioner.licence}", flush=True)
    unusual = check_domain(captioner, tables.manifest.domain)
    if unusual:
        print(f"note       {unusual}: its sentences may say little", flush=True)
    if captioner.noise:
        print(f"note       {NOISE}", flush=True)
    cache = FeatureCache(Path(cfg.paths.cache) / "features")
    device = device_for()
    material = ScorerMaterial(
        tables, cache, device, skips, lambda done, total, _: line(done, total)
    )
    try:
        tokens, there = material.features(captioner)
    except KeyboardInterrupt:
        print(f"{cache.encoded:,} captions are kept; the same command goes on", file=sys.stderr)
        raise
    finally:
        line.close()
    texts = [
        clean(text) if known else None
        for text, known in zip(captioner.texts(tokens), there.tolist(), strict=True)
    ]
    if not any(texts):
        raise DataError(
            f"{tables.manifest.name}: none of {len(texts)} images has got a caption",
            expected="a data set whose images have files, and a captioner that writes",
            todo="name a data set with images (dataset.images=…)",
        )
    name = f"texts-{slug(captioner.contract.architecture)}-{WRITTEN}.parquet"
    file = tables.root / ANNOTATIONS / name
    file.parent.mkdir(exist_ok=True)
    about = {"note": NOISE} if captioner.noise else None
    write_table("texts", _table(tables, texts, captioner), file, about=about)
    _tell(tables, texts, cache.encoded, captioner, skips)
    print(file)
    return {"captioned": sum(map(bool, texts)), "new": cache.encoded, "table": str(file)}


def _table(tables: Tables, texts: list[str | None], captioner: CocaCaptioner) -> pa.Table:
    """Build a row for every image that could be read; an empty sentence is an empty cell."""
    rows = [
        (image_id, text or None)
        for image_id, text in zip(tables.image_ids.tolist(), texts, strict=True)
        if text is not None
    ]
    provenance = f"{captioner.contract.family} {captioner.fingerprint()}"
    same = {"kind": WRITTEN, "rater_id": captioner.rater_id, "provenance": provenance}
    return pa.table(
        {
            "image_id": pa.array([image_id for image_id, _ in rows], pa.string()),
            "text": pa.array([text for _, text in rows], pa.string()),
            **{name: pa.array([value] * len(rows), pa.string()) for name, value in same.items()},
        }
    )


def _tell(
    tables: Tables,
    texts: list[str | None],
    new: int,
    captioner: CocaCaptioner,
    skips: Skips,
) -> None:
    for name, why in skips.reasons.items():
        print(f"left out   {name}: {why}")
    good = [(name, text) for name, text in zip(tables.image_ids, texts, strict=True) if text]
    empty = sum(text == "" for text in texts)
    print(
        f"captioned  {len(good):,} of {len(texts):,} images, {new:,} of them now"
        + (f"; {empty:,} sentences are empty" if empty else "")
    )
    for name, text in good[:SHOWN]:
        print(f"           {name}: {text}")
    # Where others described the images too, it must be said whose words are meant.
    others = set(written_descriptions(tables).writers) - {captioner.rater_id}
    if WRITTEN in tables.images.column_names or others:
        whose = f""" 'model.raters=["{captioner.contract.architecture}*"]'"""
    else:
        whose = ""
    photographs = tables.manifest.domain == PHOTOGRAPHS
    tower = " text_embedder@model.tower=clip_text" if photographs else ""
    then = "noise, good for trying things out" if captioner.noise else "learn from them"
    print(f"{then}: model=tag_fusion model.modalities=[image,{WRITTEN}]{whose}{tower}")
