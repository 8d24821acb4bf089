"""Bring the generated files of a checkout in line with its contracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Literal

from minilab.codegen.catalog import render_catalog
from minilab.codegen.staging import STAGING_FOLDER, render_staging
from minilab.errors import MinilabError
from minilab.events.registry import Registry

Action = Literal["add", "change", "delete"]


@dataclass(frozen=True)
class Change:
    """One generated file that is not as the contracts want it."""

    path: str
    action: Action
    old: str
    new: str

    @property
    def added(self) -> int:
        return sum(line.startswith("+") for line in self._diff())

    @property
    def removed(self) -> int:
        return sum(line.startswith("-") for line in self._diff())

    def _diff(self) -> list[str]:
        lines = unified_diff(self.old.splitlines(), self.new.splitlines(), lineterm="", n=0)
        return list(lines)[2:]  # without the two lines that name the files


def render(registry: Registry) -> dict[str, str]:
    """Every file that follows from the contracts: path from the checkout's root → text.

    Raises:
        ColumnError: a contract cannot become a model (``lint`` says which).
    """
    return {**render_staging(registry), **render_catalog(registry)}


def plan(root: Path, wanted: Mapping[str, str]) -> list[Change]:
    """What would have to change below ``root``, by path. Reads files, writes none.

    Raises:
        MinilabError: ``root`` is not a checkout with a dbt project.
    """
    if not (root / "dbt_athena").is_dir():
        raise MinilabError(
            f"{root} has no dbt_athena/ folder to write to.",
            hint="Run this in a checkout, or name one with --root.",
        )
    present = {
        str(path.relative_to(root)): path.read_text()
        for path in (root / STAGING_FOLDER).glob("*")
        if path.suffix in (".sql", ".yml")
    }
    for path in wanted:
        if path not in present and (root / path).is_file():
            present[path] = (root / path).read_text()
    changes = []
    for path in sorted(present.keys() | wanted.keys()):
        old, new = present.get(path), wanted.get(path)
        if old == new:
            continue
        action: Action = "add" if old is None else "delete" if new is None else "change"
        changes.append(Change(path, action, old or "", new or ""))
    return changes


def apply(root: Path, changes: list[Change]) -> None:
    """Write and delete what ``plan`` found."""
    for change in changes:
        path = root / change.path
        if change.action == "delete":
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(change.new)
