"""Dagster as processes of ours: started, waited for, stopped.

`dagster dev` is all of it, with one set of credentials. Where each part is to have its own, the
code server, the daemon and the webserver are started by themselves, as on AWS.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from minilab.errors import MinilabError
from minilab_local import ports, probe
from minilab_local.endings import end
from minilab_local.home import tail

_TEMPLATE = Path(__file__).with_name("dagster.yaml")
_START_SECONDS = 120
_STOP_SECONDS = 15
_KILL_SECONDS = 5


# The roles that Terraform makes for Dagster's parts, and for what it runs.
CODE_ROLE, DAEMON_ROLE, WEBSERVER_ROLE = "dagster-code", "dagster-daemon", "dagster-webserver"
RUN_ROLE = "dagster-run"
ROLES = (CODE_ROLE, DAEMON_ROLE, WEBSERVER_ROLE, RUN_ROLE)

Credentials = Mapping[str, Mapping[str, str]]
"""AWS variables by role; empty where IAM is not enforced."""


def prepare_home(state: Path, credentials: Credentials) -> Path:
    """Make ``DAGSTER_HOME`` below the laptop's state folder; its configuration follows ours."""
    home = state / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    configuration = _TEMPLATE.read_text()
    if credentials:
        document = yaml.safe_load(configuration)
        document["run_launcher"]["config"] = {"environment": dict(credentials[RUN_ROLE])}
        configuration = yaml.safe_dump(document)
    (home / "dagster.yaml").write_text(configuration)
    return home


@dataclass(frozen=True)
class Part:
    """One process: its command line, its whole environment, and how one knows that it is up."""

    command: Sequence[str]
    environ: Mapping[str, str]
    is_up: Callable[[], bool] = lambda: True


def parts(root: Path, environ: Mapping[str, str], url: str, credentials: Credentials) -> list[Part]:
    """What to start, in this order, so that the UI answers at ``url``."""
    address = url.removeprefix("http://").split(":")
    listen = ("-h", address[0], "-p", address[1])
    python = (sys.executable, "-m")

    def ui_answers() -> bool:
        return probe.answers(int(address[1]), "/server_info")

    if not credentials:
        command = (*python, "dagster", "dev", "-w", "workspace.yaml", *listen)
        return [Part(command, environ, ui_answers)]
    module = yaml.safe_load((root / "workspace.yaml").read_text())["load_from"][0]["python_module"]
    name, port = module["location_name"], ports.choose(None, 0, "--port")
    workspace = Path(environ["DAGSTER_HOME"]) / "workspace.yaml"
    server = {"host": "127.0.0.1", "port": port, "location_name": name}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    code_server = (
        *(*python, "dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(port)),
        *("-m", module["module_name"], "-d", module["working_directory"], "--location-name", name),
    )
    daemon = (*python, "dagster._daemon", "run", "-w", str(workspace))
    webserver = (*python, "dagster_webserver", "-w", str(workspace), *listen)
    return [
        Part(code_server, {**environ, **credentials[CODE_ROLE]}, lambda: _is_open(port)),
        Part(daemon, {**environ, **credentials[DAEMON_ROLE]}),
        Part(webserver, {**environ, **credentials[WEBSERVER_ROLE]}, ui_answers),
    ]


class Dagster:
    """The webserver, the daemon and the code location, in one process or in three."""

    def __init__(
        self, *, root: Path, environ: Mapping[str, str], port: int, credentials: Credentials
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = Path(environ["DAGSTER_HOME"]) / "dagster.log"
        self._root = root
        self._parts = parts(root, environ, self.url, credentials)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start it and wait until the UI answers.

        Raises:
            MinilabError: it ended, or did not answer in time; the message holds the log's end.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + _START_SECONDS
        for part in self._parts:
            self._launch(part)
            while not part.is_up():
                if not self.running():
                    raise MinilabError(f"Dagster ended while starting:\n{self._log_end()}")
                if time.monotonic() > deadline:
                    self.stop()
                    raise MinilabError(
                        f"Dagster did not answer in {_START_SECONDS} s:\n{self._log_end()}"
                    )
                time.sleep(0.3)

    def _launch(self, part: Part) -> None:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                part.command,
                cwd=self._root,
                env=dict(part.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell that starts us in the background has SIGINT ignored, and `dagster dev`
                # would inherit that and never stop.
                preexec_fn=_default_signals,
            )
        self._processes.append(process)

    def running(self) -> bool:
        return bool(self._processes) and all(p.poll() is None for p in self._processes)

    def stop(self) -> None:
        """Ask it to end (it then ends its own children), and insist after a while.

        Nothing that it started outlives it: a run that is cut off is safe to be cut off, and what
        it was landing is landed by the next one.
        """
        tree = self._tree()
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        end(tree, _KILL_SECONDS)
        for process in self._processes:
            process.poll()

    def _tree(self) -> list[psutil.Process]:
        """It and all below it: servers, daemon and runs have sessions and groups of their own."""
        tree: list[psutil.Process] = []
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                ours = psutil.Process(process.pid)
                tree += [*ours.children(recursive=True), ours]
        return tree

    def _log_end(self) -> str:
        return f"{tail(self.log, 20)}\n(whole log: {self.log})"


def _is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
