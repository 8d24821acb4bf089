"""Numbers, texts and conditions that need more than a line.

Source: Trino documentation, "Mathematical functions", "String functions", "Regular expression
functions", "Conditional expressions", "Conversion functions".
"""

from __future__ import annotations

import re

from sqlglot import exp

from minilab_local.athena.translate import casts, operators, zones
from minilab_local.athena.translate.errors import TranslationError, not_supported
from minilab_local.athena.translate.functions.calls import Call
from minilab_local.athena.translate.functions.registry import rule
from minilab_local.athena.translate.scope import Value, literal
from minilab_local.athena.translate.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    UUID,
    VARCHAR,
    Type,
    array,
    decimal,
    map_of,
    trino_text,
    varchar,
)

# --- conditions --------------------------------------------------------------------------------


@rule("coalesce")
def coalesce(call: Call) -> Value:
    kind = call.expressions.common(
        [v.type for v in call.values], "All COALESCE operands must be the same type"
    )
    return Value(f"COALESCE({', '.join(casts.coerce(v, kind).sql for v in call.values)})", kind)


@rule("nullif")
def nullif(call: Call) -> Value:
    call.count(2)
    first = call[0]
    same = operators.compare("=", first, call[1]).sql
    return Value(f"CASE WHEN {same} THEN NULL ELSE {first.sql} END", first.type)


@rule("if")
def if_(call: Call) -> Value:
    call.count(2, 3)
    return operators.choose([call.sql(0)], [call[1]], call[2] if len(call) == 3 else None)


@rule("try")
def try_(call: Call) -> Value:
    return call.expressions.attempt(lambda: call.expressions(call.nodes[0]))


@rule("greatest", "least")
def greatest(call: Call) -> Value:
    """NULL if any argument is NULL; DuckDB's skips NULLs."""
    kind = call.expressions.common(
        [v.type for v in call.values], f"All {call.name} operands must be the same type"
    )
    operators.refuse_packed(kind, call.name)
    texts = [casts.coerce(v, kind).sql for v in call.values]
    missing = " OR ".join(f"{t} IS NULL" for t in texts)
    return Value(f"CASE WHEN {missing} THEN NULL ELSE {call.name}({', '.join(texts)}) END", kind)


@rule("typeof")
def typeof(call: Call) -> Value:
    call.count(1)
    if call.type(0).kind == "any":
        raise not_supported("typeof of this expression")
    return Value(literal(trino_text(call.type(0))), VARCHAR)


@rule("current_user", "current_catalog", "current_schema", "version")
def session(call: Call) -> Value:
    raise not_supported(f"{call.name}")


@rule("uuid")
def uuid(call: Call) -> Value:
    return Value("uuid()", UUID)


# --- numbers -----------------------------------------------------------------------------------


@rule("round")
def round_(call: Call) -> Value:
    call.count(1, 2)
    kind = call.type(0)
    digits = call.sql(1) if len(call) == 2 else "0"
    if kind.is_integer:
        if len(call) == 1:
            return call[0]
        return Value(
            f"CAST(round({call.sql(0)}, CAST({digits} AS INTEGER)) AS {casts.physical(kind)})", kind
        )
    if kind.kind == "decimal":
        size, scale = kind.size or 0, kind.scale or 0
        if len(call) == 1:
            whole = decimal(max(1, min(38, size - scale + (1 if scale else 0))), 0)
            return Value(f"CAST(round({call.sql(0)}) AS {casts.physical(whole)})", whole)
        if call[1].constant is None:
            raise not_supported("round of a decimal to digits that are no literal")
        wide = decimal(size + 1, scale)
        wanted = min(int(call[1].constant), scale)
        return Value(f"CAST(round({call.sql(0)}, {wanted}) AS {casts.physical(wide)})", wide)
    if kind.kind in ("double", "real"):
        rounded = f"trino_round({call.sql(0)}, CAST({digits} AS INTEGER))"
        return Value(f"CAST({rounded} AS {casts.physical(kind)})", kind)
    if kind.kind in ("any", "unknown"):
        return Value(f"round({call.sql(0)}, {digits})", kind)
    raise call.wrong()


@rule("ceil", "ceiling", "floor")
def ceil(call: Call) -> Value:
    call.count(1)
    kind = call.type(0)
    if kind.is_integer:
        return call[0]
    if not kind.is_numeric and kind.kind not in ("any", "unknown"):
        raise call.wrong()
    if kind.kind == "decimal":
        size, scale = kind.size or 0, kind.scale or 0
        kind = decimal(max(1, min(38, size - scale + (1 if scale else 0))), 0)
    name = "floor" if call.name == "floor" else "ceil"
    return Value(f"CAST({name}({call.sql(0)}) AS {casts.physical(kind)})", kind)


