"""`minilab up`: everything runs, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest

from minilab_local import stack

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A running `minilab up` with a home of its own, and the file of what it says."""
    said = tmp_path / "said"
    environ = os.environ | {"MINILAB_HOME": str(tmp_path / "home")}
    with said.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "minilab.cli", "up", "--no-open"],
            cwd=ROOT,
            env=environ,
            stderr=stderr,
            text=True,
        )
    try:
        yield process, said
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)


def _until_it_says(text: str, process: subprocess.Popen[str], said: Path) -> str:
    deadline = time.monotonic() + SECONDS
    while text not in said.read_text():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.3)
    return said.read_text()


def test_it_opens_the_ui_with_sensors_running_and_stops_whole(
    up: tuple[subprocess.Popen[str], Path],
) -> None:
    process, said = up
    text = _until_it_says("Ctrl-C", process, said)
    found = re.search(r"Dagster\s+(http://\S+)", text)
    assert found, text
    assert _running_sensors(found[1]) >= {"kafka_backlog", "sqs_backlog", "automation"}
    api = re.search(r"API\s+(http://\S+)", text)
    assert api, text
    with urllib.request.urlopen(f"{api[1]}/v1/health", timeout=60) as response:
        assert response.status == 200

    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 0, said.read_text()

    gone, alive = psutil.wait_procs(below, timeout=10)
    assert not alive
    assert gone
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{api[1]}/v1/health", timeout=60)


def _running_sensors(url: str) -> set[str]:
    query = """
      { repositoriesOrError { ... on RepositoryConnection { nodes {
          sensors { name sensorState { status } } } } } }
    """
    request = urllib.request.Request(
        f"{url}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        (repository,) = json.load(response)["data"]["repositoriesOrError"]["nodes"]
    return {
        sensor["name"]
        for sensor in repository["sensors"]
        if sensor["sensorState"]["status"] == "RUNNING"
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sensors_and_runs_have_roles_of_their_own(tmp_path: Path) -> None:
    """What is taken from a role, its part of Dagster is refused, and no other part."""
    home, said = tmp_path / "home", tmp_path / "said"
    environ = os.environ | {"MINILAB_HOME": str(home)}
    with said.open("w") as stderr:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "minilab.cli", "up", "--no-open"),
                *("--enforce-iam", "--traffic", "20"),
            ],
            cwd=ROOT,
            env=environ,
            stderr=stderr,
            text=True,
        )
    try:
        _until_it_says("Ctrl-C", process, said)
        root = environ | stack.environment(home)
        _take(root, "minilab-dev-dagster-run", "dynamodb:UpdateItem")
        _until_refused(home, "minilab-dev-dagster-run", "dynamodb:UpdateItem")
        assert {denial["role"] for denial in stack.denials(home)} == {"minilab-dev-dagster-run"}
        _take(root, "minilab-dev-dagster-code", "sqs:GetQueueAttributes")
        _until_refused(home, "minilab-dev-dagster-code", "sqs:GetQueueAttributes")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0, said.read_text()
        assert not stack.status(home).running


def _take(environ: dict[str, str], role: str, action: str) -> None:
    iam = boto3.client(
        "iam",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="taken", PolicyDocument=document)


def _until_refused(home: Path, role: str, action: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not [d for d in stack.denials(home) if (d["role"], d["action"]) == (role, action)]:
        assert time.monotonic() < deadline, stack.denials(home)
        time.sleep(1)
