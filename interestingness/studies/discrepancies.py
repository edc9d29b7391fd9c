"""Find where a source and its reference differ: clusters, a map, measured attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interestingness.errors import ConfigError, DataError, LabelError, WeightsError
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.models.backbone import SYNTHETIC
from interestingness.models.text_towers import OpenClipText
from interestingness.schema import Array
from interestingness.stats.clusters import MOST, cut, ward_tree
from interestingness.stats.salient_words import salient_words, words_of
from interestingness.studies import discrepancy_galleries as galleries
from interestingness.studies import discrepancy_views as views
from interestingness.studies.discrepancy_clusters import Sides, cluster_facts
from interestingness.studies.discrepancy_effects import (
    Explained,
    attribute_charts,
    attribute_table,
    effects_answer,
    explain,
)
from interestingness.studies.embedding import TextEmbedder, text_vectors
from interestingness.studies.held_out_ranks import REFITS, HeldOutRanks, both_ways, held_out_ranks
from interestingness.studies.measured import measure
from interestingness.studies.result import StudyResult
from interestingness.studies.study import Material, Study
from interestingness.studies.texts import Texts, descriptions, reasons

KINDS = ("descriptions", "reasons", "images")
SIDES = ("reference", "source")


class Discrepancies(Study):
    """Find clusters on which a source and its reference agree or differ, and why."""

    def __init__(
        self,
        *,
        of: str,
        columns: Sequence[str],
        reference: str,
        source: str,
        reasons_by: str,
        embedder: TextEmbedder,
        clusters: int | None,
        distance: float | None,
        splits: int,
        attributes: Sequence[str] | None,
        scores: Sequence[str],
        galleries: int = 12,
        repeats: int = 1000,
        refits: int = REFITS,
    ) -> None:
        """Keep the settings.

        Args:
            of: what is clustered: "descriptions" (texts of the image table), "reasons" (texts of
                the votes), or "images" (features; the texts only name the clusters).
            columns: of the image table, whose cells describe an image.
            reference: name of what the source is held against, usually people.
            source: name of the other one.
            reasons_by: "reference" or "source": whose reasons are clustered.
            embedder: texts → vectors.
            clusters: number of clusters; or
            distance: at which the tree is cut. The other is None.
            splits: how often images are split into halves; a model trained on one half ranks
                the other, both ways.
            attributes: measured ones, by name; None takes all but the slow ones.
            scores: names of the score table that count as attributes too.
            galleries: clusters that are shown with pictures, at most.
            repeats: resamples of every interval.
            refits: trainings on resampled images, and on resampled pairs, of every model.

        Raises:
            ConfigError: for a kind that does not exist.
        """
        if of not in KINDS or reasons_by not in SIDES or splits < 1:
            raise ConfigError(
                f"study.of={of} study.reasons_by={reasons_by} study.splits={splits}",
                expected=f"of: {', '.join(KINDS)}; reasons_by: {' or '.join(SIDES)}; "
                "splits: 1 or more",
                todo="correct the option",
            )
        self.of, self.columns = of, tuple(columns)
        self.reference, self.source, self.reasons_by = reference, source, reasons_by
        self.embedder = embedder
        self.clusters, self.distance = clusters, distance
        self.splits, self.attributes, self.scores = splits, attributes, tuple(scores)
        self.galleries, self.repeats, self.refits = galleries, repeats, refits

    def run(self, material: Material) -> StudyResult:
        """Embed, cluster, rank, measure, compare.

        Raises:
            ConfigError: if no reference has one of the names.
            LabelError: if a source or the reasons are not there.
            DataError: for too few texts, and whatever is wrong with the tables.
        """
        sources = self._sources(material)
        notes: list[str] = []
        texts = self._texts(material, sources, notes)
        vectors = self._vectors(material, texts)
        cluster = cut(ward_tree(vectors), clusters=self.clusters, distance=self.distance)
        pairs = material.pairs
        reference, source = (source.fit(pairs).labels(pairs).preference for source in sources)
        sides = Sides(reference, source, *self._ranks(material, sources))
        names = (self.reference, self.source)
        found = cluster_facts(
            texts,
            cluster,
            salient_words([words_of(text) for text in texts.text], cluster),
            pairs,
            sides,
            names=names,
            # a reason is compared with the choice of the one that did not give it
            reader=1 if self.reasons_by == "reference" else 0,
            seed=material.seed,
            repeats=self.repeats,
        )
        measured = measure(material, attributes=self.attributes, scores=self.scores)
        notes += measured.notes
        explained = explain(
            measured, sides, pairs, seed=material.seed, repeats=self.repeats, notes=notes
        )
        seen = views.Seen(material, names, texts, vectors, cluster, found, sides)
        return self._result(seen, explained, notes)

    def _sources(self, material: Material) -> tuple[LabelSource, LabelSource]:
        if self.reference == self.source:
            raise ConfigError(
                f"study.reference and study.source are both {self.reference!r}",
                expected="two references to compare",
                todo="name another one",
            )
        named = material.references.named
        return named(self.reference, "study.reference"), named(self.source, "study.source")

    def _texts(
        self, material: Material, sources: tuple[LabelSource, LabelSource], notes: list[str]
    ) -> Texts:
        if self.of == "reasons":
            source = sources[0 if self.reasons_by == "reference" else 1]
            if not isinstance(source, VoteSource):
                raise LabelError(
                    f"{source.name!r} is not made of votes, which alone have reasons",
                    expected="a source of votes",
                    todo="study.reasons_by=reference, or study.of=descriptions",
                )
            texts = reasons(material.tables, source)
        elif self.of == "images":
            texts = self._image_names(material)
        else:
            texts = descriptions(material.tables, self.columns)
        used = np.zeros(len(material.tables.image_ids), dtype=bool)
        used[material.pairs.images_used()] = True
        if self.of == "images":
            used &= material.features.present
        texts = texts[np.flatnonzero(used[texts.image])]
        if len(texts) < 2:
            raise DataError(
                f"{len(texts)} texts for images that are in a pair ({texts.what})",
                expected="two or more",
                todo="give more texts",
            )
        if len(texts) > MOST:
            kept = np.random.default_rng(material.seed).permutation(len(texts))[:MOST]
            notes.append(f"{MOST:,} of {len(texts):,} texts were drawn at random and clustered")
            texts = texts[np.sort(kept)]
        return texts

    def _image_names(self, material: Material) -> Texts:
        """Return a text for every image, its description if there is one, to name clusters."""
        images = len(material.tables.image_ids)
        text = [""] * images
        try:
            known = descriptions(material.tables, self.columns)
        except DataError:
            what = "images without descriptions"
        else:
            what = f"images, named by {known.what}"
            for row, one in zip(known.image.tolist(), known.text, strict=True):
                text[row] = one
        rows = np.arange(images, dtype=np.int64)
        return Texts(tuple(text), rows, np.full(images, -1, dtype=np.int64), 0, what)

    def _vectors(self, material: Material, texts: Texts) -> Array:
        if self.of == "images":
            values = material.features.values[texts.image].astype(np.float64)
            values -= values.mean(axis=0)
            length = np.linalg.norm(values, axis=1, keepdims=True)
            return np.divide(values, length, out=np.zeros_like(values), where=length > 0)
        domain = material.tables.manifest.domain
        tower = self.embedder if isinstance(self.embedder, OpenClipText) else None
        if tower is not None and tower.domain == SYNTHETIC != domain:
            raise WeightsError(
                f"{tower.name} knows the words of synthetic scenes only, and the data set holds "
                f"{domain}",
                expected="a text tower trained on photographs, or no weights",
                todo="text_embedder@study.embedder=clip_text, or tfidf",
            )
        return text_vectors(
            self.embedder,
            texts.text,
            cache=material.cache,
            progress=material.progress("embedding texts"),
        )

    def _ranks(
        self, material: Material, sources: tuple[LabelSource, LabelSource]
    ) -> tuple[HeldOutRanks, HeldOutRanks]:
        dealt = [material.split(number, material.tables) for number in range(self.splits)]
        splits = both_ways(dealt, material.pairs)
        one, other = (
            held_out_ranks(
                source,
                material.features,
                material.pairs,
                splits,
                seed=material.seed,
                refits=self.refits,
                progress=material.progress(f"ranking by {name}"),
            )
            for name, source in zip((self.reference, self.source), sources, strict=True)
        )
        return one, other

    def _result(self, seen: views.Seen, explained: Explained, notes: list[str]) -> StudyResult:
        material = seen.material
        return StudyResult(
            name="discrepancies",
            title=f"Where {self.reference} and {self.source} part",
            answer=views.answer(seen) + effects_answer(explained, seen.names),
            used=self._used(seen),
            tables=[
                views.cluster_table(seen, of=self.of, reasons_by=self.reasons_by),
                attribute_table(explained, seen.names),
            ],
            figures=[
                views.lead_chart(seen),
                views.text_map(seen),
                *attribute_charts(explained, seen.names),
            ],
            galleries=[
                *galleries.cluster_galleries(seen, most=self.galleries),
                *galleries.lead_galleries(seen),
                *galleries.disagreed_pairs(seen),
            ],
            notes=[*notes, *views.reading_notes(seen, self.of)],
            simulated=material.simulated,
        )

    def _used(self, seen: views.Seen) -> list[tuple[str, str]]:
        material, texts = seen.material, seen.texts
        one, other = seen.sides.reference_ranks, seen.sides.source_ranks
        where = "by number" if self.distance is None else f"at distance {self.distance:g}"
        vectors = (
            f"{material.features.note}; centred, length 1"
            if self.of == "images"
            else f"{self.embedder.describe()}; length 1"
        )
        return [
            material.data_used,
            (
                "texts",
                f"{len(texts):,} ({texts.what}), {texts.distinct:,} different; "
                f"{texts.empty:,} empty ones left out",
            ),
            ("vectors", vectors),
            ("clusters", f"{len(seen.found)}, by Ward's rule, cut {where}"),
            (
                "models",
                f"linear, L2 {one.l2:.3g} ({self.reference}) and {other.l2:.3g} ({self.source}), "
                f"on {material.features.note}",
            ),
            (
                "ranks",
                f"of images that the model was not trained on, {self.splits} splits "
                f"({material.split(0, material.tables).rule}), sides of like size both ways; "
                f"{one.tested:.0f} images ranked together on average",
            ),
        ]
