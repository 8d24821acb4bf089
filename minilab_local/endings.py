"""Ending processes that need not be children of this one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import psutil

_INSIST_SECONDS = 5.0


def end(processes: Sequence[psutil.Process], seconds: float) -> None:
    """Ask them to end, and kill what has not after ``seconds``."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    alive = _alive_after(seconds, processes)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _alive_after(_INSIST_SECONDS, alive)


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended. A zombie has: its parent only has not asked after it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _alive_after(seconds: float, processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Wait for processes to end; returns those that have not.

    ``psutil.wait_procs`` alone would wait in vain for another process's zombie.
    """
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if runs(process)]:
        if time.monotonic() > deadline:
            break
        psutil.wait_procs(alive, timeout=0.1)
    return alive
