"""A process that is kept running: started, watched, started again when it died, stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from minilab.errors import MinilabError
from minilab_local.home import tail

log = logging.getLogger(__name__)

_START_SECONDS = 60.0
_LONG_LOG = 20_000_000


class StartError(MinilabError):
    """A part of the stack did not come up."""


@dataclass
class Child:
    """One supervised process: how it is started, and how one knows that it works.

    ``environment`` is its whole environment; within ``stop_seconds`` it ends after SIGTERM.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]
    healthy: Callable[[], bool]
    log_file: Path
    hint: str
    """What to do when it does not come up."""
    inherited: tuple[int, ...] = ()
    cwd: Path | None = None
    stop_seconds: float = 30.0
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    backoff: float = 0.5
    restarts: int = 0
    retry_at: float | None = None
    created: float = field(default=0.0)

    def start(self) -> None:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.inherited,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self.started = time.monotonic()
        self.retry_at = None
        with contextlib.suppress(psutil.Error):
            self.created = psutil.Process(self.process.pid).create_time()
        log.info("%s started, pid %d", self.name, self.process.pid)

    def wait_until_healthy(self, stopping: Callable[[], bool]) -> None:
        """Raises:
        StartError: it ended, or did not answer in time; with the last lines of its log.
        """
        while not stopping() and not self.has_come_up():
            time.sleep(0.02)

    def has_come_up(self) -> bool:
        """Whether it works, for the first time since it was started.

        Raises:
            StartError: it ended, or does not answer in time; with the last lines of its log.
        """
        assert self.process is not None
        if (code := self.process.poll()) is not None:
            raise self._start_error(f"ended with exit code {code} while it was starting")
        if self.healthy():
            return True
        if time.monotonic() - self.started > _START_SECONDS:
            raise self._start_error(f"does not answer after {_START_SECONDS:.0f} s")
        return False

    def _start_error(self, what: str) -> StartError:
        quoted = tail(self.log_file) or "(the log is empty)"
        return StartError(
            f"{self.name} {what}. The end of {self.log_file}:\n{quoted}",
            hint=self.hint,
        )

    def keep_running(self) -> bool:
        """Restart it if it died, each time after a longer wait. Returns whether it was started."""
        if self.process is None or self.process.poll() is None:
            return False
        now = time.monotonic()
        if self.retry_at is None:
            if now - self.started > 60:
                self.backoff = 0.5
            log.error(
                "%s ended with exit code %s; starting it again in %.1f s",
                self.name,
                self.process.returncode,
                self.backoff,
            )
            self.retry_at = now + self.backoff
            self.backoff = min(self.backoff * 2, 30.0)
            return False
        if now < self.retry_at:
            return False
        self.restarts += 1
        self.start()
        return True

    def shorten_log(self) -> None:
        """Move a long log aside. It stays open in the child, so its bytes are moved, not it."""
        if self.log_file.exists() and self.log_file.stat().st_size > _LONG_LOG:
            shutil.copyfile(self.log_file, self.log_file.with_suffix(".log.1"))
            os.truncate(self.log_file, 0)

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait_until_stopped(self) -> None:
        """After it was asked to: wait for its end, and insist after ``stop_seconds``."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            log.error("%s does not end by SIGTERM; killing it", self.name)
            self.process.kill()
            self.process.wait()
        log.info("%s stopped", self.name)

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "pid": self.process.pid if self.process else None,
            "created": self.created,
            "restarts": self.restarts,
            "log": str(self.log_file),
        }


def keep_all_running(children: Iterable[Child]) -> bool:
    """Restart those that died. Returns whether one was started."""
    started = [child.keep_running() for child in children]
    return any(started)


def plain_environment() -> dict[str, str]:
    """Ours without what would point a child at somebody's real AWS account."""
    return {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}


def _die_with_parent() -> None:
    """Linux: end this child when the supervisor ends, however that was (prctl PR_SET_PDEATHSIG)."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
