"""JSON.

Source: Trino documentation, "JSON functions and operators".
"""

from __future__ import annotations

import re

from minilab_local.athena.translate import casts
from minilab_local.athena.translate.errors import TranslationError, not_supported
from minilab_local.athena.translate.functions.calls import Call
from minilab_local.athena.translate.functions.registry import rule
from minilab_local.athena.translate.scope import Value, literal
from minilab_local.athena.translate.types import BIGINT, BOOLEAN, JSON, VARCHAR

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_\d$@-]+|\*)|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|\['(?P<single>[^']*)'\]"""
    r"""|\[(?P<index>\d+)\]|\[(?P<bare>[A-Za-z_][\w-]*|\*)\]"""
)


def duckdb_path(path: str) -> str:
    """A JSONPath of json_extract (``$.a["b"][0]``) as DuckDB takes it; fails for what it lacks."""
    if path in ("", "$"):
        return "$"
    if not path.startswith("$"):
        path = "$." + path if not path.startswith("[") else "$" + path
    rest, found = path[1:], "$"
    while rest:
        step = _STEP.match(rest)
        if not step or "*" in (step["name"], step["bare"]):
            if re.search(r"\*|\.\.|\?", rest):
                raise not_supported(f"the JSON path {path!r}")
            raise TranslationError(
                "INVALID_FUNCTION_ARGUMENT", f"line 1:1: Invalid JSON path: '{path}'"
            )
        if step["index"] is not None:
            found += f"[{step['index']}]"
        else:
            name = step["name"] or step["quoted"] or step["single"] or step["bare"] or ""
            name = re.sub(r"\\(.)", r"\1", name)
            if '"' in name:
                raise not_supported(f"the JSON path {path!r}")
            found += f'."{name}"'
        rest = rest[step.end() :]
    return found


def document(call: Call, index: int = 0) -> str:
    """A JSON argument: of type json, or a text, which may be no JSON at all and is then NULL."""
    value = call[index]
    if value.type.kind == "json":
        return value.sql
    if not value.type.is_text and value.type.kind not in ("any", "unknown"):
        raise call.wrong()
    return f"trino_valid_json({value.sql})"


def path(call: Call, index: int = 1) -> str:
    return literal(duckdb_path(call.constant(index, "a JSON path")))


@rule("json_extract")
def json_extract(call: Call) -> Value:
    call.count(2)
    return Value(f"json_extract({document(call)}, {path(call)})", JSON)


@rule("json_extract_scalar")
def json_extract_scalar(call: Call) -> Value:
    """NULL for objects and arrays; DuckDB gives their text."""
    call.count(2)
    return Value(f"trino_json_scalar_at({document(call)}, {path(call)})", VARCHAR)


@rule("json_parse")
def json_parse(call: Call) -> Value:
    call.count(1)
    if call.type(0).kind == "json":
        raise call.wrong()
    return Value(f"trino_json_parse({call.coerced(0, VARCHAR)})", JSON)


@rule("json_format")
def json_format(call: Call) -> Value:
    call.count(1)
    value = call[0] if call.type(0).kind == "json" else casts.cast(call[0], JSON)
    return Value(f"CAST({value.sql} AS VARCHAR)", VARCHAR)


@rule("json_array_length")
def json_array_length(call: Call) -> Value:
    call.count(1)
    return Value(f"trino_json_array_length({document(call)})", BIGINT)


@rule("json_array_get")
def json_array_get(call: Call) -> Value:
    call.count(2)
    return Value(f"trino_json_array_get({document(call)}, {call.coerced(1, BIGINT)})", JSON)


@rule("json_array_contains")
def json_array_contains(call: Call) -> Value:
    call.count(2)
    kind = call.type(1)
    if not (kind.is_text or kind.is_numeric or kind.kind == "boolean"):
        raise call.wrong()
    wanted = casts.cast(call[1], JSON).sql
    return Value(f"trino_json_array_contains({document(call)}, {wanted})", BOOLEAN)


@rule("json_size")
def json_size(call: Call) -> Value:
    call.count(2)
    return Value(f"trino_json_size(json_extract({document(call)}, {path(call)}))", BIGINT)


@rule("is_json_scalar")
def is_json_scalar(call: Call) -> Value:
    call.count(1)
    return Value(f"(json_type({document(call)}) NOT IN ('OBJECT', 'ARRAY'))", BOOLEAN)


@rule("json_object", "json_array")
def json_object(call: Call) -> Value:
    """The plain forms. NULL: kept in objects, left out of arrays, unless the clause says else."""
    clause = " ".join(call.clause.upper().split())
    if clause not in ("", "NULL ON NULL", "ABSENT ON NULL"):
        raise not_supported(f"{call.name} with {clause}")
    members = []
    for i, value in enumerate(call.values):
        is_key = call.name == "json_object" and i % 2 == 0
        members.append(value.sql if is_key else f"CAST({casts.cast(value, JSON).sql} AS JSON)")
    if call.name == "json_object":
        absent = clause == "ABSENT ON NULL"
        keys, values = ", ".join(members[::2]), ", ".join(members[1::2])
        if not members:
            return Value("'{}'", VARCHAR)
        return Value(
            f"trino_json_object([{keys}], [{values}], {'TRUE' if absent else 'FALSE'})", VARCHAR
        )
    if not members:
        return Value("'[]'", VARCHAR)
    absent = clause != "NULL ON NULL"
    return Value(
        f"trino_json_array([{', '.join(members)}], {'TRUE' if absent else 'FALSE'})", VARCHAR
    )


@rule("json_query", "json_value", "json_exists")
def json_query(call: Call) -> Value:
    raise not_supported(f"{call.name} (use json_extract or json_extract_scalar)")