@rule("truncate")
def truncate(call: Call) -> Value:
    call.count(1, 2)
    kind = call.type(0)
    if len(call) == 1 and kind.is_numeric:
        if kind.kind == "decimal":
            size, scale = kind.size or 0, kind.scale or 0
            kind = decimal(max(1, size - scale), 0)
        return Value(f"CAST(trunc({call.sql(0)}) AS {casts.physical(kind)})", kind)
    if kind.kind == "decimal" and call[1].constant is not None:
        digits = int(call[1].constant)
        scaled = f"trunc({call.sql(0)}, {digits})"
        return Value(f"CAST({scaled} AS {casts.physical(kind)})", kind)
    raise not_supported("truncate with digits")


@rule("sign")
def sign(call: Call) -> Value:
    call.count(1)
    kind = call.type(0)
    if not kind.is_numeric:
        raise call.wrong()
    to = decimal(1, 0) if kind.kind == "decimal" else kind
    return Value(f"CAST(sign({call.sql(0)}) AS {casts.physical(to)})", to)


@rule("mod")
def mod(call: Call) -> Value:
    call.count(2)
    return operators.calculate("%", call[0], call[1])


@rule("rand", "random")
def random(call: Call) -> Value:
    call.count(0, 1, 2)
    if not len(call):
        return Value("random()", DOUBLE)
    low = call.coerced(0, BIGINT) if len(call) == 2 else "0"
    high = call.coerced(len(call) - 1, BIGINT)
    kind = call.type(len(call) - 1)
    return Value(
        f"CAST({low} + floor(random() * ({high} - {low})) AS {casts.physical(kind)})", kind
    )


@rule("bitwise_left_shift", "bitwise_right_shift", "bitwise_right_shift_arithmetic")
def shift(call: Call) -> Value:
    call.count(2)
    kind = call.type(0)
    if not kind.is_integer:
        raise call.wrong()
    bits = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}[kind.kind]
    macro = "trino_" + call.name.removeprefix("bitwise_")
    value = f"CAST({call.sql(0)} AS HUGEINT)"
    by = f"CAST({call.sql(1)} AS INTEGER)"
    return Value(f"CAST({macro}({value}, {by}, {bits}) AS {casts.physical(kind)})", kind)


# --- texts -------------------------------------------------------------------------------------


@rule("concat")
def concat(call: Call) -> Value:
    """NULL if any argument is NULL; DuckDB's skips NULLs."""
    return operators.concat(call.values)


@rule("concat_ws")
def concat_ws(call: Call) -> Value:
    """NULL arguments are skipped, a NULL separator gives NULL."""
    if len(call) == 2 and call.type(1).kind == "array":
        parts = call.sql(1)
    else:
        for value in call.values:
            if not value.type.is_text and value.type.kind not in ("unknown", "any"):
                raise call.wrong()
        parts = f"[{', '.join(f'CAST({v.sql} AS VARCHAR)' for v in call.values[1:])}]"
    return Value(f"trino_concat_ws({call.sql(0)}, {parts})", VARCHAR)


@rule("regexp_like")
def regexp_like(call: Call) -> Value:
    call.count(2)
    return Value(f"regexp_matches({call.coerced(0, VARCHAR)}, {call.coerced(1, VARCHAR)})", BOOLEAN)


@rule("regexp_extract")
def regexp_extract(call: Call) -> Value:
    """NULL without a match, or for a group that took no part in it; DuckDB gives '' for both."""
    call.count(2, 3)
    text, pattern = call.coerced(0, VARCHAR), call.coerced(1, VARCHAR)
    group = f"CAST({call.sql(2)} AS INTEGER)" if len(call) == 3 else "0"
    if len(call) == 3 and call[2].constant is not None:
        group = call[2].constant
    found = f"regexp_extract({text}, {pattern}, {group})"
    if group != "0":
        exact = f"trino_regexp_group({text}, {pattern}, CAST({group} AS INTEGER))"
        found = f"CASE WHEN {found} = '' THEN {exact} ELSE {found} END"
    return Value(f"CASE WHEN regexp_matches({text}, {pattern}) THEN {found} END", VARCHAR)


@rule("regexp_extract_all")
def regexp_extract_all(call: Call) -> Value:
    call.count(2, 3)
    arguments = [call.coerced(0, VARCHAR), call.coerced(1, VARCHAR)]
    if len(call) == 3:
        arguments.append(call[2].constant or f"CAST({call.sql(2)} AS INTEGER)")
    return Value(f"regexp_extract_all({', '.join(arguments)})", array(VARCHAR))


def java_replacement(text: str) -> str:
    """A Java replacement (``$1``) as RE2's (``\\1``)."""

    def one(match: re.Match[str]) -> str:
        if match[1]:
            return f"\\{match[1]}"
        if match[2]:
            return "\\\\" if match[2] == "\\" else match[2]
        if match[0] == "$":
            raise not_supported(f"the replacement {text!r}")
        return match[0]

    return re.sub(r"\$(\d)|\\(.)|[^$\\]+|\$", one, text)


