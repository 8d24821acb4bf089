"""`minilab demo`: the main job once, end to end, with every event accounted for."""

from __future__ import annotations

import json
import secrets
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from minilab.settings import Settings
from minilab_local import stack
from minilab_local.cli.steps import Steps
from minilab_local.cli.up import running_stack
from minilab_local.dagster.process import RUN_ROLE
from minilab_local.home import find_home
from minilab_local.programs import minilab, project_root, run_json


@dataclass
class Accounts:
    """What was sent, and what became of it. ``problems`` is empty when all of it adds up."""

    seed: int
    sent: dict[str, int] = field(default_factory=dict)
    duplicates_sent: int = 0
    bad_sent: dict[str, int] = field(default_factory=dict)
    late_sent: int = 0
    landed: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    staged: int = 0
    duplicates_removed: int = 0
    marts: dict[str, int] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    report: str = ""
    problems: list[str] = field(default_factory=list)


@click.command()
@click.option("--events", default=20_000, show_default=True, help="Distinct good events to send.")
@click.option("--seed", type=int, default=None, help="Seed of the simulation. Default: a new one.")
@click.option("--json", "as_json", is_flag=True, help="The same numbers as one JSON document.")
@click.option(
    "--enforce-iam", is_flag=True, help="Let AWS refuse what the role of Dagster's runs may not."
)
def demo(events: int, seed: int | None, as_json: bool, enforce_iam: bool) -> None:
    """Run the main job end to end on this machine and account for every event.

    Starts the laptop's AWS and Kafka, sends simulated events over both buses (some of them bad,
    late, or sent twice), has Dagster land them, build the marts, run the checks and make the
    report, then compares what was sent with what is there. Stops what it started. Exits with 1
    when an event is missing or an asset check failed.

    \b
    Example:
      minilab demo --events 50000 --json > accounts.json
    """
    started = time.monotonic()
    steps = Steps()
    root = project_root()
    accounts = Accounts(seed=seed if seed is not None else secrets.randbelow(10**6))
    with running_stack(steps, root, enforce_iam=enforce_iam) as (environ, credentials):
        settings = Settings.from_env(environ)
        before = _staged(settings, environ, root)
        with steps.step("send", f"sending {events:,} events, and some trouble among them"):
            sent = run_json(
                minilab(
                    *("simulate", "--json", "--events", str(events), "--seed", str(accounts.seed)),
                    *("--bad", "0.01", "--duplicates", "0.01", "--late", "0.01"),
                ),
                environ,
                cwd=root,
            )
        _take_sent(accounts, sent)
        steps.say("▸ Dagster: land, build the marts, check, report")
        run = run_json(
            [sys.executable, "-m", "minilab_dagster.run", "--json"],
            {**environ, **credentials.get(RUN_ROLE, {})},
            cwd=root,
            on_line=lambda line: steps.say(f"  {line}"),
            accept=(0, 1),
        )
        _take_run(accounts, run, steps)
        with steps.step("count", "counting what is in the lake"):
            accounts.staged = _staged(settings, environ, root) - before
            accounts.marts = _mart_rows(settings, environ, root)
            if credentials:
                refused = map(stack.told, stack.denials(find_home()))
                accounts.problems += [f"AWS refused: {denial}." for denial in refused]
        accounts.duplicates_removed = sum(accounts.landed.values()) - accounts.staged
    accounts.seconds |= steps.seconds | {"total": round(time.monotonic() - started, 1)}
    accounts.problems += _discrepancies(accounts)
    if as_json:
        click.echo(json.dumps(asdict(accounts), indent=2))
    else:
        _show(accounts)
    sys.exit(1 if accounts.problems else 0)


def _take_sent(accounts: Accounts, sent: dict[str, Any]) -> None:
    for stream in sent["streams"]:
        accounts.sent[stream["stream"]] = stream["events"]
        accounts.duplicates_sent += stream["duplicates"]
        accounts.late_sent += stream["late"]
        for reason, count in stream["bad"].items():
            accounts.bad_sent[reason] = accounts.bad_sent.get(reason, 0) + count


def _take_run(accounts: Accounts, run: dict[str, Any], steps: Steps) -> None:
    for stream in run["landed"]:
        accounts.landed[stream["stream"]] = stream["events"]
        for reason, count in stream["failed"].items():
            accounts.failed[reason] = accounts.failed.get(reason, 0) + count
    accounts.checks = run["checks"]
    accounts.report = run["report"]
    accounts.seconds |= run["seconds"]
    accounts.problems += run["problems"]


