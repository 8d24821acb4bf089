"""Aggregate and window functions.

A rule names the DuckDB aggregate and hands it to ``Call.apply``, which adds DISTINCT, ORDER BY,
FILTER and OVER as they stand in the query.

Source: Trino documentation, "Aggregate functions", "Window functions".
"""

from __future__ import annotations

from minilab_local.athena.translate import casts, operators
from minilab_local.athena.translate.errors import not_supported, type_mismatch
from minilab_local.athena.translate.functions.calls import Call
from minilab_local.athena.translate.functions.registry import aggregate
from minilab_local.athena.translate.scope import Value
from minilab_local.athena.translate.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    VARCHAR,
    Type,
    array,
    common_type,
    decimal,
    duckdb_type,
    map_of,
)


def number(call: Call, index: int = 0) -> Type:
    kind = call.type(index)
    if not kind.is_numeric and kind.kind not in ("any", "unknown"):
        raise call.wrong()
    return kind


# --- counting and adding -----------------------------------------------------------------------


@aggregate("count")
def count(call: Call) -> Value:
    star = not call.nodes or call.nodes[0].is_star
    if star:
        return Value(call.apply("count", "*"), BIGINT)
    if len(call) > 1:
        raise call.wrong()
    operators.refuse_packed(call.type(0) if call.distinct else BIGINT, "count(DISTINCT)")
    return Value(call.apply("count", call.sql(0)), BIGINT)


@aggregate("count_if")
def count_if(call: Call) -> Value:
    return Value(f"CAST({call.apply('count_if', call.sql(0))} AS BIGINT)", BIGINT)


@aggregate("sum")
def sum_(call: Call) -> Value:
    """DuckDB's sum of integers is a HUGEINT; Trino's a bigint that may overflow."""
    call.count(1)
    kind = call.type(0)
    if kind.is_integer:
        return Value(f"CAST({call.apply('sum', call.sql(0))} AS BIGINT)", BIGINT)
    if kind.kind == "decimal":
        return Value(call.apply("sum", call.sql(0)), decimal(38, kind.scale or 0))
    if kind.kind in ("real", "double"):
        return Value(f"CAST({call.apply('sum', call.sql(0))} AS {duckdb_type(kind)})", kind)
    if kind.kind.startswith("interval"):
        return Value(call.apply("sum", call.sql(0)), kind)
    number(call)
    return Value(call.apply("sum", call.sql(0)), kind)


@aggregate("avg")
def avg(call: Call) -> Value:
    """A decimal's average keeps its type, exactly; an integer's is a double."""
    call.count(1)
    kind = call.type(0)
    if kind.kind == "decimal":
        total, rows = call.apply("sum", call.sql(0)), call.apply("count", call.sql(0))
        wide = decimal(38, kind.scale or 0)
        mean = operators.divide_decimals(total, wide, rows, decimal(19, 0), kind)
        return Value(f"CASE WHEN {rows} > 0 THEN {mean.sql} END", kind)
    if kind.kind.startswith("interval"):
        return Value(call.apply("avg", call.sql(0)), kind)
    number(call)
    result = kind if kind.kind == "real" else DOUBLE
    return Value(f"CAST({call.apply('avg', call.sql(0))} AS {duckdb_type(result)})", result)


@aggregate("min", "max")
def extreme(call: Call) -> Value:
    call.count(1, 2)
    operators.refuse_packed(call.type(0), call.name)
    if call.type(0).kind in ("map", "json"):
        raise call.wrong()
    if len(call) == 2:
        made = call.apply(call.name, call.sql(0), f"CAST({call.sql(1)} AS BIGINT)")
        return Value(made, array(call.type(0)))
    return Value(call.apply(call.name, call.sql(0)), call.type(0))


@aggregate("max_by", "min_by")
def extreme_by(call: Call) -> Value:
    """The value may be NULL, as in Trino; DuckDB's arg_max passes over such rows."""
    call.count(2, 3)
    operators.refuse_packed(call.type(1), call.name)
    name = "arg_max" if call.name == "max_by" else "arg_min"
    if len(call) == 3:
        packed = call.apply(
            name, f"{{'v': {call.sql(0)}}}", call.sql(1), f"CAST({call.sql(2)} AS BIGINT)"
        )
        return Value(f"list_transform({packed}, lambda _e: _e.v)", array(call.type(0)))
    return Value(call.apply(f"{name}_null", call.sql(0), call.sql(1)), call.type(0))


