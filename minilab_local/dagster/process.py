"""`dagster dev` as a process of ours: started, waited for, stopped."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from minilab.errors import MinilabError

_TEMPLATE = Path(__file__).with_name("dagster.yaml")
_START_SECONDS = 120
_STOP_SECONDS = 15
_KILL_SECONDS = 5


def prepare_home(state: Path) -> Path:
    """Make ``DAGSTER_HOME`` below the laptop's state folder; its configuration follows ours."""
    home = state / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_TEMPLATE, home / "dagster.yaml")
    return home


def free_port(wanted: int) -> int:
    """``wanted`` where it is free on 127.0.0.1, otherwise one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise MinilabError("No free port on 127.0.0.1.")


class DagsterDev:
    """The webserver, the daemon and the code location, as `dagster dev` runs them."""

    def __init__(self, *, root: Path, environ: Mapping[str, str], port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._root = root
        self._environ = dict(environ)
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until the UI answers.

        Raises:
            MinilabError: it ended, or did not answer in time; the message holds the log's end.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml"),
                    *("-h", "127.0.0.1", "-p", str(self._port)),
                ],
                cwd=self._root,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell that starts us in the background has SIGINT ignored, and `dagster dev`
                # would inherit that and never stop.
                preexec_fn=_default_signals,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self.running():
                raise MinilabError(f"Dagster ended while starting:\n{self._log_end()}")
            if time.monotonic() > deadline:
                self.stop()
                raise MinilabError(
                    f"Dagster did not answer in {_START_SECONDS} s:\n{self._log_end()}"
                )
            time.sleep(0.3)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end (it then ends its own children), and insist after a while.

        Nothing that it started outlives it: a run that is cut off is safe to be cut off, and what
        it was landing is landed by the next one.
        """
        if self._process is None:
            return
        tree = self._tree()
        if self.running():
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(tree, timeout=_KILL_SECONDS)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=_KILL_SECONDS)
        self._process.poll()

    def _tree(self) -> list[psutil.Process]:
        """It and all below it: servers, daemon and runs have sessions and groups of their own."""
        assert self._process is not None
        try:
            dev = psutil.Process(self._process.pid)
            return [*dev.children(recursive=True), dev]
        except psutil.NoSuchProcess:
            return []

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-20:]
        return "\n".join(lines) + f"\n(whole log: {self.log})"


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
