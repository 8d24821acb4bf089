"""Arrays, maps and lambdas that need more than a line.

Source: Trino documentation, "Array functions and operators", "Map functions and operators".
"""

from __future__ import annotations

from minilab_local.athena.translate import casts, operators
from minilab_local.athena.translate.errors import not_supported, type_mismatch
from minilab_local.athena.translate.functions.calls import Call
from minilab_local.athena.translate.functions.registry import rule
from minilab_local.athena.translate.scope import Value, quote
from minilab_local.athena.translate.types import (
    BIGINT,
    DATE,
    DOUBLE,
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    common_type,
    duckdb_type,
    field_name,
    map_of,
    row,
)


def need(call: Call, index: int, kind: str) -> Type:
    """The type of an argument that must be an array or a map."""
    found = call.type(index)
    if found.kind != kind:
        raise call.wrong()
    return found


# --- arrays ------------------------------------------------------------------------------------


@rule("row")
def row_(call: Call) -> Value:
    return operators.make_row(call.values)


@rule("array_join")
def array_join(call: Call) -> Value:
    """NULL elements are left out, or replaced by the third argument."""
    call.count(2, 3)
    element = need(call, 0, "array").element
    item = casts.cast(Value('"_e"', element), VARCHAR).sql
    texts = call.sql(0) if item == '"_e"' else f'list_transform({call.sql(0)}, lambda "_e": {item})'
    if len(call) == 3:
        replaced = f'coalesce("_e", {call.coerced(2, VARCHAR)})'
        texts = f'list_transform({texts}, lambda "_e": {replaced})'
    return Value(
        f"trino_array_join(CAST({texts} AS VARCHAR[]), {call.coerced(1, VARCHAR)})", VARCHAR
    )


@rule("array_sort")
def array_sort(call: Call) -> Value:
    call.count(1, 2)
    kind = need(call, 0, "array")
    if len(call) == 1:
        operators.refuse_packed(kind, "array_sort")
        return Value(f"list_sort({call.sql(0)}, 'ASC', 'NULLS LAST')", kind)
    # Comparing each element with each other gives its place: how many stand before it. Elements
    # that compare as equal keep their order.
    level = len(call.expressions.names)
    a, b, i, j = (quote(f"_{letter}{level}") for letter in "abij")
    body = call.expressions.body(call.nodes[1], [Value(a, kind.element), Value(b, kind.element)])
    if not body.type.is_integer:
        raise type_mismatch(f"A comparator must give an integer, not {body.type}")
    source = call.sql(0)
    # In DuckDB a lambda's second parameter is the place of the element.
    before = f"list_filter({source}, lambda {b}, {j}: {_flip(body.sql, a, b, i, j)})"
    ranked = f"list_transform({source}, lambda {a}, {i}: {{'k': len({before}), 'v': {a}}})"
    return Value(f"list_transform(list_sort({ranked}), lambda {a}: {a}.v)", kind)


def _flip(compare: str, a: str, b: str, i: str, j: str) -> str:
    """Whether ``b`` at ``j`` stands before ``a`` at ``i``, by the comparator of (a, b)."""
    return f"({compare} > 0 OR ({compare} = 0 AND {j} < {i}))"


@rule("reduce")
def reduce(call: Call) -> Value:
    call.count(4)
    kind = need(call, 0, "array")
    level = len(call.expressions.names)
    accumulated, current = f"_acc{level}", f"_now{level}"
    state = call[1].type
    for _ in range(2):  # the state may widen: reduce(…, 0, (s, x) -> s + x) over bigint
        now = [Value(f"{accumulated}.s", state), Value(f"{current}.x", kind.element)]
        body = call.expressions.body(call.nodes[2], now)
        both = common_type(state, body.type)
        if both is None:
            raise type_mismatch(f"Cannot reduce {state} by {body.type}")
        state = both
    # DuckDB's reduce wants elements of the state's type: both travel in a struct.
    physical = duckdb_type(state)
    element = "NULL" if kind.element == UNKNOWN else f"CAST(NULL AS {duckdb_type(kind.element)})"
    start = f"CAST({call.sql(1)} AS {physical})"
    items = f"list_transform({call.sql(0)}, lambda _v: {{'s': {start}, 'x': _v}})"
    step = f"{{'s': CAST({body.sql} AS {physical}), 'x': {current}.x}}"
    first = f"{{'s': {start}, 'x': {element}}}"
    folded = f"list_reduce({items}, lambda {accumulated}, {current}: {step}, {first}).s"
    result = call.expressions.body(call.nodes[3], [Value(f"({folded})", state)])
    return Value(f"CASE WHEN {call.sql(0)} IS NOT NULL THEN {result.sql} END", result.type)


