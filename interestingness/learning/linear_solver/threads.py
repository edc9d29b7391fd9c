"""Threads over problems instead of threads inside products of small matrices."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def in_threads(work: Callable[[int], None], count: int) -> None:
    """``work(0)`` … ``work(count - 1)``, as many at once as torch may use threads, one thread each.

    The matrices are small: threads inside one product wait for each other more than they help.
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