@aggregate("any_value", "arbitrary")
def any_value(call: Call) -> Value:
    call.count(1)
    return Value(call.apply("any_value", call.sql(0)), call.type(0))


@aggregate("bool_and", "every", "bool_or")
def bool_and(call: Call) -> Value:
    call.count(1)
    if call.type(0).kind not in ("boolean", "any", "unknown"):
        raise call.wrong()
    name = "bool_or" if call.name == "bool_or" else "bool_and"
    return Value(call.apply(name, f"CAST({call.sql(0)} AS BOOLEAN)"), BOOLEAN)


@aggregate("bitwise_and_agg", "bitwise_or_agg", "bitwise_xor_agg")
def bitwise(call: Call) -> Value:
    call.count(1)
    name = {"bitwise_and_agg": "bit_and", "bitwise_or_agg": "bit_or", "bitwise_xor_agg": "bit_xor"}
    return Value(call.apply(name[call.name], call.coerced(0, BIGINT)), BIGINT)


# --- statistics --------------------------------------------------------------------------------

_STATISTICS = {
    "stddev": "stddev_samp", "stddev_samp": "stddev_samp", "stddev_pop": "stddev_pop",
    "variance": "var_samp", "var_samp": "var_samp", "var_pop": "var_pop", "corr": "corr",
    "covar_pop": "covar_pop", "covar_samp": "covar_samp", "regr_slope": "regr_slope",
    "regr_intercept": "regr_intercept",
}  # fmt: skip


@aggregate(*_STATISTICS)
def statistic(call: Call) -> Value:
    name = _STATISTICS[call.name]
    wanted = 2 if name.startswith(("co", "regr")) else 1
    call.count(wanted)
    for i in range(wanted):
        number(call, i)
    return Value(call.apply(name, *(call.coerced(i, DOUBLE) for i in range(wanted))), DOUBLE)


@aggregate("geometric_mean")
def geometric_mean(call: Call) -> Value:
    call.count(1)
    number(call)
    return Value(f"exp({call.apply('avg', f'ln({call.coerced(0, DOUBLE)})')})", DOUBLE)


@aggregate("approx_distinct")
def approx_distinct(call: Call) -> Value:
    """Exact: an answer without error is within every standard error."""
    call.count(1, 2)
    operators.refuse_packed(call.type(0), call.name)
    call.distinct = True
    return Value(call.apply("count", call.sql(0)), BIGINT)


@aggregate("approx_percentile")
def approx_percentile(call: Call) -> Value:
    """Exact: a value of the data at the percentile. Weights are not carried."""
    call.count(2, 3)
    kind = number(call)
    if len(call) == 3:
        raise not_supported("approx_percentile with weights or accuracy")
    many = call.type(1).kind == "array"
    wanted = call.coerced(1, array(DOUBLE) if many else DOUBLE)
    result = (
        kind if kind.kind in ("bigint", "double", "real") else BIGINT if kind.is_integer else DOUBLE
    )
    if kind.kind == "any":
        result = kind
    value = call.coerced(0, result)
    made = call.apply("quantile_disc", value, wanted)
    return Value(made, array(result) if many else result)


# --- collecting --------------------------------------------------------------------------------


@aggregate("array_agg")
def array_agg(call: Call) -> Value:
    call.count(1)
    return Value(call.apply("list", call.sql(0)), array(call.type(0)))


@aggregate("listagg")
def listagg(call: Call) -> Value:
    call.count(1, 2)
    if call.clause and " ".join(call.clause.upper().split()) != "ON OVERFLOW ERROR":
        raise not_supported(f"listagg with {call.clause}")
    separator = call.coerced(1, VARCHAR) if len(call) == 2 else "''"
    return Value(call.apply("string_agg", call.coerced(0, VARCHAR), separator), VARCHAR)


@aggregate("histogram")
def histogram(call: Call) -> Value:
    call.count(1)
    kind = map_of(call.type(0), BIGINT)
    operators.refuse_packed(call.type(0), call.name)
    return Value(f"CAST({call.apply('histogram', call.sql(0))} AS {duckdb_type(kind)})", kind)


@aggregate("map_agg")
def map_agg(call: Call) -> Value:
    """The first value of each key."""
    call.count(2)
    pairs = call.apply(
        "list", f"{{'k': {call.sql(0)}, 'v': {call.sql(1)}}}", where=_present(call, 0)
    )
    return Value(_once(pairs, "trino_first_by_key(_g)"), map_of(call.type(0), call.type(1)))


