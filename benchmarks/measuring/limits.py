"""What a device can do: its clocks, its matrix products, its memory; operations, counted."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

NAN = float("nan")


class Spent(NamedTuple):
    """Time by the clock and of the device, and what was computed in it, where that is known."""

    seconds: float
    busy: float
    tflop: float = NAN


class Machine:
    """A device. On a CPU, where cores may be shared, *busy* is the process's processor time."""

    def __init__(self) -> None:
        self.cuda = torch.cuda.is_available()
        self.device = "cuda" if self.cuda else "cpu"
        self._operands: dict[str, list[torch.Tensor]] = {}
        self._before = 0.0 if self.cuda else _status("VmRSS")

    def start(self) -> tuple[float, float]:
        """The clocks, once all work is done."""
        if self.cuda:
            torch.cuda.synchronize()
        now = time.perf_counter()
        return now, now if self.cuda else time.process_time()

    def since(self, start: tuple[float, float], tflop: float = NAN) -> Spent:
        """Time from ``start`` until all work is done."""
        seconds, busy = (b - a for a, b in zip(start, self.start(), strict=True))
        return Spent(seconds, busy, tflop)

    def product(self, precision: str) -> Spent:
        """A large matrix product of random numbers, several times."""
        size, times = (8192, 20) if self.cuda else (2048, 4)
        if precision not in self._operands:
            drawn = (torch.randn(size, size, device=self.device) for _ in range(2))
            self._operands[precision] = [a.to(getattr(torch, precision)) for a in drawn]
        torch.mm(*self._operands[precision])
        began = self.start()
        for _ in range(times):
            torch.mm(*self._operands[precision])
        return self.since(began, 2 * size**3 * times / 1e12)

    def forget(self) -> None:
        """Give memory back and start a new peak."""
        gc.collect()
        if self.cuda:
            self._operands.clear()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        elif sys.platform == "linux":
            if platform.libc_ver()[0] == "glibc":
                ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> float:
        """GB at the peak: of torch's allocator, or of the process above what it started with."""
        if self.cuda:
            return torch.cuda.max_memory_allocated() / 1e9
        return _status("VmHWM") - self._before

    def name(self) -> str:
        """What computes."""
        if self.cuda:
            return torch.cuda.get_device_name()
        file = Path("/proc/cpuinfo")
        lines = file.read_text().splitlines() if file.is_file() else []
        names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
        return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def _status(field: str) -> float:
    """GB of this process, as Linux tells them."""
    if sys.platform != "linux":
        return NAN
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e9


def gflop_per_image(network: nn.Module, size: int, *, backward: bool) -> float:
    """Operations, in 1e9, that one more image of a batch costs; multiply and add are two.

    Counted on shapes alone ("meta"): the counter does not know the attention kernel of CPUs. The
    difference of two images and one leaves out what a batch costs once, as LoRA's updates do.
    """
    values = {
        name: torch.empty_like(value, device="meta").requires_grad_(value.requires_grad)
        for name, value in [*network.named_parameters(), *network.named_buffers()]
    }
    counted = []
    for images in (1, 2):
        with FlopCounterMode(display=False) as counter:
            given = (torch.empty(images, 3, size, size, device="meta"),)
            found = functional_call(network, values, given)
            if backward:
                found.sum().backward()
        counted.append(counter.get_total_flops())
    return (counted[1] - counted[0]) / 1e9
