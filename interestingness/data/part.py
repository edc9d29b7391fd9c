"""One of several equal parts of a list, for one process, GPU or job of an array."""

from __future__ import annotations

import re
from dataclasses import dataclass

from interestingness.errors import ConfigError


@dataclass(frozen=True)
class Part:
    """Every ``count``-th element, from ``index`` on.

    Parts of one ``count`` are disjoint and together complete; they depend on nothing else, so that
    jobs need no communication.

    Attributes:
        index: in [0, count).
        count: number of parts, 1 or more.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ConfigError(
                f"part {self.index} of {self.count}",
                expected="0 ≤ part < number of parts, as SLURM_ARRAY_TASK_ID counts from 0",
                todo="0/8, 1/8, … 7/8 are the eight parts of eight",
            )

    @classmethod
    def parse(cls, text: str) -> Part:
        """Parse a part such as ``3/8``, the fourth of eight.

        Raises:
            ConfigError: for anything else.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if match is None:
            raise ConfigError(
                f"part {text!r}",
                expected="index/count, counted from 0",
                todo="write 0/8 for the first of eight",
            )
        return cls(int(match[1]), int(match[2]))

    def of(self, total: int) -> range:
        """Return this part's positions in a list of some length; none if there are more parts."""
        return range(self.index, total, self.count)

    @property
    def name(self) -> str:
        """Return a name for files: ``part-3-of-8``, sorted as the parts; ``whole`` for one part."""
        if self.count == 1:
            return "whole"
        width = len(str(self.count - 1))
        return f"part-{self.index:0{width}}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


ALL = Part()
