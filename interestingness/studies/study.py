"""Base class of studies, and the material that they work on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interestingness.data.splits import PairSplit
from interestingness.errors import ConfigError, LabelError
from interestingness.labels.source import Labels, LabelSource
from interestingness.labels.votes import simulation_of
from interestingness.models.contract import EmbeddingContract
from interestingness.progress import ProgressLine
from interestingness.schema import Pairs
from interestingness.studies.result import StudyResult
from interestingness.tables.tables import Tables


class Sources(NamedTuple):
    """Label sources that find something to read, by name, and why the others do not."""

    there: dict[str, LabelSource]
    absent: dict[str, str]

    def named(self, name: str, option: str) -> LabelSource:
        """Return the source that an option names.

        Args:
            name: of the source.
            option: that the user set to it, for the message: ``study.reference``.

        Raises:
            ConfigError: if the config has no source of this name.
            LabelError: if the source has nothing to read.
        """
        if name in self.there:
            return self.there[name]
        if name in self.absent:
            raise LabelError(
                f"{option}={name}: {self.absent[name]}",
                expected=f"one of {', '.join(self.there) or 'none has anything to read'}",
                todo=f"choose another: {option}={next(iter(self.there), '…')}",
            )
        raise ConfigError(
            f"{option}={name}: no source or reference is called so",
            expected=f"one of {', '.join([*self.there, *self.absent])}",
            todo=f"{option}=… with one of these names",
        )


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Features of each image from the frozen backbone.

    Attributes:
        values: one row per image of the tables, shape (images, dim).
        present: which images have a row worth reading, shape (images,).
        embedding: where the rows come from.
        note: the same in a sentence for people.
        skipped: unusable images and why.
    """

    values: NDArray[np.float32]
    present: NDArray[np.bool_]
    embedding: EmbeddingContract
    note: str
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class EncodedTower:
    """One frozen backbone on the images of a data set.

    Attributes:
        features: of every image.
        parameters: of the network; None where only its features are known.
        pixels: height and width of its input; None likewise.
        rate: images that this machine decodes and encodes in a second; None likewise.
        licence: of the weights.
    """

    features: ImageFeatures
    parameters: int | None = None
    pixels: int | None = None
    rate: float | None = None
    licence: str = ""


class Towers(Protocol):
    """The backbones that a study may compare."""

    def names(self) -> list[str]:
        """Return the options of ``model/backbone``."""

    def encode(
        self, tables: Tables, name: str, *, weights: str | None, download: bool, timed: int
    ) -> EncodedTower:
        """Encode every image.

        Args:
            tables: the data set.
            name: one of ``names``.
            weights: a local file; None takes the option's own.
            download: whether absent weights are downloaded.
            timed: images that are encoded once more, to measure the rate.

        Raises:
            InterestingnessError: for weights that are absent or refused on such images.
        """

    def read(self, tables: Tables, file: str) -> EncodedTower:
        """Read features that were computed elsewhere."""


@dataclass(eq=False)
class Material:
    """Everything that a study may use; each thing is made on first use.

    Attributes:
        question: what raters were asked.
        seed: of everything that the study draws, splits aside.
        cache: folder for what is kept between runs.
        prepare: makes the tables of the data set.
        label: makes the sources to learn from (True) or the references (False).
        split: number of the repetition → split of the pairs.
        encode: makes the features.
        towers: other backbones than the model's own; None where there are none.
        overrides: what the user typed, for messages that repeat the command.
    """

    question: str
    seed: int
    cache: Path
    prepare: Callable[[], Tables]
    label: Callable[[Tables, bool], Sources]
    split: Callable[[int, Tables], PairSplit]
    encode: Callable[[Tables], ImageFeatures]
    towers: Towers | None = None
    overrides: tuple[str, ...] = ()
    _labels: dict[LabelSource, Labels] = field(default_factory=dict, repr=False)

    @cached_property
    def tables(self) -> Tables:
        """Return the prepared data set."""
        return self.prepare()

    @property
    def pairs(self) -> Pairs:
        """Return all pairs of the data set."""
        return self.tables.pairs

    @property
    def data_used(self) -> tuple[str, str]:
        """Write the line of a result that names the data set."""
        return "data", f"{self.tables.manifest.name}: {len(self.pairs):,} pairs"

    def labels(self, source: LabelSource) -> Labels:
        """Return a source's labels of all pairs, computed once."""
        if source not in self._labels:
            self._labels[source] = source.labels(self.pairs)
        return self._labels[source]

    def need_towers(self) -> Towers:
        """Return the backbones that may be compared.

        Raises:
            ConfigError: for a material that was made without any.
        """
        if self.towers is None:
            raise ConfigError(
                "no backbones to compare",
                expected="a Material with towers",
                todo="evaluate.py study=towers, or Material(towers=…)",
            )
        return self.towers

    def need_sources(self) -> dict[str, LabelSource]:
        """Return the sources to learn from, by name; there must be one.

        Raises:
            LabelError: if no source has anything to read.
        """
        there, absent = self.sources
        if not there:
            raise LabelError(
                "no label source has anything to read in this data set"
                + "".join(f"; {name}: {why}" for name, why in absent.items()),
                expected="votes or scores for at least one",
                todo="name one: +label_source@sources.mine=scores sources.mine.column=…",
            )
        return there

    @property
    def simulated(self) -> str:
        """Return the sentence that goes with every number of simulated raters, else "".

        A simulated model may have voted on real photographs.
        """
        said = self.tables.manifest.simulated
        if said:
            return said
        kinds = [kind for kind in ("votes", "judgments") if self.tables.has(kind)]
        raters = {r for k in kinds for r in self.tables.table(k)["rater_id"].unique().to_pylist()}
        return simulation_of(sorted(raters))

    @cached_property
    def sources(self) -> Sources:
        """Return the sources to learn from; the references unless the config says otherwise."""
        return self.label(self.tables, True)

    @cached_property
    def references(self) -> Sources:
        """Return what sources and models are held against."""
        return self.label(self.tables, False)

    @cached_property
    def features(self) -> ImageFeatures:
        """Return features of every image; encoded on first use, cached on disk."""
        return self.encode(self.tables)

    def progress(self, what: str) -> ProgressLine:
        """Make a line of progress for one long step."""
        return ProgressLine(what)


class StudyInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM in a study that has part of its result; it is shown before the end."""

    def __init__(self, result: StudyResult, done: str) -> None:
        """Keep the result, and what was done of it, in words."""
        super().__init__(f"a part of the results is written ({done})")
        self.result = result


class Study(ABC):
    """Many fits or many votes → one result. Settings are arguments of the constructor.

    A study reads its material and returns values; printing, files and pages are made of them
    elsewhere. A plugin subclasses this and points a YAML file of the ``study`` group at it.
    """

    @abstractmethod
    def run(self, material: Material) -> StudyResult:
        """Run the study.

        Raises:
            StudyInterrupted: with a part of the result, where a study can give one.
            InterestingnessError: if the material cannot answer the study's question at all. What
                only some rows lack is stated in the table.
        """


Picture = Callable[[str], Image.Image | None]
"""Image id → picture, None where it cannot be read."""

Settings = Mapping[str, Any]
