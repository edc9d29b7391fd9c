"""``interestingness rank``: from photographs to scores, and a contact sheet to look at."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np

from interestingness.assembly.scorers import NamedScorer, make_scorer
from interestingness.commands.options import Options
from interestingness.commands.score_tables import (
    check_name,
    check_out,
    read_reference,
    save_reference,
    write_part,
    write_scores,
)
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.data.part import Part
from interestingness.datasets.photographs import Photographs, find_photographs
from interestingness.datasets.star_ratings import Sidecars
from interestingness.datasets.star_sidecars import describe_counts, write_sidecar
from interestingness.disk import try_to_write, writable_cache
from interestingness.errors import ConfigError, DataError, WeightsError
from interestingness.models.backbone import PHOTOGRAPHS, check_domain
from interestingness.models.device import device_for
from interestingness.progress import ProgressLine
from interestingness.reports.console import print_report
from interestingness.reports.page import PAGE, write_report
from interestingness.scoring.image_scorer import ImageScorer
from interestingness.scoring.near_duplicates import NearDuplicates
from interestingness.scoring.ranking import Ranking
from interestingness.stats.standing import percentile, stars


def rank(options: Options) -> None:
    """Score the files, write the table and the sheet, print the best."""
    if options.save_reference is not None:
        check_name(options.save_reference)
    part = Part.parse(options.part)
    check_out(Path(options.out))
    if part.count == 1:
        check_sheet(Path(options.sheet))
    cache = writable_cache(options.cache, "--cache FOLDER")
    found = find_photographs(options.photos, copies=options.copies)
    photographs = replace(found, max_pixels=options.max_pixels)
    skips = Skips(max_share=1.0, max_pixels=options.max_pixels, group="--")  # all are listed
    left_out = found.left_out.sentences(option="--copies")
    for sentence in left_out:
        print(f"left out {sentence}")
    for name, why in found.left_out.names.items():
        print(f"note     {name} is called so here: {why}")
    named = make_scorer(options.scorer, head=options.head, weights=options.weights)
    features = FeatureCache(cache / "features", keep_open=True)
    images = ImageScorer(named.scorer, features, device=device_for(), part=part)
    card = named.card
    print(f"scorer   {card.name}: {card.unit}, learnt from {card.learnt_from}")
    print(f"licence  {card.licence}", flush=True)
    check_photographs(named)
    if part.count > 1:
        score_part(photographs, images, part, Path(options.out), skips)
        return
    references = cache / "references"
    reference = read_reference(options.reference, references, named) if options.reference else None
    near = NearDuplicates(threshold=options.near_duplicates, window=options.window)
    scored = images.score(
        photographs,
        skips=skips,
        near=near if options.near_duplicates < 1 else None,
        progress=ProgressLine("scoring"),
    )
    if np.isnan(scored.scores).all():
        raise DataError(
            f"none of the {len(photographs)} files can be read:\n{skips.listing(5)}",
            expected="at least one readable picture",
            todo="name another folder",
        )
    problems = {name: why.removeprefix(f"{name}: ") for name, why in skips.reasons.items()}
    ranking = Ranking(
        photographs.image_ids, scored.scores, scored.near, problems, named.logits, reference
    )
    write_scores(Path(options.out), ranking, named)
    if options.write_xmp:
        print(f"stars    {write_stars(photographs, ranking)}")
    if options.save_reference is not None:
        save_reference(references, options.save_reference, ranking, named)
    kept = len(photographs) - len(problems) - scored.encoded
    used = [
        ("images", f"{len(photographs):,} below {photographs.shown_root}"),
        *(("left out", sentence) for sentence in left_out),
        ("features", f"{scored.encoded:,} computed, {kept:,} from the cache or copies"),
        ("scorer", _described(named)),
        ("licence", card.licence),
        *(
            [("reference", f"{reference.name}, {len(reference.scores):,} images")]
            if reference
            else []
        ),
    ]
    link = partial(link_to, photographs, Path(options.sheet))
    result = ranking.sheet(used=used, shown=options.shown, file=str(options.out), link=link)
    page = write_report(Path(options.sheet), result, picture=photographs.image, settings={})
    print_report(result, page=page)


def score_part(
    photographs: Photographs, images: ImageScorer, part: Part, out: Path, skips: Skips
) -> None:
    """Score one part and write its table; features stay in the cache for the whole.

    Args:
        photographs: all of them.
        images: scores pictures.
        part: which to score.
        out: table of all; the part's is written beside it.
        skips: collects unreadable files.
    """
    rows = part.of(len(photographs))
    scored = images.score(
        [photographs[row] for row in rows], skips=skips, progress=ProgressLine("scoring")
    )
    names = [photographs.image_ids[row] for row in rows]
    file = write_part(out, part, names, scored.scores, skips)
    print(
        f"part {part}: {len(rows):,} of {len(photographs):,} images, {scored.encoded:,} encoded, "
        f"{len(skips):,} unreadable; {file}"
    )


def check_sheet(folder: Path) -> None:
    """Refuse to overwrite a page that is not ours, and try whether one can be written.

    Raises:
        ConfigError: if there is another page.
        OSError: if nothing can be written there.
    """
    page = folder / PAGE
    if page.exists() and b"interestingness" not in page.read_bytes()[:100_000]:
        raise ConfigError(
            f"--sheet {folder}: holds another {PAGE}",
            expected="a new folder, or an earlier contact sheet, which is replaced",
            todo="name another folder",
        )
    try_to_write(page)


def link_to(photographs: Photographs, sheet: Path, row: int) -> str:
    """Return the address of a photograph's file, as seen from the sheet; "" inside a tar file.

    It is relative, so that it holds where both are moved together, and names no folder above them.
    """
    path = photographs.path(row)
    if path is None:
        return ""
    return quote(os.fsencode(os.path.relpath(path, os.path.abspath(sheet))))


def write_stars(photographs: Photographs, ranking: Ranking) -> str:
    """Write a sidecar beside each photograph with a score; summarise in one line.

    A folder that cannot be written to is reported, and the others are written.
    """
    counts: Counter[str] = Counter()
    sidecars = Sidecars()
    reference = ranking.reference
    among = ranking.scores if reference is None else reference.scores
    for row, given in enumerate(stars(percentile(ranking.scores, among)).tolist()):
        if not given:
            continue
        path = photographs.path(row)
        try:
            counts["no file" if path is None else write_sidecar(path, given, sidecars)] += 1
        except OSError:
            counts["not written"] += 1
    return describe_counts(counts)


def check_photographs(named: NamedScorer) -> None:
    """Refuse a scorer that has never seen photographs; warn of an unusual one.

    Raises:
        WeightsError: for a backbone of synthetic scenes.
    """
    backbone = named.scorer.backbone
    try:
        unusual = backbone and check_domain(backbone, PHOTOGRAPHS)
    except WeightsError as error:
        raise WeightsError(
            error.found,
            expected="a scorer that was trained on photographs",
            todo="--scorer with such a run, or leave it out for a published one",
        ) from None
    if unusual:
        print(f"note     {unusual}")


def _described(named: NamedScorer) -> str:
    backbone = named.scorer.backbone
    assert backbone is not None
    card = named.card
    return f"{card.name} ({card.unit}, learnt from {card.learnt_from}) on {backbone.describe()}"
