"""``interestingness rank``: from photographs to scores, and a contact sheet to look at."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image

from interestingness.annotators.scoring import ImageScorer
from interestingness.assembly.checks import check
from interestingness.assembly.judging import load_checkpoint
from interestingness.assembly.prepare import writable_cache
from interestingness.assembly.run import checkpoint_of
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips, read_image
from interestingness.datasets.image_files import list_images
from interestingness.errors import DataError, ImageError, WeightsError
from interestingness.learning.learner import CHECKPOINT_KEY
from interestingness.models.backbone import PHOTOGRAPHS, Backbone, check_domain
from interestingness.models.backbones import OpenClipBackbone
from interestingness.models.published_heads import HEADS_ON_CLIP, published_head
from interestingness.models.scorer import Scorer, build_scorer
from interestingness.models.weights import file_sha256
from interestingness.plugins import plugin_packages
from interestingness.progress import ProgressLine
from interestingness.reports.study import print_study, write_study
from interestingness.reports.table_files import appear, arrow
from interestingness.studies.ranking import Ranking, Reference

META = b"interestingness"
"""Key of the Parquet metadata under which a score table says which scorer made it."""


@dataclass(frozen=True, eq=False)
class NamedScorer:
    """A scorer and what is to be said of it.

    Attributes:
        name: as the user typed it.
        scorer: with its backbone.
        unit: of the score.
        logits: whether the score is a logit of a choice between two images.
        licence: of head and backbone.
        identity: hash-like text; scores of different identities are never compared.
    """

    name: str
    scorer: Scorer
    unit: str
    logits: bool
    licence: str
    identity: str


def rank(options: argparse.Namespace) -> int:
    """Score the files, write the table and the sheet, print the best.

    Returns:
        Exit status.
    """
    root, files = list_images(options.photos[0] if len(options.photos) == 1 else options.photos)
    named = make_scorer(options.scorer, head=options.head, weights=options.weights)
    paths = [root / file.path for file in files]
    ids = [file.image_id for file in files]
    cache = FeatureCache(writable_cache(options.cache) / "features")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = ImageScorer(named.scorer, cache, device=device)
    print(f"scorer   {named.name}: {named.unit}\nlicence  {named.licence}", flush=True)
    reference = read_reference(Path(options.reference), named) if options.reference else None
    skips = Skips(max_share=1.0)  # every unreadable file is listed in the table
    scores = images.scores(paths, skips=skips, progress=ProgressLine("scoring"))
    if np.isnan(scores).all():
        raise DataError(
            f"none of the {len(paths)} files can be read:\n{skips.listing(5)}",
            expected="at least one readable picture",
            todo="name another folder",
        )
    near = np.full(len(paths), -1, dtype=np.int64)
    if options.near_duplicates < 1:
        rows = np.flatnonzero(~np.isnan(scores))
        found = images.near_duplicates(
            [paths[i] for i in rows], threshold=options.near_duplicates, window=options.window
        )
        near[rows[found >= 0]] = rows[found[found >= 0]]
    by_name = dict(zip(map(str, paths), ids, strict=True))
    problems = {by_name.get(name, name): why for name, why in skips.reasons.items()}
    ranking = Ranking(ids, scores, near, problems, named.logits, reference)
    write_scores(Path(options.out), ranking, named, root)
    used = [("images", f"{len(ids):,} files below {root}"), ("scorer", _described(named))]
    result = ranking.sheet(used=used, shown=options.shown)
    folder = Path(options.sheet)
    place = dict(zip(ids, paths, strict=True))
    page = write_study(folder, result, picture=lambda i: _picture(place.get(i)), settings={})
    print_study(result, page=page)
    return 0


def make_scorer(name: str, *, head: str | None = None, weights: str | None = None) -> NamedScorer:
    """A published head by its name, or a run folder or checkpoint of ours.

    Args:
        name: see ``models.published_heads``, or a path.
        head: file of a published head, where it lies already.
        weights: file of the backbone's weights; None takes the hub's.

    Raises:
        WeightsError: if there is neither, or the scorer must not see photographs.
    """
    if name in HEADS_ON_CLIP:
        published = published_head(name)
        backbone = OpenClipBackbone(
            published.architecture, pretrained="openai", weights=weights or "hub", licence="MIT"
        )
        scorer = published.scorer(backbone, path=head)
        licence = f"{published.file.licence} (head), {backbone.licence} (backbone)"
        logits = published.unit.startswith("logits")
        identity = f"{published.file.sha256}:{backbone.fingerprint()}"
        return NamedScorer(name, scorer, published.unit, logits, licence, identity)
    path = Path(name).expanduser()
    if not path.exists():
        raise WeightsError(
            f"--scorer {name}: neither a published head nor a checkpoint",
            expected=f"one of {', '.join(HEADS_ON_CLIP)}, a run folder or a .ckpt file",
            todo="interestingness rank PHOTOS --scorer runs/my_run",
        )
    return _of_checkpoint(name, checkpoint_of(path), weights)


def _of_checkpoint(name: str, file: Path, weights: str | None) -> NamedScorer:
    checkpoint = load_checkpoint(file)
    own = checkpoint[CHECKPOINT_KEY]
    record = OmegaConf.create(dict(own["record"]))
    node = record.model.get("backbone")
    if not node or not node.get("_target_"):
        raise WeightsError(
            f"{file}: was trained on cached features, so that it cannot see image files",
            expected="a checkpoint that was trained with model/backbone=…",
            todo="use evaluate.py with the same features, or train with a backbone",
        )
    check({"model": {"backbone": OmegaConf.to_container(node)}}, trusted=plugin_packages())
    if weights is not None:
        node.weights = weights
    backbone: Backbone = instantiate(node)
    if unusual := check_domain(backbone, PHOTOGRAPHS):
        print(f"note     {unusual}")
    scorer = build_scorer(own["scorer"], backbone)
    state = checkpoint["state_dict"]
    kept = {n.removeprefix("scorer."): v for n, v in state.items() if n.startswith("scorer.")}
    # A frozen backbone is not in the checkpoint: its own weights were loaded above.
    frozen = set(scorer.frozen_names())
    scorer.load_state_dict(
        {n: kept.get(n, v) for n, v in scorer.state_dict().items() if n in kept or n in frozen}
    )
    learnt = f"logits, learnt from {record.label_source.get('name', 'a label source')}"
    return NamedScorer(
        name,
        scorer.eval(),
        learnt,
        True,
        f"{backbone.licence} (backbone)",
        f"{file_sha256(file)}:{backbone.fingerprint()}",
    )


def write_scores(out: Path, ranking: Ranking, named: NamedScorer, root: Path) -> None:
    """The score table as Parquet, with the scorer's identity; it appears whole or not at all."""
    about = {
        "scorer": named.name,
        "identity": named.identity,
        "unit": named.unit,
        "licence": named.licence,
        "embedding": named.scorer.embedding.as_dict(),
    }
    table: pa.Table = arrow(ranking.table())
    table = table.replace_schema_metadata({META: json.dumps(about).encode()})
    appear(out, lambda path: pq.write_table(table, path))


