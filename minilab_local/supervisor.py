"""Keeps the laptop's AWS and Kafka running: ``python -m minilab_local.supervisor --home DIR``.

It owns the endpoint's listening socket and lends it to the AWS server, so the port stays the same
and clients wait in the queue, instead of being refused, while a server that died comes back. All
that others need to know of it stands in ``run/stack.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from minilab.errors import MinilabError
from minilab_local.aws.http import HEALTH_PATH
from minilab_local.home import logs, ports_file, read_json, run_file, tail, write_json
from minilab_local.kafka import broker

log = logging.getLogger("minilab_local.supervisor")

REGION = "us-east-1"
CREDENTIALS = {
    # Twenty characters beginning with AKIA: clients and moto know an access key by that form.
    "AWS_ACCESS_KEY_ID": "AKIAMINILABLOCAL0000",
    "AWS_SECRET_ACCESS_KEY": "minilab-local-secret",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LONG_LOG = 20_000_000


class StartError(MinilabError):
    """A part of the stack did not come up."""


@dataclass
class Child:
    """One supervised process: how it is started, and how one knows that it works."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    healthy: Callable[[], bool]
    log_file: Path
    inherited: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    backoff: float = 0.5
    restarts: int = 0
    retry_at: float | None = None
    created: float = field(default=0.0)

    def start(self) -> None:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > _LONG_LOG:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**_plain_environment(), **self.environment},
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
        assert self.process is not None
        deadline = time.monotonic() + _START_SECONDS
        while not stopping():
            if (code := self.process.poll()) is not None:
                raise self._start_error(f"ended with exit code {code} while it was starting")
            if self.healthy():
                return
            if time.monotonic() > deadline:
                raise self._start_error(f"does not answer after {_START_SECONDS:.0f} s")
            time.sleep(0.02)

    def _start_error(self, what: str) -> StartError:
        quoted = tail(self.log_file) or "(the log is empty)"
        return StartError(
            f"{self.name} {what}. The end of {self.log_file}:\n{quoted}",
            hint="`minilab local reset` empties the laptop's state, if that is what is damaged.",
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

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
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


def _plain_environment() -> dict[str, str]:
    """Ours without what would point a child at somebody's real AWS account."""
    return {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}


def _die_with_parent() -> None:
    """Linux: end this child when the supervisor ends, however that was (prctl PR_SET_PDEATHSIG)."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Supervisor:
    def __init__(
        self, home: Path, port: int | None, kafka_port: int | None, owner: int | None = None
    ) -> None:
        self.home = home
        self._owner = owner
        self.stopping = False
        self._phase = "starting"
        self._children: list[Child] = []
        previous = read_json(ports_file(home))
        self._listener = _listen(port, previous.get("aws"))
        self.port: int = self._listener.getsockname()[1]
        self.kafka_port = _choose_port(kafka_port, previous.get("kafka"), "--kafka-port")
        write_json(ports_file(home), {"aws": self.port, "kafka": self.kafka_port})

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            **CREDENTIALS,
            "MINILAB_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.kafka_port}",
        }

    def run(self) -> int:
        try:
            self._start_all()
            self._publish("ready")
            while not self.stopping:
                time.sleep(0.2)
                if self._owner is not None and not psutil.pid_exists(self._owner):
                    log.info("process %d, for which this ran, has ended", self._owner)
                    break
                restarted = [child.name for child in self._children if child.keep_running()]
                if restarted:
                    self._publish("ready")
        except MinilabError as error:
            log.error("%s", error)
            self._stop_all()
            self._publish("failed", error=error.message, hint=error.hint)
            return 1
        except BaseException:
            self._stop_all()
            run_file(self.home).unlink(missing_ok=True)
            raise
        self._publish("stopping")
        self._stop_all()
        run_file(self.home).unlink(missing_ok=True)
        log.info("stopped")
        return 0

    def _start_all(self) -> None:
        self._publish("starting AWS (S3, SQS, DynamoDB, Glue, Athena …)")
        self._start(self._aws())
        if self.stopping:
            return
        self._publish("starting Kafka")
        _make_bucket(self.port, broker.BUCKET)
        self._start(self._kafka())

    def _start(self, child: Child) -> None:
        self._children.append(child)
        child.start()
        child.wait_until_healthy(lambda: self.stopping)

    def _stop_all(self) -> None:
        for child in reversed(self._children):  # Kafka's disk is AWS's S3: it goes first
            child.stop()

    def _aws(self) -> Child:
        descriptor = self._listener.fileno()
        return Child(
            name="AWS",
            command=[
                *(sys.executable, "-m", "minilab_local.aws.server"),
                *("--home", str(self.home), "--fd", str(descriptor)),
            ],
            environment={},
            healthy=lambda: _answers_http(self.port),
            log_file=logs(self.home) / "aws.log",
            inherited=(descriptor,),
        )

    def _kafka(self) -> Child:
        return Child(
            name="Kafka",
            command=broker.command(self.kafka_port),
            environment=broker.environment(self.endpoint, CREDENTIALS),
            healthy=lambda: broker.answers(self.kafka_port),
            log_file=logs(self.home) / "kafka.log",
        )

    def _publish(self, phase: str, **more: Any) -> None:
        me = psutil.Process()
        write_json(
            run_file(self.home),
            {
                "phase": phase,
                "supervisor": {"pid": me.pid, "created": me.create_time()},
                "endpoint": self.endpoint,
                "environment": self.environment,
                "children": {child.name: child.facts for child in self._children},
                **more,
            },
        )


def _listen(wanted: int | None, previous: int | None) -> socket.socket:
    for port in (wanted,) if wanted else (previous, 0):
        if port is None:
            continue
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        listener.listen(512)
        return listener
    raise _port_taken("--port", wanted)


def _choose_port(wanted: int | None, previous: int | None, option: str) -> int:
    for port in (wanted,) if wanted else (previous, 0):
        if port is None:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise _port_taken(option, wanted)


def _port_taken(option: str, port: int | None) -> StartError:
    return StartError(
        f"Port {port} on 127.0.0.1 cannot be had: another process has it, or it is privileged.",
        hint=f"Name another port, or leave {option} out and a free one is found.",
    )


def _answers_http(port: int) -> bool:
    try:
        return _http(port, "GET", HEALTH_PATH, timeout=2.0) == 200
    except (OSError, http.client.HTTPException):
        return False


def _make_bucket(port: int, bucket: str) -> None:
    status = _http(port, "PUT", f"/{bucket}", timeout=10.0)
    if status not in (200, 409):  # 409: it is there
        raise StartError(f"The broker's bucket {bucket} could not be made: HTTP {status}.")


def _http(port: int, method: str, path: str, timeout: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m minilab_local.supervisor", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--kafka-port", type=int)
    parser.add_argument("--owner", type=int, help="stop when the process of this id has ended")
    options = parser.parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        supervisor = Supervisor(options.home, options.port, options.kafka_port, options.owner)
    except MinilabError as error:
        log.error("%s", error)
        me = psutil.Process()
        facts = {"pid": me.pid, "created": me.create_time()}
        write_json(
            run_file(options.home),
            {"phase": "failed", "error": error.message, "hint": error.hint, "supervisor": facts},
        )
        return 1

    def stop(signum: int, frame: object) -> None:
        supervisor.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
