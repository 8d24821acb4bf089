"""The API and the processor as supervised services, with tiny ones in their place."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from minilab.errors import MinilabError
from minilab_local import child, stack
from minilab_local.child import Child

HANDLER = "tests.local.tiny_services:handler"
PROCESSOR = (sys.executable, "-m", "tests.local.tiny_services")
ROOT = Path(__file__).resolve().parents[2]


def start_services(at: Path, **more: Any) -> dict[str, str]:
    return stack.start_services(at, **{"handler": HANDLER, "processor": PROCESSOR, **more})


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def pid(at: Path, name: str) -> int:
    number = stack.status(at).children[name]["pid"]
    assert isinstance(number, int)
    return number


def ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/v1/health", timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MINILAB_ENV", "tiny")


def test_a_whole_life(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up, seen, killed and back, asked for anew, down, and up again on the same port."""
    without = stack.start(home)
    assert "MINILAB_API_URL" not in without
    assert stack.status(home).children.keys() == {"AWS", "Kafka"}

    environment = start_services(home)
    url = environment["MINILAB_API_URL"]
    assert environment == without | {"MINILAB_API_URL": url}
    assert stack.environment(home) == environment
    first = ask(url)
    assert first["pid"] == pid(home, "API")
    assert first["environment"].items() >= {**environment, "MINILAB_ENV": "tiny"}.items()
    assert start_services(home) == environment  # they run already
    assert ask(url)["pid"] == first["pid"]

    # Killed: the same port, other processes; meanwhile a client waits and is not refused.
    processor = pid(home, "processor")
    os.kill(first["pid"], signal.SIGKILL)
    os.kill(processor, signal.SIGKILL)
    assert ask(url)["pid"] != first["pid"]
    wait_for(lambda: [c["restarts"] for c in stack.status(home).children.values()] == [0, 0, 1, 1])
    assert pid(home, "processor") != processor
    wait_for(lambda: stack.status(home).healthy)

    # Other settings: other processes, and nothing of the old settings.
    monkeypatch.setenv("MINILAB_ENV", "other")
    monkeypatch.setenv("MINILAB_DATABASE_PREFIX", "elsewhere")
    assert start_services(home) == environment
    settings = ask(url)["environment"]
    assert (settings["MINILAB_ENV"], settings["MINILAB_DATABASE_PREFIX"]) == ("other", "elsewhere")
    said = (home / "logs" / "processor.log").read_text().splitlines()
    assert said[-2:] == ["finished what was in flight", "processing as other"]

    # Down ends all, the services first and politely; up alone starts no services.
    running = [child["pid"] for child in stack.status(home).children.values()]
    assert stack.stop(home)
    assert all(gone(each) for each in running)
    assert "finished what was in flight" in (home / "logs" / "processor.log").read_text()[-40:]
    assert (home / "logs" / "api.log").read_text().endswith("stopped\n")
    assert stack.start(home) == without
    assert stack.status(home).children.keys() == {"AWS", "Kafka"}
    monkeypatch.delenv("MINILAB_DATABASE_PREFIX")
    assert start_services(home) == environment
    assert "MINILAB_DATABASE_PREFIX" not in ask(url)["environment"]

    # Stopped alone.
    services = [pid(home, "API"), pid(home, "processor")]
    stack.stop_services(home)
    assert all(gone(each) for each in services)
    assert stack.environment(home) == without
    assert stack.status(home).healthy


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"handler": "no.such.module:handler"}, "API ended with exit code 1.*No module named"),
        ({"processor": (*PROCESSOR, "broken")}, "processor ended with exit code 1.*no such luck"),
        ({"processor": ("/no/such/program",)}, "No such file.*/no/such/program"),
    ],
)
def test_services_that_do_not_start_leave_the_stack_alone(
    home: Path, wrong: dict[str, Any], said: str
) -> None:
    stack.start(home)
    with pytest.raises(MinilabError, match=f"(?s){said}"):
        start_services(home, **wrong)
    now = stack.status(home)
    assert now.healthy
    assert now.children.keys() == {"AWS", "Kafka"}
    assert "MINILAB_API_URL" in start_services(home)


def test_services_need_a_running_stack(home: Path) -> None:
    with pytest.raises(MinilabError, match="not running"):
        start_services(home)


def test_services_end_with_their_owner_and_the_stack_runs_on(home: Path) -> None:
    stack.start(home)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        start_services(home, owner=owner.pid)
        services = [pid(home, "API"), pid(home, "processor")]
        owner.communicate(b"\n")
    wait_for(lambda: all(gone(each) for each in services))
    wait_for(lambda: stack.status(home).children.keys() == {"AWS", "Kafka"})
    assert stack.status(home).healthy


def test_a_killed_supervisor_leaves_no_service_behind(home: Path) -> None:
    stack.start(home)
    start_services(home)
    before = [child["pid"] for child in stack.status(home).children.values()]
    supervisor = stack.status(home).supervisor_pid
    assert supervisor
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: gone(supervisor))
    stack.start(home)
    assert all(gone(each) for each in before)
    assert stack.status(home).children.keys() == {"AWS", "Kafka"}


def test_reset_takes_the_services_along(home: Path) -> None:
    stack.start(home)
    start_services(home)
    services = [pid(home, "API"), pid(home, "processor")]
    stack.reset(home)
    assert all(gone(each) for each in services)
    assert not (home / "logs").exists()


def test_a_long_log_is_moved_aside_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_LONG_LOG", 1000)
    log = tmp_path / "talker.log"
    program = "import sys\nfor line in sys.stdin: print(line * 200, flush=True)"
    talker = Child(
        name="talker",
        command=[sys.executable, "-c", program],
        environment=dict(os.environ),
        healthy=lambda: True,
        log_file=log,
        hint="",
    )
    monkeypatch.setattr(subprocess, "DEVNULL", subprocess.PIPE)
    talker.start()
    assert talker.process is not None and talker.process.stdin is not None
    for line in (b"first\n", b"second\n"):
        talker.shorten_log()
        talker.process.stdin.write(line)
        talker.process.stdin.flush()
        wait_for(lambda: log.stat().st_size >= 1200)
    talker.process.stdin.close()
    talker.process.wait(30)
    assert set((tmp_path / "talker.log.1").read_text().split()) == {"first"}
    assert set(log.read_text().split()) == {"second"}


# The commands


def minilab(*arguments: str, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minilab.cli", *arguments],
        env={**os.environ, "MINILAB_HOME": str(at)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_env_and_status_show_the_services(home: Path) -> None:
    stack.start(home)
    url = start_services(home)["MINILAB_API_URL"]
    exported = [
        shlex.split(line)[1] for line in minilab("local", "env", at=home).stdout.split("\n")[:-1]
    ]
    assert f"MINILAB_API_URL={url}" in exported
    status = json.loads(minilab("local", "status", "--json", at=home).stdout)
    assert status["api"] == url
    assert status["healthy"]
    assert status["processes"]["processor"]["log"] == str(home / "logs" / "processor.log")
    table = minilab("local", "status", at=home).stdout
    assert url in table
    assert str(pid(home, "processor")) in table
    stack.stop_services(home)
    assert "MINILAB_API_URL" not in minilab("local", "env", at=home).stdout
    assert json.loads(minilab("local", "status", "--json", at=home).stdout)["api"] is None


def test_services_without_provisioning_are_refused(home: Path) -> None:
    refused = minilab("local", "up", "--services", "--no-provision", at=home)
    assert refused.returncode == 2
    assert "--no-provision" in refused.stderr
    assert stack.status(home).phase == "stopped"
