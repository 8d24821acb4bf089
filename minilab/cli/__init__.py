"""The command line: one module per command, listed in ``pyproject.toml`` as an entry point.

A command is loaded only when it is called (or when ``--help`` lists them all), and it imports what
is heavy inside its function, so that ``minilab`` answers at once.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points, version

import click

from minilab.errors import MinilabError

_GROUP = "minilab.commands"

_FIRST_STEPS = """\
Mini-Lab: events from SQS and Kafka through S3 and Glue to Athena marts, run by Dagster.

Start here:
  minilab demo          the whole way once, on this machine, with a report at its end
  minilab up            everything running, with the Dagster UI open
  minilab local up      only the laptop's AWS and Kafka (then: eval "$(minilab local env)")

All commands: minilab --help
"""


class _EntryPointGroup(click.Group):
    """Finds its commands among the installed entry points.

    Those of a package that is not installed (an image has no laptop) are not there.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(point.name for point in entry_points(group=_GROUP))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for point in entry_points(group=_GROUP, name=cmd_name):
            try:
                command = point.load()
            except ModuleNotFoundError as missing:
                if missing.name == point.module.partition(".")[0]:
                    return None
                raise
            assert isinstance(command, click.Command)
            return command
        return None


@click.group(cls=_EntryPointGroup, invoke_without_command=True)
@click.version_option(version("minilab"), prog_name="minilab")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Mini-Lab: an event-driven data platform on AWS, whole on one laptop too."""
    if ctx.invoked_subcommand is None:
        click.echo(_FIRST_STEPS)


def main() -> None:
    """Run the command line; an expected error is one clear message and exit code 1."""
    try:
        cli(prog_name="minilab")
    except MinilabError as error:
        click.secho(f"minilab: {error}", fg="red", err=True)
        sys.exit(1)
