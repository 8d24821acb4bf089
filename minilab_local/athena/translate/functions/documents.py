"""JSON.

Source: Trino documentation, "JSON functions and operators".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from minilab_local.athena.translate import casts
from minilab_local.athena.translate.dialect import PREFIX, MinilabAthena
from minilab_local.athena.translate.errors import TranslationError, not_supported
from minilab_local.athena.translate.functions.calls import Call
from minilab_local.athena.translate.functions.registry import AGGREGATES, rule
from minilab_local.athena.translate.jsonpath import PathSyntaxError, compile_path
from minilab_local.athena.translate.scope import Value, literal
from minilab_local.athena.translate.types import (
    BIGINT,
    BOOLEAN,
    JSON,
    VARCHAR,
    Type,
    parse_type,
)

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


def may_not_be_tried(node: exp.Expression) -> bool:
    """Whether DuckDB's TRY, the quick way past malformed documents, refuses the expression."""
    return any(
        not isinstance(inner, exp.Anonymous)
        or inner.name.lower().removeprefix(PREFIX) in (*AGGREGATES, "random", "rand", "uuid")
        for inner in node.find_all(exp.Anonymous, exp.Window, exp.Query)
    )


@rule("json_extract")
def json_extract(call: Call) -> Value:
    call.count(2)
    found = document(call)
    if may_not_be_tried(call.nodes[0]):
        return Value(f"json_extract({found}, {path(call)})", JSON)
    return Value(f"TRY(json_extract({call.sql(0)}, {path(call)}))", JSON)


@rule("json_extract_scalar")
def json_extract_scalar(call: Call) -> Value:
    """NULL for objects and arrays, whose text DuckDB gives, and for what is no JSON."""
    call.count(2)
    document(call)
    macro = "trino_json_scalar_of" if may_not_be_tried(call.nodes[0]) else "trino_json_scalar_at"
    return Value(f"{macro}({call.sql(0)}, {path(call)})", VARCHAR)


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


# --- SQL/JSON ------------------------------------------------------------------------------------

_JSON_CALLS = ("json_object", "json_array", "json_query")


@rule("json_object", "json_array")
def json_object(call: Call) -> Value:
    """NULL is kept in objects and left out of arrays, unless the clause says else."""
    clause, finish = _returning(call)
    if clause not in ("", "NULL ON NULL", "ABSENT ON NULL"):
        raise not_supported(f"{call.name} with {clause}")
    members = []
    for i, value in enumerate(call.values):
        is_key = call.name == "json_object" and i % 2 == 0
        node = call.nodes[i]
        is_json = isinstance(node, exp.Anonymous) and (
            node.name.lower().removeprefix(PREFIX) in _JSON_CALLS
        )
        if is_key:
            members.append(value.sql)
        elif is_json:  # what these functions give is JSON here, without FORMAT JSON
            members.append(f"CAST({value.sql} AS JSON)")
        else:
            members.append(f"CAST({casts.cast(value, JSON).sql} AS JSON)")
    if not members:
        return finish("'{}'" if call.name == "json_object" else "'[]'")
    if call.name == "json_object":
        absent = clause == "ABSENT ON NULL"
        keys, values = ", ".join(members[::2]), ", ".join(members[1::2])
        return finish(f"trino_json_object([{keys}], [{values}], {'TRUE' if absent else 'FALSE'})")
    absent = clause != "NULL ON NULL"
    items = ", ".join(members)
    return finish(f"trino_json_array([{items}], {'TRUE' if absent else 'FALSE'})")


def _returning(call: Call) -> tuple[str, Callable[[str], Value]]:
    """The clause without RETURNING, and what brings the text to the type that it names."""
    clause = " ".join(call.clause.split())
    found = re.search(
        r"\bRETURNING ((?:\w+)(?: \( \d+(?: , \d+)? \))?(?: PRECISION)?)", clause, re.I
    )
    if not found:
        return clause.upper(), lambda sql: Value(sql, VARCHAR)
    to = parse_type(found[1].lower())
    rest = " ".join((clause[: found.start()] + clause[found.end() :]).split()).upper()
    if to.kind == "varbinary":
        rest = rest.removesuffix("FORMAT JSON ENCODING UTF8").strip()
    return rest, lambda sql: casts.cast(Value(sql, VARCHAR), to)


_HANDLER = re.compile(
    r"(NULL|ERROR|TRUE|FALSE|UNKNOWN|EMPTY ARRAY|EMPTY OBJECT|EMPTY|DEFAULT (?:(?! ON ).)+)"
    r" ON (EMPTY|ERROR)",
    re.IGNORECASE,
)


