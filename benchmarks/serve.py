"""``interestingness serve`` with concurrent clients against a bare loop over the same bytes.

    python benchmarks/serve.py [--images 256] [--rounds 3] [--clients 32] [--photographs FOLDER]

The server is a process; the clients are another, on the same machine, each sending one image a
request over a kept connection and waiting for its score. The bare loop decodes the same bytes in a
pool of threads, preprocesses and runs them, as ``benchmarks/library.py`` does; it alone has the
machine then. ViT-B/32 with random weights, whose speed is that of trained ones. The bar is .90 of
the bare loop's images/s and no error; median, p95 and p99 of the time of a request are printed.

Without --photographs, synthetic JPEGs of 640 x 480 are made.

tiny: --images 4 --rounds 1 --clients 2
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import numpy as np
from library import bare_loop, made, synthetic_jpegs

from interestingness import load


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, default=256, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--photographs", type=Path, help="a folder of JPEG files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        some = (
            sorted(options.photographs.glob("*.jp*g"))
            if options.photographs
            else synthetic_jpegs(Path(folder), min(options.images, 64))
        )
        paths = [some[at % len(some)] for at in range(options.images)]
        scorer = made(Path(folder) / "scorer")
        bare = bare_loop(load(scorer, device="cpu"))
        bare(paths[:2])
        command = [sys.executable, "-m", "interestingness", "serve", "--scorer", str(scorer)]
        ratios, times, errors = [], [], 0
        with subprocess.Popen(
            [*command, "--port", "0"], stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdout is not None
                address = next(
                    line.split()[1] for line in server.stdout if line.startswith("serving")
                )
                ask(address, paths[:2], 1)
                for _ in range(options.rounds):
                    start = time.perf_counter()
                    bare(paths)
                    alone = time.perf_counter() - start
                    seconds, each, failed = ask(address, paths, options.clients)
                    ratios.append(alone / seconds)
                    times += each
                    errors += failed
                    print(
                        f"  bare {len(paths) / alone:6.1f} images/s, served "
                        f"{len(paths) / seconds:6.1f} images/s"
                    )
            finally:
                server.terminate()
        p50, p95, p99 = 1000 * np.percentile(times, [50, 95, 99])
        print(f"{options.clients} clients, {len(paths)} images a round, ViT-B/32")
        print(f"request: median {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms; {errors} errors")
        print(f"ratio {np.median(ratios):.3f} (bar .90)")


def ask(address: str, paths: list[Path], clients: int) -> tuple[float, list[float], int]:
    """Score files from a process of clients; return its seconds, those of each, and errors."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_clients, (address, [path.read_bytes() for path in paths], clients))


def _clients(address: str, images: list[bytes], clients: int) -> tuple[float, list[float], int]:
    return asyncio.run(_ask(address, images, clients))


async def _ask(address: str, images: list[bytes], clients: int) -> tuple[float, list[float], int]:
    todo, times, errors = list(enumerate(images)), [], 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal errors
        while todo:
            at, data = todo.pop()
            form = aiohttp.FormData()
            form.add_field("images", data, filename=f"{at}.jpg", content_type="image/jpeg")
            start = time.perf_counter()
            async with session.post(f"{address}score", data=form) as answer:
                errors += answer.status != 200
                await answer.read()
            times.append(time.perf_counter() - start)

    start = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return time.perf_counter() - start, times, errors


if __name__ == "__main__":
    main()
