"""Ranges of numbers, as annotations: options that a signature annotates so are checked by them.

``assembly.option_values`` reads them before data are read. For example, ``lr: Positive``.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

Count = Annotated[int, Ge(1)]
"""How many, at least one."""
Size = Annotated[int, Ge(0)]
"""How many, possibly none."""
Seed = Annotated[int, Ge(0), Lt(2**32)]
"""What NumPy takes."""
Share = Annotated[float, Ge(0), Le(1)]
"""A part of a whole."""
Positive = Annotated[float, Gt(0)]
"""A number above 0."""
NotNegative = Annotated[float, Ge(0)]
"""A number, 0 or more."""
