"""The platform's two services on the laptop: the ingestion API behind a gateway, the processor.

They need what ``minilab provision`` makes, so they do not start with AWS and Kafka, but when they
are asked for: by a file, ``run/services.json``, that the supervisor watches. While it is there the
services are kept running; another one replaces them; without it they are stopped.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from minilab_local import ports, probe
from minilab_local.child import Child, StartError, keep_all_running, plain_environment
from minilab_local.home import logs, ports_file, read_json, services_file, write_json

log = logging.getLogger(__name__)

API_URL = "MINILAB_API_URL"
# The roles that Terraform makes for the two.
API_ROLE, PROCESSOR_ROLE = "ingest", "processor"
_HEALTH_PATH = "/v1/health"
# Settings of whoever asks for the services; never those of whoever started the supervisor.
_SETTINGS = ("MINILAB_", "POWERTOOLS_")
_HINT = "AWS and Kafka run on without the services, which can be started again."
# The gateway waits 30 s for its function, so that long may a request be under way.
_STOP_SECONDS = 35.0


@dataclass(frozen=True)
class Wanted:
    """The services that are asked for: which, where, with which settings, and for how long."""

    handler: str
    """The API's Lambda handler, ``package.module:function``."""
    processor: tuple[str, ...]
    """The processor's command line."""
    cwd: str
    settings: dict[str, str]
    owner: int | None = None
    """They are stopped when the process of this id has ended."""
    credentials: dict[str, dict[str, str]] = field(default_factory=dict, compare=False)
    """AWS variables by role; empty where IAM is not enforced, and all are the account's root."""
    id: str = field(default_factory=lambda: uuid4().hex, compare=False)


def want(
    handler: str,
    processor: Sequence[str],
    environ: Mapping[str, str],
    *,
    owner: int | None,
    stack: Mapping[str, str],
    credentials: Mapping[str, Mapping[str, str]] | None = None,
) -> Wanted:
    """What a process of this ``environ`` wants; what the stack itself sets is left to it."""
    settings = {
        name: value
        for name, value in environ.items()
        if name.startswith(_SETTINGS) and name not in stack and name != API_URL
    }
    as_roles = {role: dict(variables) for role, variables in (credentials or {}).items()}
    return Wanted(handler, tuple(processor), str(Path.cwd()), settings, owner, as_roles)


def ask(home: Path, wanted: Wanted | None) -> None:
    """Leave the supervisor the message; None takes back what was wanted."""
    if wanted is None:
        services_file(home).unlink(missing_ok=True)
    else:
        write_json(services_file(home), asdict(wanted))


def asked(home: Path) -> Wanted | None:
    document = read_json(services_file(home))
    if not document:
        return None
    return Wanted(**{**document, "processor": tuple(document["processor"])})


class Services:
    """The supervisor's part: brings what runs in line with what is asked for."""

    def __init__(self, home: Path, stack: Mapping[str, str]) -> None:
        """``stack``: the environment that leads to AWS and Kafka."""
        self.children: list[Child] = []
        self._home = home
        self._stack = stack
        self._wanted: Wanted | None = None
        self._phase = "stopped"
        self._error: StartError | None = None
        self._listener: Any = None
        ask(home, None)  # by an earlier supervisor's owner

    @property
    def environment(self) -> dict[str, str]:
        """What clients of the services need; empty while there are none."""
        return {API_URL: self._url} if self._phase == "ready" else {}

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"phase": self._phase}
        if self._wanted:
            facts["id"] = self._wanted.id
        if self._error:
            facts |= {"error": self._error.message, "hint": self._error.hint}
        return facts

    def tend(self) -> bool:
        """Start, stop, watch or restart, whatever is due. Returns whether something changed."""
        wanted = asked(self._home)
        if wanted and wanted.owner is not None and not psutil.pid_exists(wanted.owner):
            log.info("process %d, for which the services ran, has ended", wanted.owner)
            ask(self._home, None)
            wanted = None
        if (wanted and wanted.id) != (self._wanted and self._wanted.id):
            self.stop()
            if wanted:
                self._attempt(wanted, lambda: self._start(wanted))
            return True
        if self._phase == "starting" and self._wanted:
            self._attempt(self._wanted, self._look_whether_up)
            return self._phase != "starting"
        return keep_all_running(self.children)

    def stop(self) -> None:
        """Stop both, and give up the API's port."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.wait_until_stopped()
        self.children = []
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._wanted, self._phase, self._error = None, "stopped", None

    def _attempt(self, wanted: Wanted, step: Callable[[], None]) -> None:
        try:
            step()
        except (StartError, OSError) as error:
            self.stop()
            failure = error if isinstance(error, StartError) else StartError(str(error))
            log.error("the services do not start: %s", failure)
            self._wanted, self._phase, self._error = wanted, "failed", failure

    def _start(self, wanted: Wanted) -> None:
        known = read_json(ports_file(self._home))
        self._listener = ports.listen(None, known.get("api"), "--port")
        port: int = self._listener.getsockname()[1]
        write_json(ports_file(self._home), {**known, "api": port})
        self._url = f"http://127.0.0.1:{port}"
        self._wanted, self._phase = wanted, "starting"
        self.children = [self._api(wanted, port), self._processor(wanted)]
        for child in self.children:
            child.start()

    def _look_whether_up(self) -> None:
        up = [child.has_come_up() for child in self.children]  # of each: one may have ended
        if all(up):
            self._phase = "ready"

    def _api(self, wanted: Wanted, port: int) -> Child:
        # The socket is the supervisor's, as AWS's is: clients wait while the API is started again.
        descriptor: int = self._listener.fileno()
        return Child(
            name="API",
            command=[
                *(sys.executable, "-m", "minilab_local.gateway.server"),
                *("--handler", wanted.handler, "--fd", str(descriptor)),
            ],
            environment=self._environment(wanted, API_ROLE),
            healthy=lambda: probe.answers(port, _HEALTH_PATH, timeout=0.5),
            log_file=logs(self._home) / "api.log",
            hint=_HINT,
            inherited=(descriptor,),
            cwd=Path(wanted.cwd),
            stop_seconds=_STOP_SECONDS,
        )

    def _processor(self, wanted: Wanted) -> Child:
        return Child(
            name="processor",
            command=list(wanted.processor),
            environment=self._environment(wanted, PROCESSOR_ROLE),
            healthy=lambda: True,  # it answers nobody: that it runs is all there is to see
            log_file=logs(self._home) / "processor.log",
            hint=_HINT,
            cwd=Path(wanted.cwd),
            stop_seconds=_STOP_SECONDS,
        )

    def _environment(self, wanted: Wanted, role: str) -> dict[str, str]:
        plain = {k: v for k, v in plain_environment().items() if not k.startswith(_SETTINGS)}
        return {
            **plain,
            **wanted.settings,
            **self._stack,
            **wanted.credentials.get(role, {}),
            API_URL: self._url,
            "PYTHONUNBUFFERED": "1",  # metrics are printed, and a log is read while it grows
        }
