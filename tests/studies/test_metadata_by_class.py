"""Metadata by class: sums, ranks, and what is called a leak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from interestingness.errors import LabelError
from interestingness.studies.metadata_by_class import MetadataByClass
from interestingness.studies.study import Material


@pytest.fixture
def planted(handmade: Callable[..., Material]) -> tuple[Material, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    flag = np.arange(60) % 3 == 0
    columns = {
        "lafin": flag.astype(float),
        "views": np.where(flag, 97.2, 2.8 / 2) / 20,
        "comments": rng.poisson(np.where(flag, 4, 2)).astype(float),
        "temperature": rng.normal(size=60),
    }
    names = [f"i{n:02d}" for n in range(60)]
    scores = {n: dict(zip(names, v.tolist(), strict=True)) for n, v in columns.items()}
    del scores["comments"]["i07"]
    columns["comments"][7] = np.nan
    pairs = [(names[k], names[k + 1]) for k in range(59)]
    return handmade(pairs=pairs, scores=scores), columns


def test_shares_and_ranks(planted: tuple[Material, dict[str, np.ndarray]]) -> None:
    material, columns = planted
    result = MetadataByClass(label="lafin").run(material)
    rows = {row["metadata"]: row for row in result.tables[0].rows}
    assert next(iter(rows)) == "views" and rows["views"]["share"] == pytest.approx(0.972)
    assert rows["views"]["auc"] == 1.0 and "views must not be features" in result.answer
    assert rows["temperature"]["share"] is None  # shares of signed numbers mean nothing
    known = ~np.isnan(columns["comments"])
    flag = columns["lafin"] == 1
    yes, no = columns["comments"][known & flag], columns["comments"][known & ~flag]
    expected = mannwhitneyu(yes, no).statistic / (len(yes) * len(no))
    assert rows["comments"]["auc"] == pytest.approx(expected) and rows["comments"]["images"] == 59
    assert rows["comments"]["share"] == pytest.approx(yes.sum() / (yes.sum() + no.sum()))


def test_what_is_no_flag(planted: tuple[Material, dict[str, np.ndarray]]) -> None:
    material, _ = planted
    with pytest.raises(LabelError, match="no score 'flag'"):
        MetadataByClass(label="flag").run(material)
    with pytest.raises(LabelError, match="is no flag"):
        MetadataByClass(label="views").run(material)


def test_on_scenes_with_tags(synthetic_material: Material) -> None:
    result = MetadataByClass(label="lafin").run(synthetic_material)
    rows = {row["metadata"]: row for row in result.tables[0].rows}
    assert {"views", "comments", "number of tags"} <= set(rows) and result.simulated