def read_reference(file: Path, named: NamedScorer) -> Reference:
    """Scores of other images, if the same scorer made them.

    Raises:
        DataError: for a file of another kind.
        WeightsError: for scores of another scorer: they have another zero and another unit.
    """
    try:
        table = pq.read_table(file.expanduser())
        about = json.loads((table.schema.metadata or {})[META])
        scores = np.asarray(table["score"].to_numpy(zero_copy_only=False), dtype=np.float64)
    except (OSError, KeyError, ValueError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{file}: no table of scores ({type(error).__name__}: {error})",
            expected="a file that `interestingness rank … --out` wrote",
            todo="rank the reference images first, with the same scorer",
        ) from None
    if about.get("identity") != named.identity:
        raise WeightsError(
            f"{file}: scores of {about.get('scorer')}, another scorer than {named.name}",
            expected="scores of the same head, backbone and weights",
            todo="rank the reference images again, with the same scorer",
        )
    return Reference(file.stem, scores)


def _described(named: NamedScorer) -> str:
    backbone = named.scorer.backbone
    assert backbone is not None
    return f"{named.name} ({named.unit}; {named.licence}) on {backbone.describe()}"


def _picture(path: Path | None) -> Image.Image | None:
    try:
        return None if path is None else read_image(path)
    except (ImageError, DataError, OSError):
        return None
