"""An AWS of these tests' own that enforces IAM, and people with what policies they need."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from minilab_local.credentials import CREDENTIALS, REGION

ACCOUNT = "123456789012"
_numbers = count(1)


@lru_cache
def _session() -> boto3.session.Session:
    return boto3.session.Session(region_name=REGION)  # one, so that models are read once


@lru_cache
def _client(endpoint: str, service: str, **keys: str) -> Any:
    config = Config(retries={"max_attempts": 1})
    return _session().client(  # type: ignore[call-overload]
        service, endpoint_url=endpoint, config=config, **keys
    )


@dataclass(frozen=True)
class Aws:
    """The server's endpoint."""

    endpoint: str

    def client(self, service: str, **keys: str) -> Any:
        """A client with these keys; the account's root where there are none."""
        keys = keys or {
            "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }
        return _client(self.endpoint, service, **keys)

    def denials(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.endpoint}/_minilab/denials", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["denials"]
        return found


@dataclass(frozen=True)
class Someone:
    """A session of a role."""

    aws: Aws
    role: str
    keys: dict[str, str]

    def client(self, service: str) -> Any:
        return self.aws.client(service, **self.keys)

    def may(self, *statements: dict[str, Any]) -> None:
        """From now on, this and nothing else."""
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        self.aws.client("iam").put_role_policy(
            RoleName=self.role, PolicyName="use", PolicyDocument=json.dumps(document)
        )


def refused_by(call: Callable[[], Any]) -> str:
    """The message of the refusal."""
    with pytest.raises(ClientError) as raised:
        call()
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return str(raised.value.response["Error"]["Message"])


def allow(actions: str | list[str], resources: str | list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions: str | list[str], resources: str | list[str], **more: Any) -> dict[str, Any]:
    return allow(actions, resources, **more) | {"Effect": "Deny"}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "minilab_local.aws.server", "--enforce-iam"),
            *("--home", str(tmp_path_factory.mktemp("aws"))),
            *("--fd", str(listener.fileno())),
        ],
        pass_fds=(listener.fileno(),),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Aws(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.terminate()
        server.wait(30)
        listener.close()


@pytest.fixture
def someone(aws: Aws) -> Callable[..., Someone]:
    """``someone(statement, …)``: a session of a new role that may do this."""

    def made(*statements: dict[str, Any]) -> Someone:
        role = f"role-{Path(__file__).stem}-{next(_numbers)}"
        arn = aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=_ANYBODY)
        session = aws.client("sts").assume_role(RoleArn=arn["Role"]["Arn"], RoleSessionName="me")
        keys = {
            "aws_access_key_id": session["Credentials"]["AccessKeyId"],
            "aws_secret_access_key": session["Credentials"]["SecretAccessKey"],
            "aws_session_token": session["Credentials"]["SessionToken"],
        }
        who = Someone(aws, role, keys)
        if statements:
            who.may(*statements)
        return who

    return made


_ANYBODY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
        ],
    }
)
