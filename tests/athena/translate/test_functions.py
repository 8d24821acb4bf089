"""The functions: every name of Trino's list has its place, and every line of the tables works."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from sql_fixtures import Ask, Refused

from minilab_local.athena.translate import TranslationError, casts
from minilab_local.athena.translate.functions import AGGREGATES, RULES, SIGNATURES, UNSUPPORTED
from minilab_local.athena.translate.scope import Value
from minilab_local.athena.translate.signatures import Signature, resolve
from minilab_local.athena.translate.types import INTEGER, duckdb_type

NAMES = Path(__file__).parents[3] / ".." / "shared" / "athena" / "trino_functions.txt"
# Names in the list that are grammar: the parser makes nodes of them, or another rule's name.
GRAMMAR = {"cast", "try_cast", "filter", "if", "extract", "position"}


def test_every_function_of_trino_has_its_place() -> None:
    if not NAMES.exists():
        pytest.skip("the list of Trino's functions (../shared/athena) is not here")
    known = {*AGGREGATES, *RULES, *SIGNATURES, *UNSUPPORTED, *GRAMMAR}
    assert sorted(set(NAMES.read_text().split()) - known) == []


def test_no_name_is_both_carried_and_unsupported() -> None:
    assert not UNSUPPORTED.keys() & {*AGGREGATES, *RULES, *SIGNATURES}
    assert not AGGREGATES.keys() & {*RULES, *SIGNATURES}
    assert not RULES.keys() & SIGNATURES.keys()


def lines() -> list[Any]:
    return [
        pytest.param(signature, id=signature.text)
        for signature in itertools.chain.from_iterable(SIGNATURES.values())
    ]


@pytest.mark.parametrize("signature", lines())
def test_a_line_is_duckdb_sql_and_null_gives_null(database: Any, signature: Signature) -> None:
    """The text binds in DuckDB, and a NULL argument gives NULL of the promised type."""
    bound = dict.fromkeys("NOTUVKRS", INTEGER)
    texts = []
    for pattern in signature.arguments:
        if pattern.kind == "function":
            texts.append("lambda x: NULL")
        else:
            texts.append(f"CAST(NULL AS {duckdb_type(resolve(pattern, bound))})")
    result = Value(signature.render(texts), resolve(signature.result, bound))
    cursor = database.cursor()
    row = cursor.execute(f"SELECT {result.sql}, typeof({result.sql})").fetchone()
    if not signature.arguments:
        assert row[0] is not None
        return
    assert row[0] is None
    if "function" not in signature.text:
        assert row[1].replace('"', "") == casts.physical(result.type).replace('"', "")


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_an_unsupported_function_says_so(ask: Ask, name: str) -> None:
    with pytest.raises(TranslationError) as caught:
        ask(f'SELECT "{name}"(1)')
    assert caught.value.code == "NOT_SUPPORTED"
    assert name in caught.value.message


def test_an_unknown_function_is_not_found(ask: Ask) -> None:
    with pytest.raises(TranslationError) as caught:
        ask("SELECT foo(1)")
    assert caught.value.code == "FUNCTION_NOT_FOUND"
    assert caught.value.message == "line 1:8: Function 'foo' not registered"


def test_duckdb_functions_do_not_shine_through(ask: Ask) -> None:
    """What DuckDB has and Trino has not is not found, rather than answered."""
    for call in ("list_sum(ARRAY[1])", "strftime(now(), '%Y')", "sha3('a')", "ifnull(1, 2)"):
        with pytest.raises(TranslationError) as caught:
            ask(f"SELECT {call}")
        assert caught.value.code == "FUNCTION_NOT_FOUND"


def test_wrong_parameters_are_named(ask: Ask) -> None:
    with pytest.raises(TranslationError, match=r"Unexpected parameters \(integer\) for function"):
        ask("SELECT upper(1)")
    with pytest.raises((TranslationError, Refused)):
        ask("SELECT date_trunc('fortnight', now())")
