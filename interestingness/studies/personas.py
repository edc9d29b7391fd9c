"""Count how a model's answers change when it is given a persona."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.schema import Array
from interestingness.stats.shares import exact_share
from interestingness.studies.agreement import agreement_map
from interestingness.studies.panel import PEOPLE, Ballots, Mask, agreement_of, read_ballots
from interestingness.studies.result import (
    Cell,
    Column,
    Gallery,
    Shown,
    ShownPair,
    StudyResult,
    Table,
)
from interestingness.studies.study import Material, Study
from interestingness.studies.table_columns import (
    INTERVAL_NOTE,
    PAIRS,
    POSITION,
    REFUSALS,
    VOTES,
    position_cells,
)


class Personas(Study):
    """The paper's test of personas: pairs that every persona answers alike, before and after
    dropping pairs on which some persona contradicts itself."""

    def __init__(self, *, shown: int) -> None:
        """Keep the settings.

        Args:
            shown: pairs of the gallery, of those that divide the personas.
        """
        self.shown = shown

    def run(self, material: Material) -> StudyResult:
        """Compare personas pair by pair.

        Raises:
            DataError: if fewer than two personas have voted, or no pair is answered by all.
        """
        voted = _renamed([b for b in read_ballots(material, personas=True) if b.name != PEOPLE])
        if len(voted) < 2:
            raise DataError(
                f"votes of {len(voted)} persona",
                expected="votes of at least two personas on the same pairs",
                todo="`interestingness annotate … personas=paper` asks as eight",
            )
        sides = np.stack([persona.side for persona in voted])
        common: Mask = np.asarray(~np.isnan(sides).any(axis=0))
        if not common.any():
            raise DataError(
                f"no pair has votes of all {len(voted)} personas",
                expected="the same pairs for every persona",
                todo="complete the votes, or leave a persona out",
            )
        kept = np.stack([persona.same_winner for persona in voted])
        steady = common & np.all(kept == 1, axis=0)
        identical = _identical(sides)
        rows = [
            _set_row("answered by every persona", common, identical),
            _set_row("and the same winner in both orders for each", steady, identical),
        ]
        where = steady if steady.any() else common
        divided = np.flatnonzero(steady & ~identical)
        shown = divided if len(divided) else np.flatnonzero(common & ~identical)
        return StudyResult(
            name="personas",
            title="Personas",
            answer=_answer(voted, rows),
            used=[
                material.data_used,
                ("personas", f"{len(voted)}: {', '.join(p.name for p in voted)}"),
            ],
            tables=[_set_table(rows), _persona_table(voted, sides, steady)],
            figures=[
                agreement_map(
                    {persona.name: persona.side[where] for persona in voted},
                    name="personas",
                    title="Agreement of personas",
                )
            ],
            galleries=_gallery(voted, shown, sides, self.shown),
            notes=_notes(steady, common),
            simulated=material.simulated,
        )


def _renamed(voted: Sequence[Ballots]) -> list[Ballots]:
    """Drop the model in brackets, where all personas are of one model."""
    ends = {persona.name.rpartition(" (")[2] for persona in voted if persona.name.endswith(")")}
    if len(ends) != 1 or not all(persona.name.endswith(")") for persona in voted):
        return list(voted)
    return [replace(persona, name=persona.name.rpartition(" (")[0]) for persona in voted]


def _identical(sides: Array) -> Mask:
    """Select pairs on which every persona chooses the same image; ties are no choice."""
    same: Mask = (sides == sides[0]).all(axis=0) & (sides[0] != 0.5)
    return same


def _set_row(name: str, where: Mask, identical: Mask) -> dict[str, Cell]:
    pairs, same = int(where.sum()), int((where & identical).sum())
    return {
        "pairs_of": name,
        "pairs": pairs,
        "identical": same,
        "different": pairs - same,
        "share": exact_share(same, pairs) if pairs else None,
    }


def _set_table(rows: list[dict[str, Cell]]) -> Table:
    return Table(
        "personas",
        "Do all personas choose the same image?",
        [
            Column("pairs_of", "pairs"),
            PAIRS,
            Column("identical", "all alike", "count"),
            Column("different", "not all alike", "count"),
            Column("share", "all alike", "percent", "with the exact binomial interval over pairs"),
        ],
        rows,
        ["Several votes of a persona on a pair count by their majority; a tie is not alike."],
    )


def _persona_table(voted: Sequence[Ballots], sides: Array, steady: Mask) -> Table:
    rows: list[dict[str, Cell]] = []
    lead = (sides - 0.5).sum(axis=0)
    for at, persona in enumerate(voted):
        rest = np.sign(lead - (sides[at] - 0.5))
        others = np.where(np.isnan(rest), np.nan, 0.5 + 0.5 * rest)
        p = np.where(steady, sides[at], np.nan)
        found, pairs = agreement_of(p, others, persona.pairs)
        rows.append(
            {
                "persona": persona.name,
                "votes": int(persona.usable.sum()),
                "refusals": persona.refusals or None,
                "others": found if pairs else None,
                **position_cells(persona),
            }
        )
    return Table(
        "each",
        "Persona by persona",
        [
            Column("persona", "persona"),
            VOTES,
            REFUSALS,
            Column("others", "as most of the others", "percent", "on the order-consistent pairs"),
            *POSITION.values(),
        ],
        rows,
        [INTERVAL_NOTE],
    )


def _gallery(
    voted: Sequence[Ballots], rows: NDArray[np.int64], sides: Array, shown: int
) -> list[Gallery]:
    pairs = voted[0].pairs
    found = []
    for row in rows[:shown].tolist():
        pair = pairs.pair(row)
        left = [v.name for v, side in zip(voted, sides[:, row], strict=True) if side == 1]
        text = f"left: {len(left)} of {len(voted)}" + (f" ({'; '.join(left)})" if left else "")
        found.append(ShownPair(Shown(pair.left), Shown(pair.right), text))
    return [Gallery("Pairs that divide the personas", pairs=found)] if found else []


def _answer(voted: Sequence[Ballots], rows: list[dict[str, Cell]]) -> str:
    every, steady = rows
    text = (
        f"On {every['identical']:,} of {every['pairs']:,} pairs all {len(voted)} personas choose "
        "the same image"
    )
    if not steady["pairs"]:
        return f"{text}; no pair has the same winner in both orders for each of them."
    return (
        f"{text}; on {steady['identical']:,} of {steady['pairs']:,} once the pairs are dropped on "
        "which some persona contradicts itself between the orders."
    )


def _notes(steady: Mask, common: Mask) -> list[str]:
    left = f"{int(steady.sum()):,} of {int(common.sum()):,}"
    return [
        f"The filter keeps {left} pairs, those on which the model is surest: that all answers are "
        "alike there says little of the others."
    ]