def _handlers(clause: str) -> tuple[str, dict[str, str]]:
    """The ON EMPTY and ON ERROR parts of a clause, and the rest of it."""
    found = {match[2].upper(): match[1] for match in _HANDLER.finditer(clause)}
    return " ".join(_HANDLER.sub("", clause).split()), found


def _checked_path(call: Call) -> str:
    text = call.constant(1, "a JSON path")
    try:
        compile_path(text)
    except PathSyntaxError:
        raise TranslationError(
            "INVALID_PATH", f"line 1:1: the JSON path {text!r} is wrong, or not carried here"
        ) from None
    return literal(text)


def _handled(call: Call, action: str, kind: Type, what: str) -> str:
    """What stands for an empty or failed result, as DuckDB text of the given type."""
    name = action.upper()
    if name == "NULL":
        return "NULL"
    if name in ("EMPTY ARRAY", "EMPTY"):
        return "'[]'"
    if name == "EMPTY OBJECT":
        return "'{}'"
    if name == "ERROR":
        message = literal(f"cannot extract a value from JSON: {what}")
        raised = f"trino_raise_text('PATH_EVALUATION_ERROR', {message})"
        return f"CAST({raised} AS {casts.physical(kind)})"
    tree = MinilabAthena().parse("SELECT " + action[len("DEFAULT ") :])[0]
    return casts.coerce(call.expressions(tree.expressions[0]), kind).sql


def _cases(found: str, value: str, call: Call, handlers: dict[str, str], kind: Type) -> str:
    empty = _handled(call, handlers.get("EMPTY", "NULL"), kind, "the path found nothing")
    error = _handled(call, handlers.get("ERROR", "NULL"), kind, "the path does not fit")
    return (
        f"CASE ({found}).status WHEN 'value' THEN {value} WHEN 'empty' THEN {empty} "
        f"WHEN 'error' THEN {error} END"
    )


def _input(call: Call) -> str:
    value = call[0]
    return value.sql if value.type.is_text else f"CAST({value.sql} AS VARCHAR)"


@rule("json_exists")
def json_exists(call: Call) -> Value:
    call.count(2)
    rest, handlers = _handlers(" ".join(call.clause.split()))
    action = handlers.get("ERROR", "FALSE").upper()
    if rest or action not in ("TRUE", "FALSE", "UNKNOWN", "ERROR"):
        raise not_supported(f"json_exists with {call.clause}")
    error = {"TRUE": "TRUE", "FALSE": "FALSE", "UNKNOWN": "NULL"}.get(action)
    error = error or _handled(call, "ERROR", BOOLEAN, "the path does not fit")
    found = f"trino_path_exists({_input(call)}, {_checked_path(call)})"
    return Value(
        f"CASE {found} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE WHEN 'error' THEN {error} END",
        BOOLEAN,
    )


@rule("json_value")
def json_value(call: Call) -> Value:
    call.count(2)
    rest, handlers = _handlers(" ".join(call.clause.split()))
    call.clause = rest
    rest, finish = _returning(call)
    if rest:
        raise not_supported(f"json_value with {rest}")
    found = f"trino_path_value({_input(call)}, {_checked_path(call)})"
    value = finish(f"({found}).text")
    return Value(_cases(found, value.sql, call, handlers, value.type), value.type)


@rule("json_query")
def json_query(call: Call) -> Value:
    call.count(2)
    rest, handlers = _handlers(" ".join(call.clause.split()))
    call.clause = rest
    rest, finish = _returning(call)
    omit = "OMIT QUOTES" in rest
    rest = re.sub(r"(OMIT|KEEP) QUOTES( ON SCALAR STRING)?", "", rest).strip()
    words = rest.replace("ARRAY ", "")
    wrappers = {
        "": "without",
        "WITHOUT WRAPPER": "without",
        "WITH WRAPPER": "unconditional",
        "WITH UNCONDITIONAL WRAPPER": "unconditional",
        "WITH CONDITIONAL WRAPPER": "conditional",
    }
    if words not in wrappers:
        raise not_supported(f"json_query with {rest}")
    wrapper = wrappers[words]
    arguments = f"{_input(call)}, {_checked_path(call)}, '{wrapper}', {'TRUE' if omit else 'FALSE'}"
    found = f"trino_path_query({arguments})"
    value = finish(f"({found}).text")
    return Value(_cases(found, value.sql, call, handlers, value.type), value.type)
