"""Keeps the laptop's AWS and Kafka running: ``python -m minilab_local.supervisor --home DIR``.

And the platform's services, when they are asked for (``minilab_local.services``).

It owns the endpoint's listening socket and lends it to the AWS server, so the port stays the same
and clients wait in the queue, instead of being refused, while a server that died comes back. All
that others need to know of it stands in ``run/stack.json``.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from minilab.errors import MinilabError
from minilab_local import ports, probe
from minilab_local.aws.http import HEALTH_PATH
from minilab_local.child import Child, StartError, keep_all_running, plain_environment
from minilab_local.credentials import CREDENTIALS, signed
from minilab_local.home import logs, ports_file, read_json, run_file, write_json
from minilab_local.kafka import broker
from minilab_local.services import Services

log = logging.getLogger("minilab_local.supervisor")

_HINT = "`minilab local reset` empties the laptop's state, if that is what is damaged."
_TICK_SECONDS = 0.2
_LOG_SECONDS = 10.0  # between looks at the logs' lengths


class Supervisor:
    def __init__(
        self,
        home: Path,
        port: int | None,
        kafka_port: int | None,
        owner: int | None = None,
        *,
        enforce_iam: bool = False,
    ) -> None:
        self.home = home
        self._owner = owner
        self._enforce_iam = enforce_iam
        self.stopping = False
        self._phase = "starting"
        self._children: list[Child] = []
        previous = read_json(ports_file(home))
        self._listener = ports.listen(port, previous.get("aws"), "--port")
        self.port: int = self._listener.getsockname()[1]
        self.kafka_port = ports.choose(kafka_port, previous.get("kafka"), "--kafka-port")
        write_json(ports_file(home), {**previous, "aws": self.port, "kafka": self.kafka_port})
        self._services = Services(home, self._stack_environment)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return self._stack_environment | self._services.environment

    @property
    def _stack_environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            **CREDENTIALS,
            "MINILAB_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.kafka_port}",
        }

    def run(self) -> int:
        try:
            self._start_all()
            self._publish("ready")
            looked_at_logs = time.monotonic()
            while not self.stopping:
                time.sleep(_TICK_SECONDS)
                if self._owner is not None and not psutil.pid_exists(self._owner):
                    log.info("process %d, for which this ran, has ended", self._owner)
                    break
                restarted = keep_all_running(self._children)
                if self._services.tend() or restarted:
                    self._publish("ready")
                if time.monotonic() - looked_at_logs > _LOG_SECONDS:
                    looked_at_logs = time.monotonic()
                    for child in self._all_children():
                        child.shorten_log()
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
        self._services.stop()
        for child in reversed(self._children):  # Kafka's disk is AWS's S3: it goes first
            child.ask_to_stop()
            child.wait_until_stopped()

    def _all_children(self) -> list[Child]:
        return [*self._children, *self._services.children]

    def _aws(self) -> Child:
        descriptor = self._listener.fileno()
        return Child(
            name="AWS",
            command=[
                *(sys.executable, "-m", "minilab_local.aws.server"),
                *("--home", str(self.home), "--fd", str(descriptor)),
                *(("--enforce-iam",) if self._enforce_iam else ()),
            ],
            environment=plain_environment(),
            healthy=lambda: probe.answers(self.port, HEALTH_PATH),
            log_file=logs(self.home) / "aws.log",
            hint=_HINT,
            inherited=(descriptor,),
        )

    def _kafka(self) -> Child:
        return Child(
            name="Kafka",
            command=broker.command(self.kafka_port),
            environment=plain_environment() | broker.environment(self.endpoint, CREDENTIALS),
            healthy=lambda: broker.answers(self.kafka_port),
            log_file=logs(self.home) / "kafka.log",
            hint=_HINT,
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
                "enforces_iam": self._enforce_iam,
                "children": {child.name: child.facts for child in self._all_children()},
                "services": self._services.facts,
                **more,
            },
        )


def _make_bucket(port: int, bucket: str) -> None:
    status = probe.request(port, "PUT", f"/{bucket}", timeout=10.0, headers=signed("s3"))
    if status not in (200, 409):  # 409: it is there
        raise StartError(f"The broker's bucket {bucket} could not be made: HTTP {status}.")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m minilab_local.supervisor", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--kafka-port", type=int)
    parser.add_argument("--owner", type=int, help="stop when the process of this id has ended")
    parser.add_argument(
        "--enforce-iam", action="store_true", help="AWS refuses what IAM does not allow"
    )
    options = parser.parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        supervisor = Supervisor(
            *(options.home, options.port, options.kafka_port, options.owner),
            enforce_iam=options.enforce_iam,
        )
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
