"""Start, stop and look at the laptop's AWS, Kafka and services: one supervised tree per home.

The stack is what the supervisor's ``run/stack.json`` says *and* the process table confirms (a
process id with its creation time), so a file left by a crash or a reboot is never believed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from minilab.errors import MinilabError
from minilab_local import services
from minilab_local.aws.http import DENIALS_PATH
from minilab_local.endings import end, runs
from minilab_local.home import locked, logs, read_json, run_file, tail
from minilab_local.iam.roles import Roles
from minilab_local.programs import project_root
from minilab_local.services import Wanted

_START_SECONDS = 130.0
_STOP_SECONDS = 110.0
_SERVICES_SECONDS = 75.0
# What runs as services. Names only: the laptop does not know the platform, it starts it.
_HANDLER = "minilab.ingest.handler:lambda_handler"
_PROCESSOR = (sys.executable, "-m", "minilab.cli", "process", "--metrics")
# What reset empties. Named one by one: a home may be a folder with other things in it.
_STATE = ("objects", "state", "dagster", "reports", "logs", "run")

Progress = Callable[[str], None]


class StackError(MinilabError):
    """The stack cannot be started, stopped or found."""


@dataclass(frozen=True)
class Status:
    """What runs in a home. ``children`` maps a name to pid, running, restarts and log."""

    home: Path
    running: bool
    phase: str
    endpoint: str | None
    environment: dict[str, str]
    supervisor_pid: int | None
    children: dict[str, dict[str, Any]]
    enforces_iam: bool = False

    @property
    def healthy(self) -> bool:
        return self.running and all(child["running"] for child in self.children.values())


def start(
    home: Path,
    *,
    port: int | None = None,
    kafka_port: int | None = None,
    owner: int | None = None,
    enforce_iam: bool = False,
    on_progress: Progress | None = None,
) -> dict[str, str]:
    """Start the stack detached, or find it running; return its environment when it is healthy.

    It runs until :func:`stop`, or, where ``owner`` names a process, until that one has ended. With
    ``enforce_iam`` its AWS refuses what the caller's role does not allow; the environment's keys
    are the account's root, who may do everything.

    Raises:
        MinilabError: it does not come up (nothing of it is left running then), or it runs already
            on another port than ``port``, or without enforcing IAM.
    """
    tell = on_progress or (lambda text: None)
    home = home.absolute()
    with locked(home):
        now = status(home)
        if now.running:
            _check_port(now, port)
            _check_enforcement(now, enforce_iam)
            return now.environment
        _clear_stale(home)
        process = _spawn(home, port, kafka_port, owner, enforce_iam)
        try:
            return _wait_until_ready(home, process, tell)
        except BaseException:
            _end_tree(home, process.pid)
            raise


def start_services(
    home: Path,
    *,
    owner: int | None = None,
    handler: str = _HANDLER,
    processor: Sequence[str] = _PROCESSOR,
) -> dict[str, str]:
    """Start the ingestion API and the processor in a running, provisioned stack.

    They have the ``MINILAB_…`` variables and the folder of this process, and, where IAM is
    enforced, the role that Terraform makes for each. Where they run already,
    with these, nothing happens; with others, they are started anew. They run as long as the
    stack, or, where ``owner`` names a process, until that one has ended.

    Returns:
        The environment, now with ``MINILAB_API_URL``.

    Raises:
        StackError: the stack is not running, or they do not come up (neither is left running).
    """
    home = home.absolute()
    with locked(home):
        stack = environment(home)
        wanted = services.want(
            *(handler, processor, os.environ),
            owner=owner,
            stack=stack,
            credentials=credentials(home, services.API_ROLE, services.PROCESSOR_ROLE),
        )
        if services.asked(home) == wanted and services.API_URL in stack:
            return stack
        services.ask(home, wanted)
        try:
            return _wait_for_services(home, wanted)
        except BaseException:
            services.ask(home, None)
            raise


def stop_services(home: Path) -> None:
    """Stop the API and the processor, and wait for their end. The stack runs on."""
    home = home.absolute()
    with locked(home):
        services.ask(home, None)
        deadline = time.monotonic() + _SERVICES_SECONDS
        while status(home).running and _services_facts(home).get("phase") != "stopped":
            if time.monotonic() > deadline:
                raise StackError(f"The services do not stop. Look into {_supervisor_log(home)}.")
            time.sleep(0.05)


def stop(home: Path) -> bool:
    """Stop the stack and wait until its state is saved. Returns whether something was running."""
    home = home.absolute()
    if not run_file(home).exists():
        return False
    with locked(home):
        return _stop(home)


def status(home: Path) -> Status:
    """What runs now. Never raises for a missing, damaged or stale state file."""
    home = home.absolute()
    document = read_json(run_file(home))
    supervisor = _process(document.get("supervisor"))
    children = {
        name: {
            "pid": facts.get("pid"),
            "running": _process(facts) is not None,
            "restarts": facts.get("restarts", 0),
            "log": facts.get("log"),
        }
        for name, facts in document.get("children", {}).items()
    }
    running = supervisor is not None and document.get("phase") == "ready"
    return Status(
        home=home,
        running=running,
        phase=document.get("phase", "stopped") if supervisor else "stopped",
        endpoint=document.get("endpoint") if running else None,
        environment=dict(document.get("environment", {})) if running else {},
        supervisor_pid=supervisor.pid if supervisor else None,
        children=children if supervisor else {},
        enforces_iam=running and bool(document.get("enforces_iam")),
    )


def environment(home: Path) -> dict[str, str]:
    """Variables that make any AWS client, and the platform, talk to the stack.

    Raises:
        StackError: it is not running.
    """
    now = status(home)
    if not now.running:
        raise StackError(
            f"The laptop's AWS is not running (home: {now.home}).",
            hint="Start it: minilab local up --detach",
        )
    return now.environment


def roles(home: Path) -> Roles | None:
    """The roles of this process's deployment in a running stack; None where it enforces no IAM.

    Raises:
        StackError: the stack is not running.
        MinilabError: this folder is in no checkout, where the roles are written down.
    """
    variables = environment(home)
    if not status(home).enforces_iam:
        return None
    return Roles(project_root(), {**os.environ, **variables})


def credentials(home: Path, *names: str) -> dict[str, dict[str, str]]:
    """AWS variables of each role named, newly taken; none where the stack enforces no IAM."""
    there = roles(home)
    return {name: there.assume(name) for name in names} if there else {}


def denials(home: Path) -> list[dict[str, Any]]:
    """What the stack's AWS refused since it was started: role, action, resource, why, times, last.

    Raises:
        StackError: it is not running, or enforces no IAM.
    """
    endpoint = environment(home)["AWS_ENDPOINT_URL"]
    if not status(home).enforces_iam:
        raise StackError(
            "The laptop's AWS does not enforce IAM: it refuses nothing.",
            hint="Start it anew: minilab local down && minilab local up --enforce-iam",
        )
    with urllib.request.urlopen(f"{endpoint}{DENIALS_PATH}", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["denials"]
    return found


def told(denial: Mapping[str, Any]) -> str:
    """A denial as a sentence."""
    return "{role} may not {action} on {resource} {why}".format_map(denial)


def reset(home: Path) -> None:
    """Stop the stack and empty its state: objects, queues, tables, topics, runs, logs."""
    home = home.absolute()
    if not home.exists():
        return
    with locked(home):
        _stop(home)
        for name in _STATE:
            path = home / name
            if name == "run":
                for file in path.iterdir():
                    if file.name != "lock":  # held right now
                        file.unlink()
            elif path.is_dir():
                shutil.rmtree(path)


def _check_port(now: Status, port: int | None) -> None:
    if port is not None and now.endpoint != f"http://127.0.0.1:{port}":
        raise StackError(
            f"The laptop's AWS is running already, at {now.endpoint}, not on port {port}.",
            hint=f"Move it: minilab local down && minilab local up --port {port}",
        )


def _check_enforcement(now: Status, enforce_iam: bool) -> None:
    if enforce_iam and not now.enforces_iam:
        raise StackError(
            "The laptop's AWS is running already, and does not enforce IAM.",
            hint="Start it anew: minilab local down && minilab local up --enforce-iam",
        )


def _spawn(
    home: Path, port: int | None, kafka_port: int | None, owner: int | None, enforce_iam: bool
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "minilab_local.supervisor", "--home", str(home)]
    for option, value in (("--port", port), ("--kafka-port", kafka_port), ("--owner", owner)):
        if value is not None:
            command += [option, str(value)]
    if enforce_iam:
        command.append("--enforce-iam")
    logs(home).mkdir(parents=True, exist_ok=True)
    with _supervisor_log(home).open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # it outlives this terminal
        )


def _supervisor_log(home: Path) -> Path:
    return logs(home) / "supervisor.log"


def _wait_until_ready(
    home: Path, process: subprocess.Popen[bytes], tell: Progress
) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    told = None
    while True:
        ended = process.poll() is not None
        document = read_json(run_file(home))
        if document.get("supervisor", {}).get("pid") == process.pid:
            phase = document["phase"]
            if phase == "ready":
                return dict(document["environment"])
            if phase == "failed":
                process.wait(10)
                run_file(home).unlink(missing_ok=True)
                raise StackError(document["error"], hint=document.get("hint"))
            if phase != told:
                tell(phase)
                told = phase
        if ended:
            raise StackError(
                f"The supervisor ended with exit code {process.returncode}. The end of "
                f"{_supervisor_log(home)}:\n{tail(_supervisor_log(home))}"
            )
        if time.monotonic() > deadline:
            raise StackError(
                f"The stack is not healthy after {_START_SECONDS:.0f} s ({told}). The end of "
                f"{_supervisor_log(home)}:\n{tail(_supervisor_log(home))}"
            )
        time.sleep(0.02)


def _wait_for_services(home: Path, wanted: Wanted) -> dict[str, str]:
    deadline = time.monotonic() + _SERVICES_SECONDS
    while True:
        # In this order: what is read once they are ready has the API's address.
        facts, now = _services_facts(home), environment(home)
        if facts.get("id") == wanted.id:
            if facts["phase"] == "ready":
                return now
            if facts["phase"] == "failed":
                raise StackError(facts["error"], hint=facts.get("hint"))
        if time.monotonic() > deadline:
            raise StackError(
                f"The services are not up after {_SERVICES_SECONDS:.0f} s. The end of "
                f"{_supervisor_log(home)}:\n{tail(_supervisor_log(home))}"
            )
        time.sleep(0.05)


def _services_facts(home: Path) -> dict[str, Any]:
    facts: dict[str, Any] = read_json(run_file(home)).get("services", {})
    return facts


def _process(facts: dict[str, Any] | None) -> psutil.Process | None:
    """The running process that the facts describe; not another one that has its id now."""
    if not facts or not facts.get("pid"):
        return None
    try:
        process = psutil.Process(facts["pid"])
        same = abs(process.create_time() - facts.get("created", 0)) < 1.0
    except psutil.Error:
        return None
    return process if same and runs(process) else None


def _recorded(home: Path) -> list[psutil.Process]:
    """Every process of the state file that still runs, the supervisor first."""
    document = read_json(run_file(home))
    facts = [document.get("supervisor"), *document.get("children", {}).values()]
    return [process for process in map(_process, facts) if process]


def _clear_stale(home: Path) -> None:
    """After a crash: end what a dead supervisor left behind, and forget it."""
    end(_recorded(home), seconds=10.0)
    run_file(home).unlink(missing_ok=True)


def _stop(home: Path) -> bool:
    processes = _recorded(home)
    if processes:
        # The supervisor stops its children in order; only what is left then is ended directly.
        end(processes[:1], seconds=_STOP_SECONDS)
        end(processes[1:], seconds=10.0)
    run_file(home).unlink(missing_ok=True)
    return bool(processes)


def _end_tree(home: Path, pid: int) -> None:
    """End a supervisor that did not become ready, and its children."""
    tree = _recorded(home)
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        tree += [parent, *parent.children(recursive=True)]
    end(tree, seconds=10.0)
    run_file(home).unlink(missing_ok=True)
