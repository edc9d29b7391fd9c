"""Sessions over a folder of photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from interestingness.collecting.choosing import Chooser, RandomPairs
from interestingness.collecting.photos import Renditions
from interestingness.collecting.records import Given
from interestingness.collecting.session import VotingSession, VotingTask
from interestingness.collecting.store import VoteStore
from interestingness.datasets.photographs import find_photographs


def session_over(
    photos: Path,
    store: VoteStore,
    tmp_path: Path,
    make: Callable[[list[str]], Chooser] | None = None,
    task: VotingTask | None = None,
) -> VotingSession:
    """A session; ``make`` builds another chooser from the ids."""
    found = find_photographs([photos])
    id_of = store.add_images(found.image_ids)
    ids = list(id_of.values())
    chooser = RandomPairs(ids, {}, 0) if make is None else make(ids)
    renditions = Renditions(found, {i: n for n, i in id_of.items()}, tmp_path / "renditions")
    return VotingSession(store, task or VotingTask("nicer?"), chooser, renditions)


def vote(
    session: VotingSession, rater: str, number: int, tab: str = "tab1", choice: str = "left"
) -> None:
    """Answer the next pairs."""
    for _ in range(number):
        (pair, *_) = session.hand_out(rater, tab, 1)
        given = Given(pair["token"], f"key-{pair['token']}", choice, "", 900.0)
        assert session.answer(rater, given)["counts"]
