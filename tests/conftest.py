"""Fixtures that every room shares: one laptop's AWS and Kafka per run, many labs in it.

``stack``      session   environment of the one running stack (all xdist workers share it)
``lab``        module    a platform of its own in that stack, provisioned: own names everywhere
``fresh_lab``  function  the same, for a test that must find everything empty
``aws_client`` session   ``aws_client("s3")``: a boto3 client of the stack, outside any lab

No test can reach a real AWS account: whatever AWS variables the shell had are gone before the
first import, and the shared configuration files are out of sight.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from minilab.events.registry import Registry
    from minilab.settings import Settings

for _name in [name for name in os.environ if name.startswith(("AWS_", "MINILAB_"))]:
    del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


@dataclass(frozen=True)
class Lab:
    """One provisioned deployment of the platform inside the shared stack."""

    settings: Settings
    registry: Registry
    environ: dict[str, str]
    """A whole environment for subprocesses: the shell's, the stack's and this lab's names."""

    def client(self, service: str) -> Any:
        """A boto3 client, as the platform itself makes it."""
        from minilab import aws

        return aws.client(service, self.settings)


@contextmanager
def _shared_counter(folder: Path) -> Iterator[dict[str, int]]:
    """How many workers use the stack; held under a lock, kept in a file."""
    with (folder / "stack-users.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / "stack-users.json"
        counter = json.loads(path.read_text()) if path.exists() else {"users": 0}
        yield counter
        path.write_text(json.dumps(counter))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of the one running stack, started by whoever comes first.

    The last worker stops it. It also ends by itself when pytest's controlling process has ended,
    so a killed run leaves nothing behind.
    """
    from minilab_local import stack as local_stack

    in_worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if in_worker else base
    home = shared / "minilab-home"
    owner = os.getppid() if in_worker else os.getpid()
    with _shared_counter(shared) as counter:
        environment = local_stack.start(home, owner=owner)
        counter["users"] += 1
    yield environment
    with _shared_counter(shared) as counter:
        counter["users"] -= 1
        if counter["users"] == 0:
            local_stack.stop(home)


@contextmanager
def _provisioned(stack: dict[str, str]) -> Iterator[Lab]:
    from minilab import aws
    from minilab.events.registry import load_registry
    from minilab.provision import provision
    from minilab.settings import Settings

    unique = secrets.token_hex(4)
    names = {
        **stack,
        "MINILAB_ENV": f"t{unique}",
        "MINILAB_DATABASE_PREFIX": f"t{unique}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        aws._client.cache_clear()  # it may have been made for another endpoint
        settings, registry = Settings.from_env(), load_registry()
        provision(settings, registry)
        yield Lab(settings, registry, dict(os.environ))


@pytest.fixture(scope="module")
def lab(stack: dict[str, str]) -> Iterator[Lab]:
    """A provisioned platform of this module's own; ``os.environ`` points at it."""
    with _provisioned(stack) as lab:
        yield lab


@pytest.fixture
def fresh_lab(stack: dict[str, str]) -> Iterator[Lab]:
    """A provisioned platform of this one test's own."""
    with _provisioned(stack) as lab:
        yield lab


@pytest.fixture(scope="session")
def aws_client(stack: dict[str, str]) -> Callable[[str], Any]:
    """``aws_client("sqs")``: a boto3 client of the stack with plain defaults."""
    import boto3

    session = boto3.session.Session(
        aws_access_key_id=stack["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stack["AWS_SECRET_ACCESS_KEY"],
        region_name=stack["AWS_REGION"],
    )
    return lambda service: session.client(service, endpoint_url=stack["AWS_ENDPOINT_URL"])
