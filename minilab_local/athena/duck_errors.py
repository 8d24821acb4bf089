"""DuckDB's errors in Athena's words."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
from sqlglot import exp

from minilab_local.athena import statements as s
from minilab_local.athena.errors import SYSTEM, QueryError
from minilab_local.athena.translate import failure_of

_MISSING_COLUMN = (
    r'Referenced column "(?P<name>[^"]+)" not found',
    r'Table "[^"]+" does not have a column named "(?P<name>[^"]+)"',
    r'Values list "[^"]+" does not have a column named "(?P<name>[^"]+)"',
    r'Referenced table "(?P<name>[^"]+)" not found',
    r'Could not find key "(?P<name>[^"]+)" in struct',
)
_FILES = (
    (
        r'Malformed JSON in file "[^"]*/(?P<file>[^"/]+)", at byte \d+ in (?P<line>line \d+)',
        "HIVE_CURSOR_ERROR",
        "Row is not a valid JSON Object ({file}, {line})",
    ),
    (
        r"(?:JSON transform error|Failed to cast value).* in file \"?[^\"]*/(?P<file>[^\"/]+)\"",
        "HIVE_BAD_DATA",
        "Error parsing a value of {file}",
    ),
    (
        r"CSV Error on Line: (?P<line>\d+)",
        "HIVE_BAD_DATA",
        "Error parsing line {line} of a text file",
    ),
    (
        r"(?:No files found that match the pattern|Cannot open file) \"(?P<file>[^\"]*)\"",
        "HIVE_CANNOT_OPEN_SPLIT",
        "Error opening Hive split: the file is not there any more",
    ),
)
_KNOWN = (
    (
        r"Scalar Function with name (?P<n>\S+) does not exist",
        "FUNCTION_NOT_FOUND",
        "Function '{n}' not registered",
    ),
    (
        r"Aggregate Function with name (?P<n>\S+) does not exist",
        "FUNCTION_NOT_FOUND",
        "Function '{n}' not registered",
    ),
    (
        r"Table Function with name (?P<n>\S+) does not exist",
        "FUNCTION_NOT_FOUND",
        "Function '{n}' not registered",
    ),
)


def translated(error: duckdb.Error, statement: s.Statement) -> QueryError:
    """The error that Athena would show; what is not known by name keeps DuckDB's words."""
    if isinstance(error, duckdb.InterruptException):
        return QueryError("USER_CANCELED", "Query was cancelled by user")
    text = str(error)
    for pattern, code, message in _FILES:
        if found := re.search(pattern, text, re.DOTALL):
            return QueryError(code, message.format(**found.groupdict()))
    if known := failure_of(error):
        return QueryError(*known)
    for pattern in _MISSING_COLUMN:
        if found := re.search(pattern, text):
            name = found["name"]
            return QueryError(
                "COLUMN_NOT_FOUND",
                f"{_place(statement, name)}Column '{name}' cannot be resolved or requester is not "
                "authorized to access requested resources",
            )
    for pattern, code, message in _KNOWN:
        if found := re.search(pattern, text):
            return QueryError(code, message.format(**found.groupdict()))
    grouped = re.search(r'column "([^"]+)" must appear in the GROUP BY clause', text)
    if grouped:
        return QueryError(
            "EXPRESSION_NOT_AGGREGATE",
            f"{_place(statement, grouped[1])}'{grouped[1]}' must be an aggregate expression or "
            "appear in GROUP BY clause",
        )
    if found := re.search(r'Ambiguous reference to column name "([^"]+)"', text):
        return QueryError(
            "AMBIGUOUS_NAME", f"{_place(statement, found[1])}Column '{found[1]}' is ambiguous"
        )
    first = re.split(r"\n\s*\n|\nLINE |\nCandidate", text)[0].strip()
    detail = re.sub(r"^\w[\w -]* Error: ", "", first)
    if isinstance(error, duckdb.OutOfRangeException):
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", detail)
    if isinstance(error, duckdb.BinderException):
        code = "TYPE_MISMATCH" if "type" in detail.lower() else "SYNTAX_ERROR"
        return QueryError(code, detail)
    if isinstance(error, duckdb.InvalidInputException):
        return QueryError("INVALID_FUNCTION_ARGUMENT", detail)
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("EXCEEDED_MEMORY_LIMIT", detail, SYSTEM)
    if isinstance(error, (duckdb.ParserException, duckdb.CatalogException)):
        return QueryError("NOT_SUPPORTED", f"The local engine cannot run this: {detail}")
    return QueryError("GENERIC_INTERNAL_ERROR", detail, SYSTEM)


def _trees(statement: s.Statement) -> Iterator[exp.Expression]:
    for value in vars(statement).values():
        if isinstance(value, exp.Expression):
            yield value


def _place(statement: s.Statement, name: str) -> str:
    for tree in _trees(statement):
        for column in tree.find_all(exp.Column, bfs=False):
            meta = column.this.meta
            if column.name.lower() == name.lower() and "line" in meta:
                start = meta["col"] - (meta["end"] - meta["start"])
                return f"line {meta['line']}:{start}: "
    return ""
