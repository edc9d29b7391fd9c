"""``interestingness rank``: from photographs to scores, and a contact sheet to look at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

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
from interestingness.datasets.star_sidecars import describe_counts, write_sidecar
from interestingness.disk import writable_cache
from interestingness.errors import ConfigError, DataError
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
    check_out(Path(options.out))
    check_sheet(Path(options.sheet))
    part = Part.parse(options.part)
    photographs = find_photographs(options.photos)
    named = make_scorer(options.scorer, head=options.head, weights=options.weights)
    cache = writable_cache(options.cache)
    features = FeatureCache(cache / "features", keep_open=True)
    images = ImageScorer(named.scorer, features, device=device_for(), part=part)
    card = named.card
    print(f"scorer   {card.name}: {card.unit}, learnt from {card.learnt_from}")
    print(f"licence  {card.licence}", flush=True)
    check_photographs(named)
    if part.count > 1:
        score_part(photographs, images, part, Path(options.out))
        return
    references = cache / "references"
    reference = read_reference(options.reference, references, named) if options.reference else None
    near = NearDuplicates(threshold=options.near_duplicates, window=options.window)
    skips = Skips(max_share=1.0)  # every unreadable file is listed in the table
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
        ("images", f"{len(photographs):,} below {photographs.root}"),
        ("features", f"{scored.encoded:,} computed, {kept:,} from the cache or copies"),
        ("scorer", _described(named)),
        ("licence", card.licence),
        *(
            [("reference", f"{reference.name}, {len(reference.scores):,} images")]
            if reference
            else []
        ),
    ]
    result = ranking.sheet(used=used, shown=options.shown, file=str(options.out))
    page = write_report(Path(options.sheet), result, picture=photographs.image, settings={})
    print_report(result, page=page)


def score_part(photographs: Photographs, images: ImageScorer, part: Part, out: Path) -> None:
    """Score one part and write its table; features stay in the cache for the whole.

    Args:
        photographs: all of them.
        images: scores pictures.
        part: which to score.
        out: table of all; the part's is written beside it.
    """
    rows = part.of(len(photographs))
    skips = Skips(max_share=1.0)
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
    """Refuse to overwrite a page that is not ours.

    Raises:
        ConfigError: if there is one.
    """
    page = folder / PAGE
    if page.exists() and b"interestingness" not in page.read_bytes()[:100_000]:
        raise ConfigError(
            f"--sheet {folder}: holds another {PAGE}",
            expected="a new folder, or an earlier contact sheet, which is replaced",
            todo="name another folder",
        )


def write_stars(photographs: Photographs, ranking: Ranking) -> str:
    """Write a sidecar beside each photograph with a score; summarise in one line.

    A folder that cannot be written to is reported, and the others are written.
    """
    counts: Counter[str] = Counter()
    reference = ranking.reference
    among = ranking.scores if reference is None else reference.scores
    for row, given in enumerate(stars(percentile(ranking.scores, among)).tolist()):
        if not given:
            continue
        path = photographs.path(row)
        try:
            counts["no file" if path is None else write_sidecar(path, given)] += 1
        except OSError:
            counts["not written"] += 1
    return describe_counts(counts)


def check_photographs(named: NamedScorer) -> None:
    """Refuse a scorer that has never seen photographs; warn of an unusual one.

    Raises:
        WeightsError: for a backbone of synthetic scenes.
    """
    backbone = named.scorer.backbone
    if backbone is not None and (unusual := check_domain(backbone, PHOTOGRAPHS)):
        print(f"note     {unusual}")


def _described(named: NamedScorer) -> str:
    backbone = named.scorer.backbone
    assert backbone is not None
    card = named.card
    return f"{card.name} ({card.unit}, learnt from {card.learnt_from}) on {backbone.describe()}"
