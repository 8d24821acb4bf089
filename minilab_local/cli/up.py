"""`minilab up`: everything on this machine, with the Dagster UI open, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from minilab.errors import MinilabError
from minilab_local import ports, stack
from minilab_local.cli.steps import Steps
from minilab_local.dagster.process import ROLES, Credentials, Dagster, prepare_home
from minilab_local.home import find_home
from minilab_local.programs import environment_with, minilab, project_root, run_json
from minilab_local.services import API_URL

_FIRST_EVENT = """\
  As a client, with the key that [bold]minilab tenants create acme[/bold] prints, once:
    curl "$MINILAB_API_URL/v1/events" -H "authorization: Bearer $KEY" \\
      -H "content-type: application/cloudevents+json" -d '{
        "specversion": "1.0", "id": "1", "source": "/hello",
        "type": "product.page_viewed.v1",
        "data": {"user_id": "u1", "session_id": "s1", "path": "/"}}'
"""


@click.command()
@click.option("--port", type=int, default=3000, show_default=True, help="Port of the Dagster UI.")
@click.option(
    "--traffic",
    type=float,
    default=0.0,
    metavar="RATE",
    help="Send simulated events all the while, RATE a second.",
)
@click.option(
    "--open/--no-open",
    "open_browser",
    default=None,
    help="Open the UI in a browser. Default: where there is a display.",
)
@click.option(
    "--enforce-iam", is_flag=True, help="Let AWS refuse what Terraform's roles do not allow."
)
def up(port: int, traffic: float, open_browser: bool | None, enforce_iam: bool) -> None:
    """Start everything and leave the Dagster UI open with its sensors running.

    Starts the laptop's AWS and Kafka (unless they run already), makes what is missing in them,
    and starts the ingestion API, the processor and Dagster. Ctrl-C stops all that it started.
    With --enforce-iam each part, and each run, has the role that Terraform makes for it.

    \b
    Example:
      minilab up --traffic 5        # and watch events arrive in http://127.0.0.1:3000
    """
    steps = Steps()
    root = project_root()
    with _sigterm_as_interrupt(), ExitStack() as started:
        try:
            environ, credentials = started.enter_context(
                running_stack(steps, root, enforce_iam=enforce_iam)
            )
            environ |= started.enter_context(_running_services(steps))
            dagster = started.enter_context(
                _running_dagster(steps, root, environ, port, credentials)
            )
            if traffic > 0:
                started.enter_context(_running_traffic(traffic, environ, root))
            _say_where(steps, dagster.url, environ, traffic, enforced=bool(credentials))
            if open_browser or (open_browser is None and _has_display()):
                webbrowser.open(dagster.url)
            while dagster.running():
                time.sleep(0.5)
            raise MinilabError("Dagster ended by itself.", hint=f"Its log: {dagster.log}")
        except KeyboardInterrupt:
            steps.say("")


@contextmanager
def running_stack(
    steps: Steps, root: Path, *, enforce_iam: bool = False
) -> Iterator[tuple[dict[str, str], Credentials]]:
    """The laptop's AWS and Kafka with everything provisioned; stopped at the end if started here.

    Yields:
        The environment for every program that is to use them, with the keys of the account's
        root; and, where IAM is enforced, the variables of Dagster's roles, to be put over it.
    """
    home = find_home()
    was_running = stack.status(home).running
    try:
        with steps.step(
            "start",
            "using the laptop's AWS and Kafka that run already"
            if was_running
            else "starting the laptop's AWS and Kafka",
        ):
            owner = None if was_running else os.getpid()
            environ = environment_with(stack.start(home, owner=owner, enforce_iam=enforce_iam))
        with steps.step("provision", "making buckets, queues, topics and tables"):
            run_json(minilab("provision", "--json"), environ, cwd=root)
        if roles := stack.roles(home):
            with steps.step("roles", "making the roles, and enforcing what they allow"):
                roles.make()
        credentials = stack.credentials(home, *ROLES)
        environ["DAGSTER_HOME"] = str(prepare_home(home, credentials))
        yield environ, credentials
    finally:
        if not was_running:
            with steps.step("stop", "stopping AWS and Kafka (what they hold is kept)"):
                stack.stop(home)


@contextmanager
def _running_services(steps: Steps) -> Iterator[dict[str, str]]:
    """The ingestion API and the processor; stopped at the end if they were started here."""
    home = find_home()
    ran_before = API_URL in stack.environment(home)
    try:
        with steps.step("services", "starting the ingestion API and the processor"):
            environment = stack.start_services(home, owner=None if ran_before else os.getpid())
        yield environment
    finally:
        if not ran_before:
            with steps.step("stop_services", "stopping the ingestion API and the processor"):
                stack.stop_services(home)


@contextmanager
def _running_dagster(
    steps: Steps, root: Path, environ: dict[str, str], wanted_port: int, credentials: Credentials
) -> Iterator[Dagster]:
    with steps.step("prepare", "preparing the dbt manifest"):
        subprocess.run(
            [sys.executable, "-m", "minilab_dagster.prepare"],
            env=environ,
            cwd=root,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    port = ports.choose(None, wanted_port, "--port")
    if port != wanted_port:
        steps.say(f"  port {wanted_port} is taken; the UI takes {port}")
    dagster = Dagster(root=root, environ=environ, port=port, credentials=credentials)
    try:
        with steps.step("dagster", "starting Dagster"):
            dagster.start()
        yield dagster
    finally:
        with steps.step("stop_dagster", "stopping Dagster"):
            dagster.stop()


@contextmanager
def _running_traffic(rate: float, environ: dict[str, str], root: Path) -> Iterator[None]:
    """The simulator, an hour's events at a time: it thinks all of them up before it sends any."""
    hour = max(1_000, round(rate * 3600))
    command = minilab("simulate", "--events", str(hour), "--rate", str(rate), "--json")
    stopped, starting = threading.Event(), threading.Lock()
    running: list[subprocess.Popen[bytes]] = []

    def send() -> None:
        while True:
            with starting:
                if stopped.is_set():
                    return
                process = subprocess.Popen(
                    command,
                    env=environ,
                    cwd=root,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                running[:] = [process]
            if process.wait() != 0:
                stopped.wait(10)

    sending = threading.Thread(target=send, name="traffic", daemon=True)
    sending.start()
    try:
        yield
    finally:
        with starting:
            stopped.set()
        for process in running:
            process.terminate()
        sending.join(20)


def _say_where(
    steps: Steps, url: str, environ: dict[str, str], traffic: float, *, enforced: bool
) -> None:
    steps.say("")
    steps.say(f"  [bold]Dagster[/bold]   {url}")
    steps.say(f"  [bold]AWS[/bold]       {environ['AWS_ENDPOINT_URL']}")
    steps.say(f"  [bold]Kafka[/bold]     {environ['MINILAB_KAFKA_BOOTSTRAP_SERVERS']}")
    steps.say(f"  [bold]API[/bold]       {environ[API_URL]}")
    steps.say("")
    role = " --role administrator" if enforced else ""
    steps.say(f'  In another terminal:  [bold]eval "$(minilab local env{role})"[/bold]')
    if not traffic:
        steps.say("  then, say:            [bold]minilab simulate --events 5000[/bold]")
    steps.say(_FIRST_EVENT)
    steps.say("  The sensors see new events within seconds, land them and build the marts.")
    steps.say("  [dim]Ctrl-C stops everything; what the lake holds is kept.[/dim]")


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """A polite kill stops everything too, as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    previous = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
