"""``minilab provision``: create what this deployment needs and does not have yet."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from minilab.cli.output import json_option, note, print_json, print_table, progress


@click.command()
@click.option("--check", "check_only", is_flag=True, help="List what is missing; exit 1 if any.")
@json_option
def provision(check_only: bool, as_json: bool) -> None:
    """Create the buckets, queues, topics and tables that this account lacks.

    Where ingestion and shared services are accounts of their own (MINILAB_INGESTION_ACCOUNT,
    MINILAB_SHARED_ACCOUNT), only what lives in the account that you are signed in to counts.
    Safe to repeat: what is there already is left alone.

    \b
    Example:
      minilab provision
      minilab provision --check --json
    """
    from minilab import provision as provisioning
    from minilab.events.registry import load_registry
    from minilab.settings import Settings

    settings, registry = Settings.from_env(), load_registry()
    act = provisioning.check if check_only else provisioning.provision
    total = 0
    with progress("Looking at what is there") as bar:

        def look_at(name: str) -> None:
            nonlocal total
            total += 1
            bar.message(name)

        lacks = act(settings, registry, on_progress=look_at)
    if as_json:
        print_json({"missing" if check_only else "created": [asdict(lack) for lack in lacks]})
    elif lacks:
        print_table(
            ["kind", "name", "what" if check_only else "was"],
            [(lack.kind, lack.name, lack.detail) for lack in lacks],
        )
    if not check_only:
        note(f"{len(lacks)} of {total} resources created or corrected; the rest were there.")
    elif lacks:
        note(f"{len(lacks)} of {total} resources are missing. Create them with: minilab provision")
        sys.exit(1)
    else:
        note(f"All {total} resources are there.")
