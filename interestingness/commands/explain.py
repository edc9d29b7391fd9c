"""``interestingness explain``: why photographs have their scores, as pictures and a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from interestingness.assembly.run_images import RunImages, run_images
from interestingness.commands.options import Options
from interestingness.commands.rank import check_sheet
from interestingness.data.encoding import Picture
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips, decode_image
from interestingness.datasets.photographs import Photographs, find_photographs
from interestingness.datasets.synthetic.scenes import BACKGROUNDS, POPULATION, SUBJECTS
from interestingness.disk import appear, writable_cache
from interestingness.errors import DataError, ImageError, InterestingnessError
from interestingness.explaining.alike import Known, neighbours
from interestingness.explaining.concepts import Concepts, concepts_of, read_words
from interestingness.explaining.overlay import overlay, side_by_side
from interestingness.explaining.patches import PatchMap, exact_map, occlusion
from interestingness.library.loading import load
from interestingness.library.runs import open_run
from interestingness.library.scorer import LoadedScorer
from interestingness.models.device import device_for
from interestingness.models.text_towers import OpenClipText, SceneClipText
from interestingness.number_text import write_number
from interestingness.progress import ProgressLine
from interestingness.reports.console import print_report
from interestingness.reports.page import write_report
from interestingness.studies.result import Cell, Column, Gallery, Shown, StudyResult, Table

SCENE_WORDS = (*SUBJECTS, *BACKGROUNDS, *POPULATION["light"], *POPULATION["palette"])
ENDS = 4
"""Test images of a run at each end that are explained where no photograph is named."""
MOST = 48
"""Photographs of one page."""
SHOWN = 4
"""Concepts of a photograph, of those that raise and those that lower its score."""


@dataclass(eq=False)
class ExplainedPhoto:
    """One photograph with all that explains it; ``problem`` where it cannot be read."""

    name: str
    problem: str = ""
    score: float = float("nan")
    pixels: Tensor | None = None
    patches: PatchMap | None = None
    higher: Sequence[int] = ()
    lower: Sequence[int] = ()
    raised_by: Sequence[str] = ()
    lowered_by: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Compared:
    """Images that photographs are compared with; None where there are none, and why."""

    known: Known | None
    pictures: Mapping[str, Picture]
    concepts: Concepts | None
    notes: list[str] = field(default_factory=list)


def explain(options: Options) -> None:
    """Explain, write pictures and page, print the table.

    Raises:
        DataError: if no photograph can be read.
        WeightsError: for a scorer without a backbone.
    """
    run = Path(options.scorer)
    out = Path(options.out or ("explained" if options.photos else run / "explained"))
    check_sheet(out)
    scorer = load(options.scorer, head=options.head, weights=options.weights)
    scorer.backbone  # noqa: B018 - its absence is an error before anything is read
    photographs = find_photographs(options.photos or extremes(options.scorer))
    if len(photographs) > MOST:
        raise DataError(
            f"{len(photographs)} photographs",
            expected=f"at most {MOST}: each takes dozens of runs of the network",
            todo="name some of them",
        )
    cache = FeatureCache(writable_cache(options.cache, "--cache FOLDER") / "features")
    compared = _compared(options, scorer, cache)
    line = ProgressLine("explaining")
    found = []
    for row, name in enumerate(photographs.image_ids):
        line(row, len(photographs))
        found.append(
            _explained(scorer, photographs[row], name, compared, exact=not options.occlusion)
        )
    line.close()
    if all(one.problem for one in found):
        raise DataError(
            f"none of the {len(found)} files can be read: {found[0].problem}",
            expected="at least one readable picture",
            todo="name another one",
        )
    drawn = _draw(found, out)
    result = _result(found, scorer, photographs, compared)
    page = write_report(
        out,
        result,
        picture=lambda name: drawn.get(name) or _thumbnail(compared.pictures.get(name)),
        settings={},
    )
    print_report(result, page=page)


def extremes(run: str) -> list[str]:
    """Return the files of a run's test images of highest and of lowest score.

    Raises:
        DataError: for a scorer that is no run, or whose images are gone.
    """
    images: RunImages = run_images(run)
    table = open_run(run)["image_scores"].sort_by([("score", "descending")])
    split, names = (table[column].to_pylist() for column in ("split", "image_id"))
    tested = [name for name, part in zip(names, split, strict=True) if part == "test"]
    chosen = dict.fromkeys([*tested[:ENDS], *tested[-ENDS:]])
    return [str(images.paths[name]) for name in chosen if name in images.paths]


def _explained(
    scorer: LoadedScorer, picture: Picture, name: str, compared: Compared, *, exact: bool
) -> ExplainedPhoto:
    try:
        pixels = scorer.pixels(picture.read(), name)
    except ImageError as error:
        return ExplainedPhoto(name, error.found)
    if pixels.ndim != 3 or pixels.shape[-1] != 3:
        raise DataError(
            f"{scorer.card.name}: its backbone reads no RGB pixels",
            expected="a backbone that reads pictures",
            todo="explain another scorer",
        )
    features = scorer.encoded(pixels[None])[0]
    made = ExplainedPhoto(name, score=float(scorer.scores(features[None])[0]), pixels=pixels)
    if exact:
        made.patches = exact_map(scorer.module, pixels)
    if made.patches is None:
        made.patches = occlusion(lambda some: scorer.scores(scorer.encoded(some)), pixels)
    if compared.known is not None:
        scaled = scorer.scaled(features[None])[0]
        near = neighbours(compared.known, scaled, made.score)
        made.higher, made.lower = near.higher, near.lower
    if (concepts := compared.concepts) is not None:
        effect = concepts.presence(features) * concepts.loading
        order = np.argsort(-effect, kind="stable")
        made.raised_by = [concepts.words[i] for i in order[:SHOWN] if effect[i] > 0]
        made.lowered_by = [concepts.words[i] for i in order[::-1][:SHOWN] if effect[i] < 0]
    return made


def _compared(options: Options, scorer: LoadedScorer, cache: FeatureCache) -> Compared:
    """Read the images to compare with, and the concepts that the score follows over them."""
    notes: list[str] = []
    pictures: dict[str, Picture] = {}
    try:
        if options.among:
            among = find_photographs([options.among])
            pictures = dict(zip(among.image_ids, among[:], strict=True))
        else:
            images = run_images(options.scorer)
            pictures = {name: Picture.file(images.paths[name]) for name in images.trained}
    except DataError as error:
        if options.among:
            raise
        notes.append(f"{error.found}; --among FOLDER names images to compare with")
        return Compared(None, {}, None, notes)
    skips = Skips(max_share=1.0)
    features, there = cache.features(
        list(pictures.values()),
        scorer.backbone,
        skips=skips,
        device=device_for(),
        progress=ProgressLine("encoding images to compare with"),
    )
    names = [name for name, fine in zip(pictures, there.tolist(), strict=True) if fine]
    features = features[there]
    known = Known(names, features, scorer.scaled(features), scorer.scores(features))
    try:
        concepts = _concepts(options, scorer, known)
    except InterestingnessError as error:
        if options.words:
            raise
        notes.append(f"no concepts: {error.found}")
        concepts = None
    return Compared(known, pictures, concepts, notes)


def _concepts(options: Options, scorer: LoadedScorer, known: Known) -> Concepts:
    node = dict(scorer.card.backbone)
    kind = str(node.pop("_target_", "")).rpartition(".")[2]
    tower: Any
    if kind == "OpenClipBackbone":
        tower = OpenClipText(**node)
        words = read_words(Path(options.words) if options.words else None)
    elif kind == "SceneClipBackbone":  # which knows the words of its scenes alone
        tower = SceneClipText(**node)
        words = read_words(Path(options.words)) if options.words else list(SCENE_WORDS)
    else:
        raise DataError(
            f"{scorer.backbone.contract.architecture} has no text tower",
            expected="a CLIP backbone",
            todo="leave --words out",
        )
    return concepts_of(words, tower.embed(words), known.features, known.scores)


def _draw(found: Sequence[ExplainedPhoto], out: Path) -> dict[str, Image.Image]:
    """Draw every map, beside its picture as a PNG in the folder; return them by key."""
    out.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Image.Image] = {}
    for number, one in enumerate(found, 1):
        if one.pixels is None or one.patches is None:
            continue
        drawn[_map(one)] = image = overlay(one.pixels, one.patches.effect)
        drawn[_seen(one)] = Image.fromarray(one.pixels.numpy())
        pair = side_by_side(one.pixels, image)
        short = re.sub(r"[^\w.-]+", "_", Path(one.name).stem)[:60]
        appear(out / f"{number:02d}-{short}.png", partial(pair.save, format="PNG"))
    return drawn


def _seen(one: ExplainedPhoto) -> str:
    return f"{one.name}, as the network sees it"


def _map(one: ExplainedPhoto) -> str:
    return f"{one.name}, its patches"


def _thumbnail(picture: Picture | None) -> Image.Image | None:
    if picture is None:
        return None
    try:
        return decode_image(picture.read(), where=picture.name, enough=320)
    except ImageError:
        return None


def _result(
    found: Sequence[ExplainedPhoto],
    scorer: LoadedScorer,
    photographs: Photographs,
    compared: Compared,
) -> StudyResult:
    good = [one for one in found if not one.problem]
    rows: list[dict[str, Cell]] = [
        {
            "photograph": one.name,
            "score": None if one.problem else one.score,
            "raised": ", ".join(one.raised_by),
            "lowered": ", ".join(one.lowered_by),
            "problem": one.problem,
        }
        for one in found
    ]
    table = Table(
        "explained",
        "Photographs",
        [
            Column("photograph", "photograph"),
            Column("score", "score", "number", scorer.card.unit),
            Column("raised", "raised by", "text", "concepts that the score follows and that this "
                   "photograph has more of than the images it is compared with"),
            Column("lowered", "lowered by"),
            Column("problem", "problem"),
        ],
        rows,
    )  # fmt: skip
    exact = [one.patches is not None and one.patches.exact for one in good]
    how = (
        "Patches: the features are a mean over places and the head is linear, so that the parts "
        "add up to the score."
        if all(exact)
        else "Patches: windows were covered by the picture's mean colour; a patch's effect is what "
        "the score loses. Effects need not add up."
    )
    return StudyResult(
        name="explained",
        title=f"Why {len(good)} photographs have their scores",
        answer="Orange patches raise the score, blue ones lower it; the strongest of each picture "
        "are opaque.",
        used=[
            ("scorer", repr(scorer).strip("<>")),
            ("photographs", f"{len(photographs)} below {photographs.shown_root}"),
            *(
                [("compared with", f"{len(compared.known.names):,} images")]
                if compared.known
                else []
            ),
        ],
        tables=[table, *_concept_table(compared.concepts)],
        galleries=[_gallery(one, compared.known) for one in good],
        notes=[how, *compared.notes],
        simulated=scorer.card.simulated,
        pictures_first=True,
    )


def _concept_table(concepts: Concepts | None) -> list[Table]:
    if concepts is None:
        return []
    order = np.argsort(-np.abs(concepts.loading), kind="stable")[:20]
    rows: list[dict[str, Cell]] = [
        {"concept": concepts.words[i], "loading": float(concepts.loading[i])} for i in order
    ]
    return [
        Table(
            "concepts",
            "Concepts that the score follows",
            [
                Column("concept", "concept"),
                Column("loading", "correlation", "signed", "of the score with the presence of the "
                       "concept over the images compared with; a correlation, not a cause"),
            ],
            rows,
        )
    ]  # fmt: skip


def _gallery(one: ExplainedPhoto, known: Known | None) -> Gallery:
    score = write_number(one.score, "signed")
    images = [Shown(_seen(one), score), Shown(_map(one), "orange raises, blue lowers")]
    for side, rows in (("higher", one.higher), ("lower", one.lower)):
        for row in rows if known is not None else ():
            value = write_number(known.scores[row], "signed")  # type: ignore[union-attr]
            images.append(Shown(known.names[row], f"alike, {side}: {value}"))  # type: ignore[union-attr]
    return Gallery(one.name, images=images)
