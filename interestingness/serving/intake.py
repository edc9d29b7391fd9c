"""One image of a request: refused with a status of its own, before it meets any other."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from interestingness.data.image_kinds import image_kind
from interestingness.errors import ImageError, ImageTooLargeError
from interestingness.library.scorer import LoadedScorer

OK, TOO_LARGE, NO_IMAGE, UNREADABLE = 200, 413, 415, 422


@dataclass(frozen=True, eq=False)
class TakenIn:
    """An image that is ready for the network, or why it is not.

    Attributes:
        name: that the client gave, or its place in the request.
        pixels: for the network; None with a problem.
        status: that this image alone would have.
        problem: "" where there is none.
    """

    name: str
    pixels: Tensor | None
    status: int
    problem: str


def take_in(scorer: LoadedScorer, data: bytes, name: str) -> TakenIn:
    """Decode one image.

    The status is 413 for more pixels than may be decoded, 415 for what is no image, 422 for a
    damaged or animated one.
    """
    try:
        return TakenIn(name, scorer.pixels(data, name), OK, "")
    except ImageTooLargeError as error:
        return TakenIn(name, None, TOO_LARGE, error.found)
    except ImageError as error:
        status = NO_IMAGE if data and image_kind(data) is None else UNREADABLE
        return TakenIn(name, None, status, error.found)
