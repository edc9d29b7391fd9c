"""Find tags that leak a label: which images have one, which tags predict it best."""

from __future__ import annotations

import numpy as np

from interestingness.datasets.image_texts import LISTS, texts_of_images
from interestingness.datasets.tags import LEAK
from interestingness.schema import Array
from interestingness.stats.tag_audit import TagOdds, predictive_tags
from interestingness.studies.result import Column, Table
from interestingness.studies.table_columns import Field, table_of
from interestingness.tables.tables import Tables

ANY = f"any tag with {LEAK}"
SHOWN_TAGS = 20
LEAST_IMAGES = 10
"""Images that must have a tag before we say what it predicts."""
FIELDS: list[Field[TagOdds]] = [
    Field(Column("yes", "interesting images", "count"), lambda tag: tag.yes),
    Field(Column("no", "other images", "count"), lambda tag: tag.no),
    Field(Column("log_odds", "log odds", "signed", "of having it; above 0 where interesting"),
          lambda tag: tag.log_odds),
    Field(Column("z", "z", "signed", "log odds by their standard error, uncorrected for many"),
          lambda tag: tag.z),
    Field(Column("leaks", "gives the label away", "text", f"contains {LEAK!r}"),
          lambda tag: "yes" if LEAK in tag.tag else ""),
]  # fmt: skip


def leaking_images(tables: Tables) -> Array:
    """Return 1 for images with a tag that leaks the label, else 0, shape (images,)."""
    found = np.zeros(len(tables.image_ids))
    for name in _tag_columns(tables)[:1]:
        for row, tags in enumerate(texts_of_images(tables, name)):
            found[row] = any(LEAK in tag.casefold() for tag in tags)
    return found


def predictive_tag_tables(tables: Tables, flag: Array) -> list[Table]:
    """Tabulate the most predictive tags, with leaking ones; empty without a column of tags.

    Args:
        tables: the data set.
        flag: 1 for interesting images, 0 for others, NaN where unknown, shape (images,).
    """
    names = _tag_columns(tables)
    if not names:
        return []
    known = ~np.isnan(flag)
    texts = [t for t, ok in zip(texts_of_images(tables, names[0]), known, strict=True) if ok]
    # Owners spell it in many ways: all spellings make one row.
    texts = [[*t, ANY] if any(LEAK in tag.casefold() for tag in t) else t for t in texts]
    best = predictive_tags(texts, flag[known] == 1, least=LEAST_IMAGES)[:SHOWN_TAGS]
    fields = [Field[TagOdds](Column("tag", names[0]), lambda tag: tag.tag), *FIELDS]
    return [table_of("predictive_tags", "The most predictive tags", best, fields)]


def _tag_columns(tables: Tables) -> list[str]:
    return [c for c in tables.images.column_names if any(part in c.casefold() for part in LISTS)]