def _discrepancies(accounts: Accounts) -> list[str]:
    """Every way in which what was sent differs from what is there."""
    found = []
    good = sum(accounts.sent.values())
    if accounts.staged != good:
        found.append(f"{good:,} distinct events were sent, but staging gained {accounts.staged:,}.")
    landed = sum(accounts.landed.values())
    if landed < good + accounts.duplicates_sent:
        found.append(
            f"{good + accounts.duplicates_sent:,} good messages' events were sent,"
            f" but {landed:,} landed."
        )
    for reason in accounts.bad_sent.keys() | accounts.failed.keys():
        expected, got = accounts.bad_sent.get(reason, 0), accounts.failed.get(reason, 0)
        if expected != got:
            found.append(f"failed events with reason {reason}: sent {expected:,}, stored {got:,}.")
    return found


def _staged(settings: Settings, environ: dict[str, str], root: Path) -> int:
    """Rows of ``stg_events``; 0 where it has not been built yet."""
    tables = _query(
        "select table_name as name from information_schema.tables"
        f" where table_schema = '{settings.staging_database}' and table_name = 'stg_events'",
        environ,
        root,
    )
    if not tables:
        return 0
    rows = _query(
        f'select count(*) as n from "{settings.staging_database}"."stg_events"', environ, root
    )
    return int(rows[0]["n"])


def _mart_rows(settings: Settings, environ: dict[str, str], root: Path) -> dict[str, int]:
    names = _query(
        "select table_name as name from information_schema.tables"
        f" where table_schema = '{settings.marts_database}' order by 1",
        environ,
        root,
    )
    counts = " union all ".join(
        f"select '{row['name']}' as name, count(*) as n"
        f' from "{settings.marts_database}"."{row["name"]}"'
        for row in names
    )
    rows = _query(f"{counts} order by 1", environ, root) if names else []
    return {row["name"]: int(row["n"]) for row in rows}


def _query(sql: str, environ: dict[str, str], root: Path) -> list[dict[str, Any]]:
    rows = run_json(minilab("query", "--format", "json", sql), environ, cwd=root)
    assert isinstance(rows, list)
    return rows


def _show(accounts: Accounts) -> None:
    console = Console(highlight=False)
    events = Table(title="What came of every event", title_justify="left")
    events.add_column("")
    for name in (*accounts.sent, "all"):
        events.add_column(name, justify="right")
    for label, counts in (("distinct events sent", accounts.sent), ("landed", accounts.landed)):
        values = [counts.get(stream, 0) for stream in accounts.sent]
        events.add_row(label, *(f"{n:,}" for n in (*values, sum(values))))
    empty = [""] * len(accounts.sent)
    events.add_row("duplicates removed", *empty, f"{accounts.duplicates_removed:,}")
    events.add_row("one row each in staging", *empty, f"{accounts.staged:,}")
    events.add_row("late", *empty, f"{accounts.late_sent:,}")
    console.print(events)
    if accounts.failed:
        console.print("[italic]Failed events, kept with their reason[/italic]")
        failed = Table()
        failed.add_column("reason")
        failed.add_column("events", justify="right")
        for reason, count in sorted(accounts.failed.items(), key=lambda item: -item[1]):
            failed.add_row(reason, f"{count:,}")
        console.print(failed)
    marts = Table(title="Marts", title_justify="left")
    marts.add_column("table")
    marts.add_column("rows", justify="right")
    for name, count in accounts.marts.items():
        marts.add_row(name, f"{count:,}")
    console.print(marts)
    seconds = Table(title="Seconds", title_justify="left")
    seconds.add_column("stage")
    seconds.add_column("s", justify="right")
    for stage, value in accounts.seconds.items():
        seconds.add_row(stage, f"{value:.1f}")
    console.print(seconds)
    checks = accounts.checks
    console.print(
        f"Asset checks: {checks['passed']} passed, {checks['warned']} with a warning,"
        f" {len(checks['failed'])} failed."
    )
    for problem in accounts.problems:
        console.print(f"[red]✗ {problem}[/red]")
    if not accounts.problems:
        console.print("[green]✓ Every event that was sent is accounted for.[/green]")
    console.print(f"\nReport   {accounts.report}   (one file, opens offline)")
    console.print("Go on    . .venv/bin/activate && minilab up --traffic 5     (the Dagster UI)")
    console.print('         minilab local up --detach && eval "$(minilab local env)"')
    console.print("         minilab failed list · minilab query 'select …' · minilab --help")