@rule("zip")
def zip_(call: Call) -> Value:
    kinds = [need(call, i, "array") for i in range(len(call))]
    kind = row([k.element for k in kinds])
    fields = ", ".join(
        f"{quote(field_name(kind, i))} := ({call.sql(i)})[_i]" for i in range(len(call))
    )
    return _by_index(call, f"struct_pack({fields})", array(kind))


@rule("zip_with")
def zip_with(call: Call) -> Value:
    call.count(3)
    a, b = need(call, 0, "array"), need(call, 1, "array")
    left, right = Value(f"({call.sql(0)})[_i]", a.element), Value(f"({call.sql(1)})[_i]", b.element)
    body = call.expressions.body(call.nodes[2], [left, right])
    return _by_index(call, body.sql, array(body.type), 2)


def _by_index(call: Call, item: str, kind: Type, arrays: int | None = None) -> Value:
    """An array as long as the longest argument, of an item for each place ``_i``."""
    sources = [call.sql(i) for i in range(arrays or len(call))]
    longest = f"greatest({', '.join(f'len({s})' for s in sources)})"
    missing = " OR ".join(f"{s} IS NULL" for s in sources)
    made = f"list_transform(range(1, CAST({longest} AS BIGINT) + 1), lambda _i: {item})"
    return Value(f"CASE WHEN {missing} THEN NULL ELSE {made} END", kind)


@rule("sequence")
def sequence(call: Call) -> Value:
    call.count(2, 3)
    start, stop = call[0], call[1]
    kind = common_type(start.type, stop.type)
    if kind is None or kind.kind not in (
        "tinyint",
        "smallint",
        "integer",
        "bigint",
        "date",
        "timestamp",
    ):
        raise call.wrong()
    a, b = casts.coerce(start, kind).sql, casts.coerce(stop, kind).sql
    if kind.is_integer:
        a, b = f"CAST({a} AS BIGINT)", f"CAST({b} AS BIGINT)"
        step = (
            call.coerced(2, BIGINT)
            if len(call) == 3
            else f"CASE WHEN {a} <= {b} THEN 1 ELSE -1 END"
        )
        return Value(f"trino_sequence({a}, {b}, {step})", array(BIGINT))
    if len(call) == 3:
        step = call.sql(2)
    elif kind.kind == "date":
        step = f"CASE WHEN {a} <= {b} THEN INTERVAL 1 DAY ELSE INTERVAL '-1 DAY' END"
    else:
        raise call.wrong()
    made = f"generate_series(CAST({a} AS TIMESTAMP), CAST({b} AS TIMESTAMP), {step})"
    if kind == DATE:
        made = f"CAST({made} AS DATE[])"
    return Value(made, array(kind))


@rule("cosine_similarity")
def cosine_similarity(call: Call) -> Value:
    call.count(2)
    kind = map_of(VARCHAR, DOUBLE)
    if call.type(0).kind == "map":
        return Value(f"trino_cosine_maps({call.coerced(0, kind)}, {call.coerced(1, kind)})", DOUBLE)
    doubles = array(DOUBLE)
    need(call, 0, "array")
    return Value(
        f"list_cosine_similarity({call.coerced(0, doubles)}, {call.coerced(1, doubles)})", DOUBLE
    )


# --- maps --------------------------------------------------------------------------------------


@rule("map")
def map_(call: Call) -> Value:
    call.count(0, 2)
    if not len(call):
        return Value("MAP {}", map_of(UNKNOWN, UNKNOWN))
    keys, values = need(call, 0, "array"), need(call, 1, "array")
    return Value(f"trino_map({call.sql(0)}, {call.sql(1)})", map_of(keys.element, values.element))


def _entries(call: Call, kind: Type) -> str:
    return f"map_entries({call.sql(0)})"


def _entry(kind: Type, level: int) -> tuple[str, list[Value]]:
    """The name of a lambda's parameter over a map's entries, and its key and value."""
    name = quote(f"_m{level}")
    return name, [Value(f"{name}.key", kind.items[0]), Value(f"{name}.value", kind.value)]


