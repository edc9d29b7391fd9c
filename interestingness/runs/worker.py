"""Run a job as one of several processes, started by our agent, torchrun or srun."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from interestingness.runs.team import INTERRUPTED, ProcessLost, world_of

T = TypeVar("T")

LATER_S = 2.0
"""Seconds for which processes beside the first hold an error back: often all have the same."""
LOST_S = 10.0
"""Seconds that a process which lost another one leaves it to be seen as the one that failed."""
TERMINATED = threading.Event()
"""Set once SIGTERM has told a process that is alone to end."""
AGAIN_S = 5.0
"""Seconds after which a process that still runs is interrupted again."""


def hold_back_sigterm() -> None:
    """Block SIGTERM in all threads started later, except the one that will wait for it.

    Lightning's own handler waits for the other processes, which may wait for this one meanwhile.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def as_worker(job: Callable[[], T]) -> T | None:
    """Run a job, as one of several processes if this is one.

    Its error is recorded for the agent that started it. While it waits with an error it may be
    killed: then the first process, or the one that failed first, has printed what happened.

    Args:
        job: what each process does.

    Returns:
        What the job returned; None where it ended by a SystemExit of 0.
    """
    world = world_of()
    if world is None:
        _end_in_order_on_sigterm()
        return job()
    from torch.distributed.elastic.multiprocessing.errors import record

    _take_sigterm_for_ctrl_c()
    try:
        return record(job)()
    except ProcessLost as error:
        _wait(LOST_S)
        print(f"error: {error}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        # During teardown, threads of the group may abort, or wait for a process that hangs.
        os._exit(error.exit_code)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if world.rank > 0:  # the first one says it, for all
            raise SystemExit(130) from None
        raise
    except Exception:
        if world.rank > 0:
            _wait(LATER_S)
        raise


def _wait(seconds: float) -> None:
    """Let others print first; end silently if asked to end meanwhile."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    if INTERRUPTED.is_set():
        os._exit(130)
    time.sleep(seconds)


def interrupted_status() -> int:
    """Return the exit status of a command that was interrupted, as shells count signals."""
    return 128 + (signal.SIGTERM if TERMINATED.is_set() else signal.SIGINT)


def _end_in_order_on_sigterm() -> None:
    """Raise KeyboardInterrupt for SIGTERM in a process that is alone: the run records its end."""

    def terminate(*_: Any) -> None:
        TERMINATED.set()
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():  # others receive no signals
        signal.signal(signal.SIGTERM, terminate)


def _take_sigterm_for_ctrl_c() -> None:
    """Raise KeyboardInterrupt for SIGTERM as for Ctrl-C.

    It is raised again after a while: Python drops an exception raised while an object is deleted.
    Lightning ignores Ctrl-C once it has been interrupted. A process in the background inherits that
    Ctrl-C is ignored.
    """

    def interrupt(*_: Any) -> None:
        INTERRUPTED.set()
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
        raise KeyboardInterrupt

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=wait, daemon=True, name="sigterm").start()
