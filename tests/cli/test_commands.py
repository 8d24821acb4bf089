"""The command line as a whole."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest
from click.testing import CliRunner

import minilab.cli

GROUP = "minilab.commands"


def offer(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    def entry_points(group: str, name: str | None = None) -> Any:
        return [p for p in points if p.group == group and name in (None, p.name)]

    monkeypatch.setattr(minilab.cli, "entry_points", entry_points)


def test_commands_of_a_package_that_is_not_installed_are_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(
        monkeypatch,
        EntryPoint("land", "minilab.cli.land:land", GROUP),
        EntryPoint("demo", "no_such_package.cli:demo", GROUP),
    )
    listed = CliRunner().invoke(minilab.cli.cli, ["--help"])
    assert listed.exit_code == 0, listed.output
    assert "land" in listed.output and "demo" not in listed.output
    called = CliRunner().invoke(minilab.cli.cli, ["demo"])
    assert called.exit_code == 2 and "No such command" in called.output


def test_a_command_that_lacks_what_it_needs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, EntryPoint("land", "minilab.no_such_module:land", GROUP))
    result = CliRunner().invoke(minilab.cli.cli, ["land"])
    assert isinstance(result.exception, ModuleNotFoundError)
