"""Start, stop, restart, crash: the supervised tree and the commands over it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from minilab.errors import MinilabError
from minilab_local import home as homes
from minilab_local import stack as local_stack
from minilab_local.endings import end
from minilab_local.services import Wanted


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def pids(home: Path) -> dict[str, int]:
    status = local_stack.status(home)
    assert status.supervisor_pid is not None
    children = {name: child["pid"] for name, child in status.children.items()}
    return {"supervisor": status.supervisor_pid, **children}


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def minilab(*arguments: str, home: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minilab.cli", *arguments],
        env={**os.environ, "MINILAB_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        **more,
    )


def test_a_whole_life(home: Path) -> None:
    """Down and up keep the ports and the data; a killed child and a killed tree come back."""
    import boto3

    def client(service: str, environment: dict[str, str]) -> Any:
        return boto3.client(
            service,
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )

    told: list[str] = []
    environment = local_stack.start(home, on_progress=told.append)
    assert [text.split()[1] for text in told] == ["AWS", "Kafka"]
    queue = client("sqs", environment).create_queue(QueueName="q")["QueueUrl"]

    # A child that died is started again, on the same port.
    first = pids(home)
    os.kill(first["AWS"], signal.SIGKILL)
    wait_for(lambda: local_stack.status(home).children["AWS"]["restarts"] == 1)
    assert client("sqs", environment).list_queues()["QueueUrls"] == [queue]
    assert pids(home)["Kafka"] == first["Kafka"]

    # Down and up.
    assert local_stack.stop(home)
    assert not local_stack.stop(home)
    assert all(gone(pid) for pid in pids_before(first))
    assert local_stack.start(home) == environment
    assert local_stack.start(home) == environment  # running already
    assert client("sqs", environment).list_queues()["QueueUrls"] == [queue]

    # Everything killed, as by a power button: the state file is stale and known to be.
    second = pids(home)
    for name in ("supervisor", "AWS", "Kafka"):
        os.kill(second[name], signal.SIGKILL)
    wait_for(lambda: all(gone(pid) for pid in second.values()))
    assert homes.run_file(home).exists()
    assert not local_stack.status(home).running
    with pytest.raises(MinilabError, match="not running"):
        local_stack.environment(home)
    assert local_stack.start(home) == environment
    assert client("sqs", environment).list_queues()["QueueUrls"] == [queue]

    # Reset empties.
    local_stack.reset(home)
    assert not local_stack.status(home).running
    assert not (home / "state").exists()
    fresh = local_stack.start(home)
    assert "QueueUrls" not in client("sqs", fresh).list_queues()


def pids_before(known: dict[str, int]) -> list[int]:
    return [known["supervisor"], known["Kafka"]]


def test_a_killed_supervisor_leaves_nobody_behind(home: Path) -> None:
    local_stack.start(home)
    before = pids(home)
    os.kill(before["supervisor"], signal.SIGKILL)
    wait_for(lambda: gone(before["supervisor"]))
    local_stack.start(home)
    assert all(gone(pid) for pid in before.values())


def test_the_stack_ends_with_its_owner(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        local_stack.start(home, owner=owner.pid)
        before = pids(home)
        owner.communicate(b"\n")
    wait_for(lambda: all(gone(pid) for pid in before.values()))


def test_two_starts_at_once_make_one_stack(home: Path) -> None:
    environments: list[dict[str, str]] = []
    threads = [
        threading.Thread(target=lambda: environments.append(local_stack.start(home)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(environments) == 2
    assert environments[0] == environments[1]
    command = ["--home", str(home)]
    supervisors = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "minilab_local.supervisor" in (process.info["cmdline"] or [])
        and process.info["cmdline"][-2:] == command
    ]
    assert len(supervisors) == 1


def test_a_port_that_is_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MinilabError, match=f"Port {port} "):
            local_stack.start(home, port=port)
        assert local_stack.status(home).phase == "stopped"
    local_stack.start(home, port=port)
    with pytest.raises(MinilabError, match="running already"):
        local_stack.start(home, port=port - 1)


def test_a_start_that_fails_half_way_leaves_nothing(home: Path) -> None:
    (home / "state").mkdir(parents=True)
    (home / "state" / "snapshot-000001.pickle").write_bytes(b"nonsense")
    with pytest.raises(MinilabError) as raised:
        local_stack.start(home)
    assert "cannot be read" in str(raised.value)  # the log's end is quoted
    assert not local_stack.status(home).running
    here = str(home)
    assert not [p for p in psutil.process_iter(["cmdline"]) if here in (p.info["cmdline"] or [])]


def test_the_home_is_found_upwards(tmp_path: Path) -> None:
    (tmp_path / "project" / "a" / "b").mkdir(parents=True)
    (tmp_path / "project" / "workspace.yaml").touch()
    inside = tmp_path / "project" / "a" / "b"
    assert homes.find_home({}, inside) == tmp_path / "project" / ".minilab"
    assert homes.find_home({}, tmp_path) == tmp_path / ".minilab"
    assert homes.find_home({"MINILAB_HOME": "/x/y"}, inside) == Path("/x/y")


# The commands


def test_the_commands(home: Path) -> None:
    down = minilab("local", "status", home=home)
    assert (down.returncode, down.stdout) == (3, "")
    env = minilab("local", "env", home=home)
    assert (env.returncode, env.stdout) == (1, "")
    assert "minilab local up" in env.stderr

    up = minilab("local", "up", "--detach", "--no-provision", home=home)
    assert up.returncode == 0, up.stderr
    assert up.stdout == ""

    status = json.loads(minilab("local", "status", "--json", home=home).stdout)
    assert status["running"] and status["healthy"]
    env = minilab("local", "env", home=home)
    assert env.returncode == 0
    exported = {}
    for line in env.stdout.splitlines():
        export, assignment = shlex.split(line)
        assert export == "export"
        name, _, value = assignment.partition("=")
        exported[name] = value
    assert exported == local_stack.environment(home)
    assert exported == json.loads(minilab("local", "env", "--json", home=home).stdout)
    assert exported["AWS_ENDPOINT_URL"] == status["endpoint"]
    sourced = subprocess.run(
        ["bash", "-c", f"{env.stdout}\nprintf %s $AWS_ENDPOINT_URL"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sourced.stdout == status["endpoint"]

    refused = minilab("local", "reset", home=home)
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert local_stack.status(home).running
    assert minilab("local", "reset", "--yes", home=home).returncode == 0
    assert not local_stack.status(home).running
    assert "was not running" in minilab("local", "down", home=home).stderr


def test_up_provisions_what_the_platform_needs(home: Path) -> None:
    up = minilab("local", "up", "--detach", home=home)
    assert up.returncode == 0, up.stderr
    environ = {**os.environ, **local_stack.environment(home)}
    check = subprocess.run(
        [sys.executable, "-m", "minilab.cli", "provision", "--check"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr
    again = minilab("local", "up", "--detach", home=home)
    assert again.returncode == 0
    assert "was running already" in again.stderr


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_ends_all_when_told(home: Path, by: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "minilab.cli", "local", "up", "--no-provision"],
        env={**os.environ, "MINILAB_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
    ) as foreground:
        assert foreground.stderr is not None
        for line in foreground.stderr:
            if "Ctrl-C" in line:
                break
        running = pids(home)
        foreground.send_signal(by)
        foreground.stderr.read()
        assert foreground.wait(60) == 0
    assert all(gone(pid) for pid in running.values())
    assert not local_stack.status(home).running


@pytest.mark.parametrize("command", [[], ["up"], ["down"], ["status"], ["env"], ["reset"]])
def test_every_command_shows_an_example(command: list[str], home: Path) -> None:
    shown = minilab("local", *command, "--help", home=home)
    assert shown.returncode == 0
    assert re.search(r"Example:\n +(eval .*)?minilab local", shown.stdout)


@pytest.mark.timeout(60)
def test_a_process_whose_parent_does_not_ask_after_it_is_not_waited_for() -> None:
    """It stays a zombie until that parent ends: the wait would take all its 600 seconds."""
    careless = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '600']);"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", careless], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None and parent.stdin is not None
        child = psutil.Process(int(parent.stdout.readline()))
        end([child], seconds=600)
        assert child.status() == psutil.STATUS_ZOMBIE
        parent.stdin.close()


def test_the_environment_is_that_of_when_the_services_are_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The supervisor may write its file between two looks at it."""
    wanted = Wanted("handler", (), str(tmp_path), {})
    written: dict[str, str] = {}

    def facts(home: Path) -> dict[str, Any]:
        written["MINILAB_API_URL"] = "http://127.0.0.1:1"
        return {"id": wanted.id, "phase": "ready"}

    monkeypatch.setattr(local_stack, "_services_facts", facts)
    monkeypatch.setattr(local_stack, "environment", lambda home: dict(written))
    assert local_stack._wait_for_services(tmp_path, wanted) == written
