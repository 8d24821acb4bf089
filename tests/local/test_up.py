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

import psutil
import pytest

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
