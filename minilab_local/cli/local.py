"""``minilab local``: the laptop's AWS and Kafka, and the platform's services on them.

What a script reads goes to stdout and nothing else does; what a person reads goes to stderr.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from minilab.errors import MinilabError
from minilab_local import stack
from minilab_local.home import find_home
from minilab_local.services import API_URL

_NOT_RUNNING = 3


def _console() -> Console:
    return Console(stderr=True, highlight=False)


@click.group()
def local() -> None:
    """The laptop's AWS and Kafka: one endpoint, no account, no Docker.

    Its state lies in .minilab/ beside workspace.yaml (MINILAB_HOME names another place) and
    survives `down` and `up`.

    \b
    Example:
      minilab local up --detach
      eval "$(minilab local env)"
      aws s3 ls          # or any other AWS client
      minilab local down
    """


@local.command()
@click.option("--detach", is_flag=True, help="Return when it is healthy; it runs on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The endpoint's port (else a free one)."
)
@click.option("--no-provision", is_flag=True, help="Make no buckets, queues, topics or tables.")
@click.option("--services", is_flag=True, help="Run the ingestion API and the processor too.")
@click.option(
    "--enforce-iam", is_flag=True, help="Let AWS refuse what Terraform's roles do not allow."
)
def up(
    detach: bool, port: int | None, no_provision: bool, services: bool, enforce_iam: bool
) -> None:
    """Start AWS and Kafka, and make what the platform needs in them.

    Stays in the foreground until Ctrl-C, which stops all; with --detach it returns. The services
    run with the MINILAB_... variables of this shell; called again, --services takes new ones.

    With --enforce-iam each service has the role that Terraform makes for it, and AWS refuses what
    that does not allow; `minilab local denials` lists what was refused.

    \b
    Example:
      minilab local up --detach --port 4566
      minilab local up --detach --services --enforce-iam
    """
    if services and no_provision:
        raise click.UsageError("--services needs what --no-provision leaves out.")
    console = _console()
    home = find_home()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    before = stack.status(home)
    with console.status("starting") as spinner:
        environment = stack.start(
            home,
            port=port,
            enforce_iam=enforce_iam,
            on_progress=lambda text: spinner.update(f"{text} …"),
        )
    found = "was running already" if before.running else "is running"
    if detach:
        _welcome(environment, found, console)
        _make_ready(home, environment, console, provision=not no_provision, services=services)
        console.print('Talk to it: [bold]eval "$(minilab local env)"[/]')
        console.print("Stop it:    [bold]minilab local down[/]")
        return
    try:
        _welcome(environment, found, console)
        _make_ready(home, environment, console, provision=not no_provision, services=services)
        console.print('In another terminal: [bold]eval "$(minilab local env)"[/]')
        console.print("Ctrl-C stops all.")
        _stay(home)
    except KeyboardInterrupt:
        console.print("stopping …")
    finally:
        for stop in (signal.SIGINT, signal.SIGTERM):  # asked once is enough
            signal.signal(stop, signal.SIG_IGN)
        stack.stop(home)
    console.print("[green]✓[/] Stopped. The state is kept; `minilab local up` brings it back.")


def _welcome(environment: Mapping[str, str], found: str, console: Console) -> None:
    console.print(f"[green]✓[/] The laptop's AWS {found} at {environment['AWS_ENDPOINT_URL']}")
    kafka = environment["MINILAB_KAFKA_BOOTSTRAP_SERVERS"]
    console.print(f"[green]✓[/] Kafka {found} at {kafka}")


def _make_ready(
    home: Path, environment: dict[str, str], console: Console, *, provision: bool, services: bool
) -> None:
    if provision:
        _provision(environment, console)
    if roles := stack.roles(home):
        with console.status("making the roles …"):
            roles.make()
        console.print(f"[green]✓[/] IAM is enforced, with the roles {', '.join(roles.names)}")
    if services:
        with console.status("starting the ingestion API and the processor …"):
            with_api = stack.start_services(home)
        console.print(f"[green]✓[/] The ingestion API is running at {with_api[API_URL]}")
        console.print("[green]✓[/] The processor is running")


def _stay(home: Path) -> None:
    """Until Ctrl-C (KeyboardInterrupt).

    Raises:
        MinilabError: the stack was stopped from elsewhere.
    """
    while stack.status(home).supervisor_pid is not None:
        time.sleep(0.5)
    raise MinilabError(
        "The stack was stopped from elsewhere.",
        hint=f"If that was not you, look into {home / 'logs' / 'supervisor.log'}.",
    )


def _provision(environment: dict[str, str], console: Console) -> None:
    """`minilab provision` in a process of its own, as anybody would run it against AWS."""
    result = subprocess.run(
        [sys.executable, "-m", "minilab.cli", "provision"],
        env={**_without_aws(os.environ), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise MinilabError(
            f"`minilab provision` failed (exit code {result.returncode}):\n{result.stdout.strip()}",
            hint="AWS and Kafka may be used without it: minilab local up --no-provision",
        )
    console.print("[green]✓[/] Buckets, queues, topics and tables are there")


def _without_aws(environ: Mapping[str, str]) -> dict[str, str]:
    """Nothing that could lead away from the laptop: no profile, no endpoint of one service."""
    return {name: value for name, value in environ.items() if not name.startswith("AWS_")}


@local.command()
def down() -> None:
    """Stop AWS and Kafka, and the services first. The state is kept.

    \b
    Example:
      minilab local down
    """
    console = _console()
    with console.status("stopping …"):
        was_running = stack.stop(find_home())
    if was_running:
        console.print("[green]✓[/] Stopped. The state is kept; `minilab local up` brings it back.")
    else:
        console.print("It was not running.")


@local.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON document on stdout.")
def status(as_json: bool) -> None:
    """Say what runs. Exit code 3 when it is not running.

    \b
    Example:
      minilab local status --json
    """
    now = stack.status(find_home())
    if as_json:
        document = {
            "running": now.running,
            "healthy": now.healthy,
            "phase": now.phase,
            "home": str(now.home),
            "endpoint": now.endpoint,
            "kafka": now.environment.get("MINILAB_KAFKA_BOOTSTRAP_SERVERS"),
            "api": now.environment.get(API_URL),
            "enforces_iam": now.enforces_iam,
            "supervisor_pid": now.supervisor_pid,
            "processes": now.children,
        }
        click.echo(json.dumps(document, indent=2))
    elif not now.running:
        _console().print(f"Not running ({now.phase}). Start it: minilab local up --detach")
    else:
        _print_status(now)
    if not now.running:
        sys.exit(_NOT_RUNNING)


def _print_status(now: stack.Status) -> None:
    addresses = {
        "AWS": now.endpoint,
        "Kafka": now.environment["MINILAB_KAFKA_BOOTSTRAP_SERVERS"],
        "API": now.environment.get(API_URL),
    }
    table = Table(box=None, pad_edge=False)
    for column in ("", "address", "process", "restarts", "log"):
        table.add_column(column, no_wrap=column != "log", overflow="fold")
    for name, child in now.children.items():
        alive = "[green]running[/]" if child["running"] else "[red]restarting[/]"
        address = addresses.get(name) or ""
        pid = f"{child['pid']} {alive}"
        table.add_row(name, address, pid, str(child["restarts"]), child["log"])
    console = Console(highlight=False)
    console.print(table)
    if now.enforces_iam:
        count = len(stack.denials(now.home))
        console.print(f"IAM is enforced; refused: {count} (minilab local denials)")
    console.print(f"State: {now.home}")


@local.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON array on stdout.")
def denials(as_json: bool) -> None:
    """List what AWS refused since it was started: role, action, resource, and why.

    Only with `minilab local up --enforce-iam`. Exit code 1 when something was refused.

    \b
    Example:
      minilab local denials --json
    """
    found = stack.denials(find_home())
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif found:
        for each in found:
            last = time.strftime("%H:%M:%S", time.localtime(each["last"]))
            click.echo(f"{last}  {each['times']:>5} x  {stack.told(each)}")
    else:
        _console().print("Nothing was refused.")
    if found:
        sys.exit(1)


@local.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON object instead of shell lines.")
@click.option("--role", metavar="NAME", help="With the keys of this role. Needs --enforce-iam.")
def env(as_json: bool, role: str | None) -> None:
    """Print the export lines that make any AWS client talk to the laptop.

    With the services running, MINILAB_API_URL is among them. Where IAM is enforced, the keys are
    the operator's, or those of the role named, which "administrator" may be.

    \b
    Example:
      eval "$(minilab local env)"
      eval "$(minilab local env --role dagster-run)"
    """
    home = find_home()
    environment = stack.environment(home)
    of_a_role = {"AWS_SESSION_TOKEN": os.environ.get("AWS_SESSION_TOKEN", "")}
    if roles := stack.roles(home):
        environment |= roles.assume(role or roles.of_a_person)
        of_a_role |= roles.of_analysts
    elif role:
        raise MinilabError(
            "There are no roles here: the laptop's AWS does not enforce IAM.",
            hint="Start it anew: minilab local down && minilab local up --enforce-iam",
        )
    if as_json:
        click.echo(json.dumps(environment, indent=2))
        return
    for name, value in environment.items():
        click.echo(f"export {name}={_quoted(value)}")
    for name, value in of_a_role.items():
        if value and os.environ.get(name) == value and name not in environment:
            click.echo(f"unset {name}")  # of a role that this shell had before
    if sys.stdout.isatty():
        _console().print('To set them in this shell: [bold]eval "$(minilab local env)"[/]')
    if os.environ.get("AWS_PROFILE"):
        _console().print(
            "AWS_PROFILE is set; some clients prefer it to these variables: unset AWS_PROFILE"
        )


def _quoted(value: str) -> str:
    quoted = shlex.quote(value)
    return quoted if quoted.startswith("'") else f"'{quoted}'"


@local.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Stop AWS and Kafka and empty all their state.

    \b
    Example:
      minilab local reset --yes
    """
    home = find_home()
    console = _console()
    if not yes:
        if not sys.stdin.isatty():
            raise MinilabError(
                f"This would delete the laptop's state in {home}, and nobody is there to ask.",
                hint="To do it without a question: minilab local reset --yes",
            )
        click.confirm(
            f"Delete all buckets, queues, tables and topics in {home}?", abort=True, err=True
        )
    with console.status("emptying …"):
        stack.reset(home)
    console.print(f"[green]✓[/] {home} is empty. Start anew: minilab local up --detach")
