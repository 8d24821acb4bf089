"""``minilab contracts``: write what follows from the contracts, and check them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from minilab.cli.output import json_option, note, print_json

if TYPE_CHECKING:
    from minilab.codegen.lint import Finding
    from minilab.codegen.sync import Change

_root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The checkout to write to (default: the folder that holds contracts/).",
)


@click.group()
def contracts() -> None:
    """Write what follows from the contracts, and check that nothing is stale.

    \b
    Example:
      minilab contracts sync
      minilab contracts check
    """


@contracts.command()
@click.option("--check", "check_only", is_flag=True, help="Write nothing; exit 1 if stale.")
@_root_option
@json_option
def sync(check_only: bool, root: Path | None, as_json: bool) -> None:
    """Write the typed staging models, their YAML and docs/events.md from contracts/.

    Writes only what changed and deletes what no contract asks for any more.

    \b
    Example:
      minilab contracts sync
      minilab contracts sync --check
    """
    _run(root, as_json, write=not check_only)


@contracts.command()
@_root_option
@json_option
def check(root: Path | None, as_json: bool) -> None:
    """Check the contracts themselves, and that what follows from them is up to date.

    \b
    Example:
      minilab contracts check
      minilab contracts check --json
    """
    _run(root, as_json, write=False)


def _run(root: Path | None, as_json: bool, *, write: bool) -> None:
    from minilab.codegen.lint import lint
    from minilab.codegen.sync import apply, plan, render
    from minilab.events.registry import contracts_dir, load_registry

    registry = load_registry()
    findings = lint(registry)
    wrong = any(finding.error for finding in findings)
    changes = []
    if not wrong:
        root = root or contracts_dir().parent
        changes = plan(root, render(registry))
        if write:
            apply(root, changes)
    if as_json:
        _print_as_json(findings, changes, len(registry.contracts), written=write and not wrong)
    else:
        _print_for_people(findings, changes, len(registry.contracts), write=write)
    if wrong or (changes and not write):
        sys.exit(1)


def _print_as_json(
    findings: list[Finding], changes: list[Change], contracts: int, *, written: bool
) -> None:
    print_json(
        {
            "contracts": contracts,
            "errors": [str(f) for f in findings if f.error],
            "notes": [str(f) for f in findings if not f.error],
            "written" if written else "stale": [
                {"path": c.path, "action": c.action, "added": c.added, "removed": c.removed}
                for c in changes
            ],
        }
    )


def _print_for_people(
    findings: list[Finding], changes: list[Change], contracts: int, *, write: bool
) -> None:
    for finding in findings:
        note(f"{'error' if finding.error else 'note'}: {finding}")
    if errors := sum(finding.error for finding in findings):
        note(f"{errors} errors in {contracts} contracts. Nothing was written.")
        return
    for change in changes:
        click.echo(f"{change.action:7}{change.path}  +{change.added} -{change.removed}")
    if not changes:
        note(f"{contracts} contracts; everything that follows from them is up to date.")
    elif write:
        note(f"{contracts} contracts; {len(changes)} files written or deleted.")
    else:
        note(f"{len(changes)} files are stale. Bring them up to date with: minilab contracts sync")
