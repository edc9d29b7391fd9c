"""``interestingness rank``: from photographs to scores, and a contact sheet to look at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from interestingness.annotators.scoring import ImageScorer
from interestingness.assembly.prepare import writable_cache
from interestingness.assembly.scorers import NamedScorer, make_scorer
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips, read_image
from interestingness.datasets.image_files import list_images
from interestingness.errors import DataError, ImageError, WeightsError
from interestingness.models.backbone import PHOTOGRAPHS, check_domain
from interestingness.progress import ProgressLine
from interestingness.reports.study import print_study, write_study
from interestingness.reports.table_files import appear, arrow
from interestingness.studies.ranking import Ranking, Reference

META = b"interestingness"
"""Key of the Parquet metadata under which a score table says which scorer made it."""


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
    card = named.card
    print(f"scorer   {card.name}: {card.unit}, learnt from {card.learnt_from}")
    print(f"licence  {card.licence}", flush=True)
    check_photographs(named)
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


def check_photographs(named: NamedScorer) -> None:
    """Refuse a scorer that has never seen photographs; say so where it is unusual.

    Raises:
        WeightsError: for a backbone of synthetic scenes.
    """
    backbone = named.scorer.backbone
    if backbone is not None and (unusual := check_domain(backbone, PHOTOGRAPHS)):
        print(f"note     {unusual}")


def write_scores(out: Path, ranking: Ranking, named: NamedScorer, root: Path) -> None:
    """The score table as Parquet, with the scorer's identity; it appears whole or not at all."""
    about = {
        "scorer": named.card.name,
        "identity": named.identity,
        "unit": named.card.unit,
        "licence": named.card.licence,
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
            f"{file}: scores of {about.get('scorer')}, another scorer than {named.card.name}",
            expected="scores of the same head, backbone and weights",
            todo="rank the reference images again, with the same scorer",
        )
    return Reference(file.stem, scores)


def _described(named: NamedScorer) -> str:
    backbone = named.scorer.backbone
    assert backbone is not None
    card = named.card
    return f"{card.name} ({card.unit}, learnt from {card.learnt_from}) on {backbone.describe()}"


def _picture(path: Path | None) -> Image.Image | None:
    try:
        return None if path is None else read_image(path)
    except (ImageError, DataError, OSError):
        return None
