"""Read what is known of this machine: the one place of the check-up that asks the outside world."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from packaging.requirements import Requirement

from interestingness.checkup.checks import EXTRAS, HOSTS
from interestingness.checkup.facts import FolderFacts, HostFacts, MachineFacts, TorchFacts

OFFLINE = "HF_HUB_OFFLINE"
ANSWER_S = 5.0
"""Seconds for an answer of a host."""
COUNT_S = 2.0
"""Seconds for counting the files of one cache."""
IMPORT_S = 120.0
"""Seconds for an import in a child process: the first one from a slow disk takes many."""
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
_TORCH = """
import json, torch
usable = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if usable else []
print(json.dumps([torch.__version__, torch.version.cuda or "", names]))
"""


def read_machine(environment: Mapping[str, str], needed: Sequence[str] = ()) -> MachineFacts:
    """Read everything; hosts are asked and torch is imported at the same time.

    Args:
        environment: variables, as in ``os.environ``.
        needed: names of checks that were asked for: an extra among them is imported, others are
            only looked for.
    """
    endpoint = environment.get("HF_ENDPOINT") or "https://huggingface.co"
    urls = {"hub": endpoint, "heads": "https://github.com"}
    offline = environment.get(OFFLINE, "").upper() in {"1", "ON", "YES", "TRUE"}
    hosts = {
        name: _later(partial(read_host, urls[name], OFFLINE if offline and name == "hub" else ""))
        for name in HOSTS
    }
    torch = _later(read_torch)
    home = Path.home()
    caches = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    hub = Path(environment.get("HF_HOME") or caches / "huggingface") / "hub"
    hub = Path(environment.get("HF_HUB_CACHE") or hub).expanduser()
    torch_cache = Path(environment.get("TORCH_HOME") or caches / "torch").expanduser()
    own = environment.get("INTERESTINGNESS_CACHE") or "~/.cache/interestingness"
    return MachineFacts(
        python=sys.version_info[:3],
        packages=read_packages(required_packages()),
        torch=torch.result(),
        nvidia=Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None,
        hosts={name: answer.result() for name, answer in hosts.items()},
        environment=environment,
        extras={name: read_extra(EXTRAS[name][0], run=name in needed) for name in EXTRAS},
        cache=read_folder(Path(own).expanduser()),
        runs=read_folder(Path.cwd(), count_s=0.0),
        hub_cache=read_folder(hub),
        torch_cache=read_folder(torch_cache),
        models=(*hub_models(hub), *torch_models(torch_cache)),
        now=time.time(),
        installed=_newest(Path(__file__).parent.glob("*.py")),
    )


def _later(job: Callable[[], Any]) -> Future[Any]:
    """Run a job in a thread that the end of the program does not wait for."""
    result: Future[Any] = Future()

    def run() -> None:
        try:
            result.set_result(job())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    return result


def required_packages() -> list[str]:
    """Return what this package needs, without its extras; empty where it is not installed."""
    try:
        found = requires("interestingness") or []
    except PackageNotFoundError:
        return []
    return [text for text in found if "extra ==" not in text]


def read_packages(required: Iterable[str]) -> dict[str, str | None]:
    """Return the installed version of each package, None for none."""
    found: dict[str, str | None] = {}
    for text in required:
        name = Requirement(text).name
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def read_torch(code: str = _TORCH) -> TorchFacts:
    """Import torch in a child process, which a damaged library may kill.

    Args:
        code: prints version, CUDA and names of GPUs as JSON.
    """
    done, error = _child(code)
    if error:
        return TorchFacts(error=error)
    try:
        name, cuda, gpus = json.loads(done.splitlines()[-1])
    except (ValueError, IndexError):
        return TorchFacts(error="it printed something else than its version")
    return TorchFacts(name, cuda, tuple(gpus))


def read_extra(modules: Sequence[str], *, run: bool) -> dict[str, str]:
    """Return modules that are missing or fail, with the reason.

    Args:
        modules: names.
        run: import them, in a child process; else they are only looked for.
    """
    broken = {}
    for module in modules:
        try:
            there = find_spec(module) is not None
        except (ImportError, ValueError):
            there = False
        if not there:
            broken[module] = "not installed"
        elif run and (error := _child(f"import {module}")[1]):
            broken[module] = error
    return broken


def _child(code: str) -> tuple[str, str]:
    """Run Python code in a child process; return what it printed, and why it failed or ""."""
    words = [sys.executable, "-c", code]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=IMPORT_S)
    except subprocess.TimeoutExpired:
        return "", f"no end after {IMPORT_S:.0f} s"
    if done.returncode < 0:
        return "", f"killed by signal {-done.returncode}"
    if done.returncode:
        return "", (done.stderr.strip().splitlines() or ["it failed without a word"])[-1]
    return done.stdout, ""


def read_host(url: str, forbidden: str = "") -> HostFacts:
    """Ask a host for its first page's head; any answer of its own will do.

    Args:
        url: its address; what it says beside the host's name is not shown.
        forbidden: the variable that forbids to ask, or "".
    """
    host = urlsplit(url).hostname or "the address of HF_ENDPOINT"
    if forbidden:
        return HostFacts(host, forbidden=forbidden)
    answer = _later(lambda: _ask(url, host))
    try:
        found: HostFacts = answer.result(timeout=2 * ANSWER_S)  # the look-up of a name has no limit
    except TimeoutError:
        return HostFacts(host, f"no answer in {2 * ANSWER_S:.0f} s")
    except Exception as error:  # whatever a library raises for a strange address
        return HostFacts(host, type(error).__name__)
    return found


def _ask(url: str, host: str) -> HostFacts:
    began = time.time()
    try:
        with urlopen(Request(url, method="HEAD"), timeout=ANSWER_S) as answer:
            status, headers, at = answer.status, answer.headers, answer.url
    except HTTPError as error:
        status, headers, at = error.code, error.headers, error.url or url
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or getattr(reason, "reason", None)
        return HostFacts(host, str(why or type(reason).__name__))
    ended = urlsplit(at).hostname or host
    if ended.split(".")[-2:] != host.split(".")[-2:]:
        return HostFacts(host, f"another host answers, {ended}: a page to log in?")
    if status == 407 or status >= 500:
        return HostFacts(host, f"HTTP {status}")
    return HostFacts(host, ahead_s=_ahead(headers.get("Date"), (began + time.time()) / 2))


def _ahead(date: str | None, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date or "").timestamp() - now
    except ValueError:
        return None


def read_folder(path: Path, *, count_s: float = COUNT_S) -> FolderFacts:
    """Read what a folder takes, as far as it can be counted in ``count_s`` seconds."""
    path = path.absolute()
    there = next(above for above in (path, *path.parents) if above.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        free = 0
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    used, whole = _used(path, count_s)
    return FolderFacts(path, path.is_dir(), writable, free, used, whole)


def _used(path: Path, count_s: float) -> tuple[int, bool]:
    """Sum up the bytes of files; links count nothing, since what they lead to is counted there."""
    ends, total = time.monotonic() + count_s, 0
    waiting = [path]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if time.monotonic() > ends:
                        return total, False
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total, True


def hub_models(cache: Path) -> list[str]:
    """Return the repositories in the hub's cache that have a file of weights."""
    found = set()
    for file in cache.glob("models--*/snapshots/*/*"):
        if file.suffix in WEIGHTS and file.is_file():
            found.add(file.parts[-4].removeprefix("models--").replace("--", "/"))
    return sorted(found)


def torch_models(cache: Path) -> list[str]:
    """Return the files of weights in torch's cache."""
    files = cache.glob("hub/checkpoints/*")
    return sorted(file.name for file in files if file.suffix in WEIGHTS and file.is_file())


def _newest(files: Iterable[Path]) -> float:
    return max((file.stat().st_mtime for file in files), default=0.0)
