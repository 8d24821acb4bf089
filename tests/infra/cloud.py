"""A moto server of the tests' own, with the extension that infra/ needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "eu-central-1"
MANAGEMENT = "123456789012"
"""moto's account for credentials that it does not know."""


@dataclass(frozen=True)
class Cloud:
    """Where the server listens, and how clients reach it."""

    endpoint: str
    stubs: list[dict[str, str]]
    """What the extension answers in moto's place: service, action and why."""

    @property
    def environ(self) -> dict[str, str]:
        """What turns any AWS client to this cloud.

        S3 Control puts the account's id before the host's name, which then resolves nowhere: the
        proxy brings such requests here too. Names that are plain addresses pass it by.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "HTTP_PROXY": self.endpoint,
        }

    def client(self, service: str, account: str = MANAGEMENT) -> Any:
        """A boto3 client within an account: for a member, by the role that AWS makes with it."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        if account != MANAGEMENT:
            assumed = self.client("sts").assume_role(
                RoleArn=f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole",
                RoleSessionName="test",
            )["Credentials"]
            keys = {
                "aws_access_key_id": assumed["AccessKeyId"],
                "aws_secret_access_key": assumed["SecretAccessKey"],
                "aws_session_token": assumed["SessionToken"],
            }
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            config=Config(retries={"max_attempts": 1}, proxies={"http": self.endpoint}),
            **keys,
        )


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    """Start the server and stop it at the end. It also ends when this process does."""
    server = subprocess.Popen(
        [sys.executable, "-m", "moto_extension.server"],
        cwd=Path(__file__).parent,
        env={**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None and server.stdin is not None
    try:
        line = server.stdout.readline()
        assert line, "the moto server did not start"
        ready = json.loads(line)
        yield Cloud(f"http://127.0.0.1:{ready['port']}", ready["stubs"])
    finally:
        server.stdin.close()
        server.wait(timeout=30)


def refused(call: Any, **arguments: Any) -> str:
    """The error code with which a call fails.

    Raises:
        AssertionError: it does not fail.
    """
    try:
        answer = call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    raise AssertionError(f"not refused: {answer}")
