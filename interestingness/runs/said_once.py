"""What ranks of one machine stumble over together is said once under torchrun. Light."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from interestingness.disk import appearing

PATIENCE_S = 5.0
"""Seconds that a rank gives the machine's first one to say the same; longer than they are apart."""
FILE = "interestingness-error.txt"


def say_once(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Print an error, unless the first rank of this machine has printed the very same text.

    torchrun gives each rank a folder beside those of the others; the first one leaves there what it
    has printed. One that has printed nothing, or something else, silences nobody.

    Args:
        text: of the error.
        environment: of the process; without torchrun's variables the text is printed.
    """
    own, local = environment.get("TORCHELASTIC_ERROR_FILE"), environment.get("LOCAL_RANK")
    file = Path(own).parent.parent / "0" / FILE if own and local else None
    if file is not None and local != "0" and _said(file) == text:
        return
    print(text, file=sys.stderr, flush=True)
    if file is not None and local == "0":
        try:
            with appearing(file) as part:
                part.write_text(text, encoding="utf-8")
        except OSError:
            return  # then every rank speaks


def _said(file: Path) -> str | None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError):
            time.sleep(0.05)
    return None