@rule("map_filter")
def map_filter(call: Call) -> Value:
    call.count(2)
    kind = need(call, 0, "map")
    name, entry = _entry(kind, len(call.expressions.names))
    body = call.expressions.body(call.nodes[1], entry)
    return Value(
        f"map_from_entries(list_filter({_entries(call, kind)}, lambda {name}: {body.sql}))", kind
    )


@rule("transform_keys")
def transform_keys(call: Call) -> Value:
    call.count(2)
    kind = need(call, 0, "map")
    name, entry = _entry(kind, len(call.expressions.names))
    body = call.expressions.body(call.nodes[1], entry)
    entries = _entries(call, kind)
    keys = f"list_transform({entries}, lambda {name}: {body.sql})"
    return Value(f"trino_map({keys}, map_values({call.sql(0)}))", map_of(body.type, kind.value))


@rule("transform_values")
def transform_values(call: Call) -> Value:
    call.count(2)
    kind = need(call, 0, "map")
    name, entry = _entry(kind, len(call.expressions.names))
    body = call.expressions.body(call.nodes[1], entry)
    values = f"list_transform({_entries(call, kind)}, lambda {name}: {body.sql})"
    return Value(f"trino_map(map_keys({call.sql(0)}), {values})", map_of(kind.items[0], body.type))


@rule("map_zip_with")
def map_zip_with(call: Call) -> Value:
    call.count(3)
    a, b = need(call, 0, "map"), need(call, 1, "map")
    key = common_type(a.items[0], b.items[0])
    if key is None:
        raise call.wrong()
    name = quote(f"_m{len(call.expressions.names)}")
    body = call.expressions.body(
        call.nodes[2],
        [
            Value(name, key),
            Value(f"map_extract_value({call.sql(0)}, {name})", a.value),
            Value(f"map_extract_value({call.sql(1)}, {name})", b.value),
        ],
    )
    keys = f"trino_array_distinct(list_concat(map_keys({call.sql(0)}), map_keys({call.sql(1)})))"
    made = f"trino_map({keys}, list_transform({keys}, lambda {name}: {body.sql}))"
    missing = f"{call.sql(0)} IS NULL OR {call.sql(1)} IS NULL"
    return Value(f"CASE WHEN {missing} THEN NULL ELSE {made} END", map_of(key, body.type))


@rule("map_concat")
def map_concat(call: Call) -> Value:
    kind = call.expressions.common([v.type for v in call.values], "Cannot concatenate maps")
    if kind.kind != "map":
        raise call.wrong()
    maps = [casts.coerce(v, kind).sql for v in call.values]
    missing = " OR ".join(f"{m} IS NULL" for m in maps)
    return Value(f"CASE WHEN {missing} THEN NULL ELSE map_concat({', '.join(maps)}) END", kind)


def _pair(call: Call) -> Type:
    element = need(call, 0, "array").element
    if element.kind != "row" or len(element.items) != 2:
        raise call.wrong()
    return element


@rule("map_from_entries")
def map_from_entries(call: Call) -> Value:
    call.count(1)
    pair = _pair(call)
    keys, values = (
        f"list_transform({call.sql(0)}, lambda _e: _e.{quote(field_name(pair, i))})" for i in (0, 1)
    )
    return Value(f"trino_map({keys}, {values})", map_of(*pair.items))


@rule("multimap_from_entries")
def multimap_from_entries(call: Call) -> Value:
    call.count(1)
    pair = _pair(call)
    key, value = (quote(field_name(pair, i)) for i in (0, 1))
    keys = f"trino_array_distinct(list_transform({call.sql(0)}, lambda _e: _e.{key}))"
    same = f"list_filter({call.sql(0)}, lambda _e: _e.{key} = _k)"
    values = f"list_transform({keys}, lambda _k: list_transform({same}, lambda _e: _e.{value}))"
    return Value(f"trino_map({keys}, {values})", map_of(pair.items[0], array(pair.items[1])))


@rule("contains")
def contains(call: Call) -> Value:
    """The array form; that of networks needs the type ipaddress."""
    call.count(2)
    if call.type(0).is_text:
        raise not_supported("contains of an IP address in a network")
    kind = need(call, 0, "array")
    both = common_type(kind.element, call.type(1))
    if both is None:
        raise call.wrong()
    operators.refuse_packed(both, "contains")
    items, wanted = casts.coerce(call[0], array(both)).sql, casts.coerce(call[1], both).sql
    return Value(f"trino_contains({items}, {wanted})", Type("boolean"))
