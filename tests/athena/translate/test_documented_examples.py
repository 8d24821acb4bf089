"""Every example of Trino's documentation gives what the documentation says, or is a named gap.

The examples lie outside the repository (``../shared/athena/trino_examples.jsonl``); its
EXAMPLES.md explains the tags by which printed texts compare. The gaps are in
``documented_gaps.json``: a gap that closes makes its test fail, so that the list shrinks.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sql_fixtures import Ask, Refused

from minilab_local.athena.translate import TranslationError

SHARED = Path(__file__).parents[3] / ".." / "shared" / "athena" / "trino_examples.jsonl"
GAPS: dict[str, str] = json.loads(Path(__file__).with_name("documented_gaps.json").read_text())


def examples() -> list[Any]:
    if not SHARED.exists():
        skip = pytest.mark.skip(reason="the documented examples (../shared/athena) are not here")
        return [pytest.param(-1, {}, marks=skip)]
    lines = SHARED.read_text().splitlines()
    return [pytest.param(i, json.loads(line), id=str(i)) for i, line in enumerate(lines)]


def plain(cell: str | None, note: str) -> str | None:
    """A printed value without the notation that its tags name."""
    if cell is None:
        return None
    if "[json-typed]" in note:
        cell = re.sub(r"JSON '((?:[^']|'')*)'", r"\1", cell)
        cell = cell.replace(" = ", "=")
    if "[sql-quoted]" in note:
        cell = re.sub(r"'((?:[^'])*)'", r"\1", cell)
    if "[hex]" in note:
        cell = re.sub(r"^X'(.*)'$", r"\1", cell)
    if "[map-arrow]" in note:
        cell = cell.replace(" -> ", "=")
    if "[row-ctor]" in note:
        cell = re.sub(r"field\d=", "", cell.replace("ROW(", "("))
        cell = cell.translate(str.maketrans("{}", "()"))
    if "typed literal" in note:
        cell = re.sub(r"^\w+ '(.*)'$", r"\1", cell)
    if "[upper]" in note or "[type-text]" in note:
        cell = cell.lower()
    if "[type-text]" in note:
        cell = re.sub(r"\((\d+)\)", r"(\1,0)", cell).replace(", ", ",")
    if cell.startswith(("[", "{", "(")):
        cell = cell.replace("NULL", "null")
    return cell


def comparable(rows: list[list[str | None]], note: str) -> list[list[str | None]]:
    found = [[plain(cell, note) for cell in row] for row in rows]
    if "[element-order]" in note or "[map-order]" in note:
        found = [["".join(sorted(c or "")) for c in row] for row in found]
    if "[unordered]" in note:
        found.sort(key=str)
    return found


def outcome(ask: Ask, example: dict[str, Any]) -> str:
    """``as documented``, ``differs: …`` or ``refused: …``."""
    try:
        rows = ask(example["sql"]).rows
    except (TranslationError, Refused, sqlglot.ParseError) as error:
        if example["expected"] == "ERROR":
            return "as documented"
        return f"refused: {error}"
    except duckdb.Error as error:
        return f"broken: {error}"
    if example["expected"] == "ERROR":
        return f"differs: {rows} instead of an error"
    note = example["note"]
    found, expected = comparable(rows, note), comparable(example["expected"], note)
    return "as documented" if found == expected else f"differs: {found} instead of {expected}"


@pytest.mark.parametrize(("number", "example"), examples())
def test_example(ask: Ask, number: int, example: dict[str, Any]) -> None:
    result = outcome(ask, example)
    assert not result.startswith("broken"), result
    reason = GAPS.get(str(number))
    if reason is None:
        assert result == "as documented", example["sql"]
    else:
        kind, _, _ = reason.partition(":")
        assert result.startswith(kind), f"documented_gaps.json says {reason!r}, but it is {result}"


def test_gaps_name_examples() -> None:
    """Every gap is that of an example, and says whether it is refused or differs."""
    assert all(reason.startswith(("refused: ", "differs: ")) for reason in GAPS.values())
    if SHARED.exists():
        assert max(map(int, GAPS)) < len(SHARED.read_text().splitlines())
