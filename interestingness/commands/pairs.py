"""``interestingness pairs choose``: votes so far → a table of the pairs to ask about next."""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from interestingness.commands.options import Options, said_of_votes
from interestingness.datasets.image_files import list_images
from interestingness.datasets.score_files import group_codes, numbered, read_image_columns
from interestingness.datasets.vote_tables import VoteFiles, read_vote_files
from interestingness.disk import appearing
from interestingness.errors import ConfigError, DataError
from interestingness.labels.aggregation import aggregate
from interestingness.schema import DEFAULT_QUESTION, Array
from interestingness.stats.pair_choice import ChosenPairs, next_pairs, next_pairs_within
from interestingness.tables.image_names import ImageNames
from interestingness.tables.tables import Tables, Votes
from interestingness.tables.user_tables import read_user_table

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]


def choose(given: Options) -> None:
    """Read, choose, write, print.

    The table has columns left, right (in random order, so that it may be shown as it is), chosen.

    Raises:
        InterestingnessError: for votes or images that cannot be read, or more pairs than there are.
    """
    if not given.votes and not given.images:
        raise ConfigError(
            "neither votes nor images",
            expected="a table of votes, or --images for the first pairs",
            todo="interestingness pairs choose votes.csv --images photos/",
        )
    files = None
    if given.votes:
        files = read_vote_files(
            given.votes, default_question=DEFAULT_QUESTION, **said_of_votes(given)
        )
    names, left, right, preference, weight = _asked(files, given.images)
    options: dict[str, Any] = {
        "pairs": given.n,
        "seed": given.seed,
        "random_share": given.random_share,
        "repeat": given.repeat,
    }
    group = _groups_of(given, names)
    if group is None:
        chosen = next_pairs(left, right, preference, images=len(names), weight=weight, **options)
    else:
        chosen = next_pairs_within(group, left, right, preference, weight, **options)
    out = Path(given.out).expanduser()
    _write(out, names, chosen, seed=given.seed)
    print(_told(names, left, right, preference, chosen, out))
    if group is not None:
        sizes = ", ".join(map(str, np.bincount(group[chosen.left], minlength=group.max() + 1)))
        print(f"inside {group.max() + 1} groups ({sizes}); {(group < 0).sum()} images have none")


def _groups_of(given: Options, names: Sequence[str]) -> Rows | None:
    """Number the groups that pairs must stay within: as told, or as the prepared data set has them.

    Raises:
        ConfigError: for one of ``--groups`` and ``--within`` without the other.
    """
    if given.groups is None and given.within is None:
        prepared = [Tables(path) for path in map(Path, given.votes) if path.is_dir()]
        for tables in prepared:
            column = tables.manifest.facts.get("pairs_within")
            if column is not None:
                cells = tables.images[column].to_pylist()
                known = dict(zip(tables.image_ids.tolist(), cells, strict=True))
                return numbered([known.get(name) for name in names])
        return None
    if given.groups is None or given.within is None:
        raise ConfigError(
            "one of --groups and --within without the other",
            expected="the table of groups, and its column",
            todo="--groups categories.csv --within category",
        )
    folder = list_images(given.images).root if given.images else Path()
    table = read_user_table(given.groups)
    columns = read_image_columns(
        table, ImageNames(names, folder), mapping={}, on_missing="skip", with_scores=False
    )
    group = group_codes({"groups": columns}, given.within, len(names))
    assert group is not None
    return group


def _asked(
    files: VoteFiles | None, images: str | None
) -> tuple[list[str], Rows, Rows, Array, Array]:
    """Read image names, and rows, share of votes for left and vote counts of asked pairs."""
    nothing = np.empty(0, np.int64)
    folder, names = None, []
    if images is not None:
        listing = list_images(images)
        folder, names = listing.root, [file.image_id for file in listing.files]
        for sentence in listing.left_out.sentences(option="naming the folder itself"):
            print(f"left out {sentence}")
    if files is None:
        return names, nothing, nothing, np.empty(0), np.empty(0)
    if not files.images_known:
        raise DataError(
            "the votes name pairs but not their images",
            expected="columns left and right, or pairs.parquet beside the votes",
            todo="name the folder of the prepared data set instead",
        )
    labels = aggregate("share", Votes.from_table(files.table), files.pairs)
    voted = files.pairs.image_ids.tolist()
    if folder is None:
        place = np.arange(len(voted))
        names = voted
    else:
        asked, notes = ImageNames(names, folder).reading(pa.array(voted, pa.string()))
        for note in notes:
            log.warning(note)
        place = asked.rows(voted)
        if (place < 0).any():
            lost = voted[int(np.argmax(place < 0))]
            raise DataError(
                f"{int((place < 0).sum())} images with votes are not in --images, "
                f"the first {lost!r}",
                expected=f"images of {folder}, such as {names[0]!r}",
                todo="name the folder that holds them, or leave --images out",
            )
    left, right = place[files.pairs.left], place[files.pairs.right]
    return names, left, right, labels.preference, labels.weight


def _write(out: Path, names: Sequence[str], chosen: ChosenPairs, *, seed: int) -> None:
    turned = np.random.default_rng(seed).random(len(chosen)) < 0.5
    one = np.where(turned, chosen.right, chosen.left)
    other = np.where(turned, chosen.left, chosen.right)
    rows = zip(one.tolist(), other.tolist(), chosen.random.tolist(), strict=True)
    try:
        with appearing(out) as part, part.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(["left", "right", "chosen"])
            table.writerows(
                [names[a], names[b], "random" if drawn else "informative"] for a, b, drawn in rows
            )
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error})",
            expected="a place for the table",
            todo="choose another one: --out …",
        ) from None


def _told(
    names: Sequence[str], left: Rows, right: Rows, preference: Array, chosen: ChosenPairs, out: Path
) -> str:
    known = ~np.isnan(preference)
    before = _groups(left[known], right[known], len(names))
    after = _groups(np.r_[left[known], chosen.left], np.r_[right[known], chosen.right], len(names))
    seen = len(np.unique(np.r_[left[known], right[known]]))
    drawn = int(chosen.random.sum())
    return (
        f"{out}: {len(chosen):,} pairs of {len(names):,} images, {drawn:,} at random and "
        f"{len(chosen) - drawn:,} informative\n"
        f"asked so far: {int(known.sum()):,} pairs of {seen:,} images; groups of images that no "
        f"pair joins: {before:,} so far, {after:,} with the new pairs"
    )


def _groups(left: Rows, right: Rows, images: int) -> int:
    graph = coo_matrix((np.ones(len(left)), (left, right)), shape=(images, images))
    return int(connected_components(graph, directed=False)[0])