@aggregate("multimap_agg")
def multimap_agg(call: Call) -> Value:
    call.count(2)
    pairs = call.apply(
        "list", f"{{'k': {call.sql(0)}, 'v': {call.sql(1)}}}", where=_present(call, 0)
    )
    return Value(_once(pairs, "trino_all_by_key(_g)"), map_of(call.type(0), array(call.type(1))))


@aggregate("map_union")
def map_union(call: Call) -> Value:
    call.count(1)
    kind = call.type(0)
    if kind.kind != "map":
        raise call.wrong()
    maps = call.apply("list", call.sql(0), where=_present(call, 0))
    entries = "flatten(list_transform(_g, lambda _e: map_entries(_e)))"
    pairs = f"list_transform({entries}, lambda _e: {{'k': _e.key, 'v': _e.value}})"
    return Value(_once(_once(maps, pairs), "trino_first_by_key(_g)"), kind)


def _once(collected: str, body: str) -> str:
    """``body`` over ``_g``, the collected list.

    DuckDB fails where a lambda captures an aggregate that has a lambda inside; as a parameter of
    an outer lambda it is computed before.
    """
    return f"list_transform([{collected}], lambda _g: {body})[1]"


def _present(call: Call, index: int) -> str:
    return f"{call.sql(index)} IS NOT NULL"


@aggregate("reduce_agg")
def reduce_agg(call: Call) -> Value:
    """Folds the collected values by the input function, row after row."""
    call.count(4)
    state = call[1].type
    level = len(call.expressions.names)
    accumulated, current = f"_acc{level}", f"_now{level}"
    for _ in range(2):
        names = [Value(f"{accumulated}.s", state), Value(f"{current}.x", call.type(0))]
        body = call.expressions.body(call.nodes[2], names)
        both = common_type(state, body.type)
        if both is None:
            raise type_mismatch(f"Cannot reduce {state} by {body.type}")
        state = both
    physical = duckdb_type(state)
    start = f"CAST({call.sql(1)} AS {physical})"
    pairs = call.apply("list", f"{{'s': {start}, 'x': {call.sql(0)}}}", where=_present(call, 0))
    step = f"{{'s': CAST({body.sql} AS {physical}), 'x': {current}.x}}"
    first = f"{{'s': {start}, 'x': CAST(NULL AS {duckdb_type(call.type(0))})}}"
    return Value(f"list_reduce({pairs}, lambda {accumulated}, {current}: {step}, {first}).s", state)


@aggregate("grouping")
def grouping(call: Call) -> Value:
    if call.decorated:
        raise call.wrong()
    return Value(f"grouping({', '.join(v.sql for v in call.values)})", BIGINT)


# --- windows -----------------------------------------------------------------------------------


def windowed(call: Call) -> None:
    if call.window is None:
        raise type_mismatch(f"Window function {call.name} requires an OVER clause")


@aggregate("row_number", "rank", "dense_rank")
def ranking(call: Call) -> Value:
    call.count(0)
    windowed(call)
    return Value(call.apply(call.name), BIGINT)


@aggregate("percent_rank", "cume_dist")
def relative_rank(call: Call) -> Value:
    call.count(0)
    windowed(call)
    return Value(call.apply(call.name), DOUBLE)


@aggregate("ntile")
def ntile(call: Call) -> Value:
    call.count(1)
    windowed(call)
    return Value(call.apply("ntile", call.coerced(0, BIGINT)), BIGINT)


@aggregate("lag", "lead")
def lag(call: Call) -> Value:
    call.count(1, 2, 3)
    windowed(call)
    kind = call.type(0)
    arguments = [call.sql(0)]
    if len(call) > 1:
        arguments.append(call.coerced(1, BIGINT))
    if len(call) == 3:
        both = common_type(kind, call.type(2))
        if both is None:
            raise call.wrong()
        kind = both
        arguments = [casts.coerce(call[0], kind).sql, arguments[1], casts.coerce(call[2], kind).sql]
    return Value(call.apply(call.name, *arguments), kind)


@aggregate("first_value", "last_value")
def first_value(call: Call) -> Value:
    call.count(1)
    windowed(call)
    return Value(call.apply(call.name, call.sql(0)), call.type(0))


@aggregate("nth_value")
def nth_value(call: Call) -> Value:
    call.count(2)
    windowed(call)
    return Value(call.apply("nth_value", call.sql(0), call.coerced(1, BIGINT)), call.type(0))
