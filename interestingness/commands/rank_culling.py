"""What ``interestingness rank`` keeps, and where it copies or links it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interestingness.commands.options import Options
from interestingness.datasets.capture_times import RawFiles, capture_time, capture_time_of
from interestingness.datasets.kept_files import KeptFolder, check_target
from interestingness.datasets.photo_lists import is_url
from interestingness.datasets.photographs import Photographs
from interestingness.datasets.star_ratings import Sidecars, read_rating
from interestingness.disk import try_to_write
from interestingness.errors import ConfigError, ImageError
from interestingness.progress import ProgressLine
from interestingness.scoring.culling import Culled, CullingRules, cull
from interestingness.scoring.series import SeriesFinder
from interestingness.scoring.user_decisions import Overrides, read_overrides
from interestingness.tables.image_names import ImageNames


@dataclass(frozen=True)
class Culling:
    """What was asked.

    Attributes:
        rules: what is kept.
        target: absolute folder for what is kept; None for none.
        link: whether links go there instead of copies.
    """

    rules: CullingRules
    target: Path | None
    link: bool


def read_culling(options: Options, named: Sequence[str]) -> Culling | None:
    """Read the options of culling; None where none is given.

    Args:
        options: of the command.
        named: the photographs that are named: folders, patterns, files.

    Raises:
        ConfigError: for options that contradict each other, or a folder that would be ranked.
    """
    rules = CullingRules(options.keep, options.top, options.min_score, options.max_score)
    option = "--link-to" if options.link_to else "--copy-to"
    target = options.link_to or options.copy_to
    asked = options.overrides is not None or rules != CullingRules()
    if not asked:
        if target is not None:
            raise ConfigError(
                f"{option} {target}: nothing says what is kept",
                expected="--keep, --top, --min-score, --max-score or --overrides",
                todo=f"--top 20 {option} {target}",
            )
        return None
    if "/" in options.part and not options.part.endswith("/1"):
        raise ConfigError(
            f"--part {options.part} with options that choose among all images",
            expected="one or the other",
            todo="score the parts first, then give the command without --part",
        )
    if rules.keep is not None and not options.near_duplicates < 1:
        raise ConfigError(
            "--keep with --near-duplicates 1, which looks for no series",
            expected="a cosine below 1",
            todo="leave --near-duplicates out",
        )
    low = -math.inf if rules.min_score is None else rules.min_score
    high = math.inf if rules.max_score is None else rules.max_score
    gap, close = options.series_gap, options.series_alike
    if not (low <= high and gap >= 0 and 0 < close <= 1):
        raise ConfigError(
            f"--min-score {low:g}, --max-score {high:g}, --series-gap {gap:g}, --series-alike "
            f"{close:g}",
            expected="a lowest score below the highest, 0 seconds or more, a cosine in (0, 1]",
            todo="correct them",
        )
    if target is None:
        return Culling(rules, None, link=False)
    folder = check_target(Path(target), _searched(named), option)
    try_to_write(folder / "photograph")
    return Culling(rules, folder, link=options.link_to is not None)


def _searched(named: Sequence[str]) -> list[Path]:
    """Folders that are searched with their subfolders."""
    found = []
    for text in named:
        path = Path(os.path.expanduser(text))  # noqa: PTH111  leaves ~nobody as it is
        if "**" in path.parts:
            path = Path(*path.parts[: path.parts.index("**")])
        if path.is_dir():
            found.append(path)
    return found


def read_decisions(options: Options, photographs: Photographs) -> Overrides | None:
    """Read ``--overrides`` before anything is scored, and say which rows name no image."""
    if options.overrides is None:
        return None
    names = ImageNames(photographs.image_ids, photographs.root)
    found = read_overrides(options.overrides, names)
    if found.unknown:
        print(f"note     {options.overrides}: {found.unknown_sentence()}")
    return found


def find_series(
    culling: Culling | None, photographs: Photographs, *, gap_s: float, close: float
) -> SeriesFinder | None:
    """Read when each photograph was taken, if the best of each series are asked for."""
    if culling is None or culling.rules.keep is None:
        return None
    told = ProgressLine("reading times")
    times = np.full(len(photographs), np.nan)
    for row in range(len(photographs)):
        path = photographs.path(row)
        times[row] = capture_time(photographs[row].read) if path is None else capture_time_of(path)
        told(row + 1, len(photographs))
    return SeriesFinder(times, gap_s=gap_s, close=close)


def own_stars(photographs: Photographs) -> NDArray[np.int8]:
    """Read the stars that photographs and their sidecars carry, 0 for none, shape (images,).

    Stars in a downloaded file are those of somebody else.
    """
    told = ProgressLine("reading stars")
    sidecars = Sidecars()
    found = np.zeros(len(photographs), dtype=np.int8)
    for row in range(len(photographs)):
        path = photographs.path(row)
        if path is not None and not is_url(photographs.image_ids[row]):
            found[row] = read_rating(path, sidecars).stars or 0
        told(row + 1, len(photographs))
    return found


def decide(
    culling: Culling,
    photographs: Photographs,
    scores: NDArray[np.float64],
    series: SeriesFinder | None,
    overrides: Overrides | None,
) -> Culled:
    """Decide about each photograph, and print how many are kept."""
    nobody = Overrides(np.empty(0, dtype=np.int64), (), ())
    said = (overrides or nobody).over(own_stars(photographs))
    leaders = None if series is None else series.leaders()
    culled = cull(scores, leaders, said, culling.rules)
    print(f"culling  {culled.sentence()}")
    return culled


def place_kept(culling: Culling, photographs: Photographs, culled: Culled) -> None:
    """Copy or link what is kept with its raw files and sidecars, and print what was done."""
    if culling.target is None:
        return
    folder = KeptFolder(culling.target, culling.link)
    raws, sidecars = RawFiles(), Sidecars()
    for row in np.flatnonzero(culled.kept).tolist():
        path = photographs.path(row)
        name = photographs.image_ids[row]
        if path is not None:
            if is_url(name):
                folder.put([path])
            else:
                folder.put([path, *raws.of(path)], sidecars.of(path))
        elif culling.link:
            folder.counts["in tar files, which cannot be linked"] += 1
        else:
            try:
                data = photographs[row].read()
            except ImageError as error:
                folder.problems[name] = error.found.removeprefix(f"{name}: ")
                folder.counts["cannot be read"] += 1
            else:
                folder.put_bytes(name.rpartition("/")[2], data)
    print(f"files    {folder.sentence()}, in {culling.target}")
