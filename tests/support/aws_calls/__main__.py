"""The command line: ``python -m tests.support.aws_calls``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import click

from tests.support.aws_calls import launch
from tests.support.aws_calls.recording import permissions, read
from tests.support.aws_calls.scenario import record_platform


@click.group()
def main() -> None:
    """Record the AWS calls of a program, and see what they need."""


@main.command(context_settings={"allow_interspersed_args": False})
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, required=True)
def run(folder: Path, arguments: tuple[str, ...]) -> None:
    """Run `python ARGUMENTS` and record it and all that it starts into FOLDER.

    Example: python -m tests.support.aws_calls run build/calls -m pytest tests/landing
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.execv(
        sys.executable,
        [sys.executable, launch.__file__, str(folder.resolve()), sys.executable, "", *arguments],
    )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def platform(folder: Path) -> None:
    """Record what all parts of the platform do; FOLDER/calls is for `show`. Takes some minutes.

    Example: python -m tests.support.aws_calls platform build/platform
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it started ends with it
    record_platform(folder.resolve())


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--part", help="Only this part of the platform.")
@click.option("--permissions", "as_permissions", is_flag=True, help="IAM actions, as JSON.")
def show(folder: Path, part: str | None, as_permissions: bool) -> None:
    """Say which part of the platform called what.

    Example: python -m tests.support.aws_calls show build/calls --part lander
    """
    calls = Counter({c: n for c, n in read(folder).items() if part in (None, c.part)})
    if as_permissions:
        needed = permissions(calls)
        click.echo(json.dumps(needed, indent=2, default=sorted))
        return
    merged: Counter[tuple[str, str, str]] = Counter()
    for call, n in calls.items():
        merged[call.part, f"{call.service}:{call.operation}", call.resource] += n
    for (name, operation, resource), n in sorted(merged.items()):
        click.echo(f"{name:18}{n:>8}  {operation:36}{resource}")


if __name__ == "__main__":
    main(prog_name="python -m tests.support.aws_calls")
