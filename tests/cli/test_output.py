from __future__ import annotations

import io
import json
import sys
from decimal import Decimal

import pytest

from minilab.cli import output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(*arguments: object, **options: object) -> list[str]:
    file = io.StringIO()
    output.print_table(*arguments, file=file, **options)  # type: ignore[arg-type]
    return [line.rstrip() for line in file.getvalue().splitlines() if line.strip()]


def test_a_table_in_a_pipe_is_never_cut() -> None:
    long = "x" * 3000
    assert any(long in line for line in printed(["name"], [[long]]))


def test_numbers_stand_to_the_right_and_text_to_the_left() -> None:
    lines = printed(["n", "word", "m"], [[1, "a", Decimal("1.5")], [1000, None, None]])
    assert lines[2].split() == ["1", "a", "1.5"]
    assert lines[2].index("1") > lines[3].index("1,000")


def test_what_looks_like_markup_is_printed() -> None:
    lines = printed(["[red]c[/red]"], [["[bold]v"]], title="[title]")
    assert lines[0] == "[title]"
    assert "[red]c[/red]" in lines[1] and "[bold]v" in lines[3]


def test_progress_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("working", total=3) as bar:
        bar.advance()
        bar.message("still")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_progress_draws_on_stderr_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with output.progress("working [x]", total=3) as bar:
        bar.advance(2)
        bar.message("still [y]")
    assert "still [y]" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_json_keeps_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"ž": ["🐎", None, 1.5]})
    assert json.loads(capsys.readouterr().out) == {"ž": ["🐎", None, 1.5]}
