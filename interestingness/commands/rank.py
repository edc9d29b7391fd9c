"""``interestingness rank``: from photographs to scores, and a contact sheet to look at."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np

from interestingness.assembly.scorers import NamedScorer, make_scorer
from interestingness.commands.options import Options
from interestingness.commands.rank_culling import (
    decide,
    find_series,
    place_kept,
    read_culling,
    read_decisions,
)
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
from interestingness.datasets.capture_times import RawFiles
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.datasets.photo_lists import (
    STDIN,
    PhotoList,
    fetch_photographs,
    is_url,
    read_lists,
)
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
    lists = [*options.lists, *(STDIN for name in options.photos if name == STDIN)]
    listed = read_lists(lists, sys.stdin.buffer) if lists else PhotoList()
    named_here = [name for name in options.photos if name != STDIN]
    culling = read_culling(options, [*named_here, *listed.paths])
    found = find_photographs(
        named_here,
        copies=options.copies,
        listed=listed.paths,
        addresses=fetch(options, listed.urls, cache, part),
    )
    overrides = read_decisions(options, found)
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
    series = find_series(culling, photographs, gap_s=options.series_gap, close=options.series_alike)
    near = NearDuplicates(threshold=options.near_duplicates, window=options.window, series=series)
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
    culled = None
    if culling is not None:
        culled = decide(culling, photographs, scored.scores, series, overrides)
    ranking = Ranking(
        photographs.image_ids, scored.scores, scored.near, problems, named.logits, reference, culled
    )
    write_scores(Path(options.out), ranking, named)
    if options.write_xmp:
        raws = RawFiles() if options.xmp_style == "adobe" else None
        print(f"stars    {write_stars(photographs, ranking, raws)}")
        print(f"         {READERS[options.xmp_style]}")
    if culling is not None and culled is not None:
        place_kept(culling, photographs, culled)
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


READERS = {
    "beside": "darktable and digiKam read these; Lightroom reads photo.xmp beside raw files only "
    "(--xmp-style adobe), and inside JPEGs, which are never touched",
    "adobe": "Lightroom reads these with the raw files (Metadata > Read Metadata from File); it "
    "sees no stars of JPEGs, whose metadata would stand inside",
}
"""Which programs see the stars, by style."""


def fetch(
    options: Options, urls: Sequence[str], cache: Path, part: Part
) -> Mapping[str, Path | str]:
    """Download what lists name by address, and print how many are there.

    Raises:
        ConfigError: if only a part is scored: each would download them all.
    """
    if not urls:
        return {}
    if part.count > 1:
        raise ConfigError(
            f"--part {options.part} with a list of addresses",
            expected="files",
            todo="download them first: interestingness download TABLE URL_COLUMN --out FOLDER",
        )
    folder = Path(options.downloads or cache / "downloads").expanduser()
    settings = DownloadSettings(max_pixels=options.max_pixels, loopback=options.loopback_for_tests)
    found = fetch_photographs(urls, folder, settings=settings, progress=ProgressLine("downloading"))
    there = sum(isinstance(file, Path) for file in found.values())
    print(f"fetched  {there:,} of {len(found):,} addresses, into {folder}")
    return found


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


def write_stars(photographs: Photographs, ranking: Ranking, raws: RawFiles | None = None) -> str:
    """Write a sidecar beside each photograph with a score; summarise in one line.

    A folder that cannot be written to is reported, and the others are written.

    Args:
        photographs: none of them is changed.
        ranking: their scores.
        raws: as in ``write_sidecar``.
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
            if path is None or is_url(photographs.image_ids[row]):
                counts["no file"] += 1
            else:
                counts[write_sidecar(path, given, sidecars, raws=raws)] += 1
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
