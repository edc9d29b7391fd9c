"""Threads over problems: inside products of small matrices threads cost more than they help."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Call ``work(0)`` … ``work(count - 1)`` on as many threads as torch may use.

    Meanwhile torch itself uses one thread.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if min(threads, count) <= 1:
            for number in range(count):
                work(number)
        else:
            with ThreadPoolExecutor(min(threads, count)) as pool:
                list(pool.map(work, range(count)))
    finally:
        torch.set_num_threads(threads)