@rule("regexp_replace")
def regexp_replace(call: Call) -> Value:
    call.count(2, 3)
    if len(call) == 3 and isinstance(call.nodes[2], exp.Lambda):
        raise not_supported("regexp_replace with a function")
    text, pattern = call.coerced(0, VARCHAR), call.coerced(1, VARCHAR)
    if len(call) == 2:
        replacement = "''"
    elif call[2].constant is not None:
        replacement = literal(java_replacement(call[2].constant))
    else:
        replacement = f"trino_replacement({call.coerced(2, VARCHAR)})"
    return Value(f"regexp_replace({text}, {pattern}, {replacement}, 'g')", VARCHAR)


@rule("regexp_split")
def regexp_split(call: Call) -> Value:
    call.count(2)
    text, pattern = call.coerced(0, VARCHAR), call.coerced(1, VARCHAR)
    return Value(f"string_split_regex({text}, {pattern})", array(VARCHAR))


@rule("regexp_position")
def regexp_position(call: Call) -> Value:
    call.count(2, 3, 4)
    text, pattern = call.coerced(0, VARCHAR), call.coerced(1, VARCHAR)
    start = call.coerced(2, BIGINT) if len(call) > 2 else "1"
    nth = call.coerced(3, BIGINT) if len(call) > 3 else "1"
    return Value(f"trino_regexp_position({text}, {pattern}, {start}, {nth})", INTEGER)


@rule("normalize")
def normalize(call: Call) -> Value:
    call.count(1, 2)
    form = "NFC"
    if len(call.nodes) == 2:
        form = call.nodes[1].name.upper()
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise call.wrong()
    text = casts.coerce(call.expressions(call.nodes[0]), VARCHAR).sql
    return Value(f"trino_normalize({text}, '{form}')", VARCHAR)


@rule("split_to_map")
def split_to_map(call: Call) -> Value:
    call.count(3)
    texts = ", ".join(call.coerced(i, VARCHAR) for i in range(3))
    return Value(f"trino_split_to_map({texts})", map_of(VARCHAR, VARCHAR))


@rule("split_to_multimap")
def split_to_multimap(call: Call) -> Value:
    call.count(3)
    texts = ", ".join(call.coerced(i, VARCHAR) for i in range(3))
    return Value(f"trino_split_to_multimap({texts})", map_of(VARCHAR, array(VARCHAR)))


@rule("format")
def format_(call: Call) -> Value:
    """Java's Formatter, in Python: each argument goes as text, with its kind beside it."""
    kinds, texts = [], []
    for value in call.values[1:]:
        kinds.append(value.type.kind)
        if value.type.kind == "timestamptz":
            value = Value(zones.local(value), Type("timestamp", size=6))
        texts.append(casts.cast(value, VARCHAR).sql if not value.type.is_text else value.sql)
    arguments = f"CAST([{', '.join(texts)}] AS VARCHAR[])"
    return Value(
        f"trino_format({call.coerced(0, VARCHAR)}, {literal(' '.join(kinds))}, {arguments})",
        VARCHAR,
    )


@rule("format_number")
def format_number(call: Call) -> Value:
    return Value(f"trino_format_number({call.coerced(0, DOUBLE)})", VARCHAR)


@rule("parse_data_size")
def parse_data_size(call: Call) -> Value:
    text = call.coerced(0, VARCHAR)
    return Value(f"CAST(trino_data_size({text}) AS DECIMAL(38,0))", decimal(38, 0))


# --- literals that are no cast -------------------------------------------------------------------


@rule("decimal_literal")
def decimal_literal(call: Call) -> Value:
    """``DECIMAL '0000012345.1234500000'``: every digit written counts for its type."""
    text = call.constant(0, "a number").strip()
    digits = text.lstrip("+-")
    if not re.fullmatch(r"\d*\.?\d*", digits) or not digits.strip("."):
        raise TranslationError(
            "INVALID_LITERAL", f"line 1:1: '{text}' is not a valid DECIMAL literal"
        )
    whole, _, fraction = digits.partition(".")
    kind = decimal(max(1, len(whole) + len(fraction)), len(fraction))
    return Value(f"CAST({literal(text)} AS {casts.physical(kind)})", kind, text)


@rule("char_literal")
def char_literal(call: Call) -> Value:
    text = call.constant(0, "a text")
    return Value(literal(text), Type("char", size=max(1, len(text))), text)


@rule("chr")
def chr_(call: Call) -> Value:
    return Value(f"chr(CAST({call.coerced(0, BIGINT)} AS INTEGER))", varchar(1))
