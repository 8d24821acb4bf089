"""Expressions: each kind of node has one small method that gives DuckDB text and a Trino type.

Function calls are looked up by name in ``functions``. Operators follow Trino's types: integer
division stays integer, decimals keep their scale, nothing is compared with what it cannot equal.

Source: Trino documentation, "Functions and operators".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from minilab_local.athena.translate import casts, zones
from minilab_local.athena.translate.errors import TranslationError, not_supported, type_mismatch
from minilab_local.athena.translate.operators import (
    INTERVAL_UNITS,
    calculate,
    choose,
    compare,
    concat,
    interval_span,
    literal_cast,
    make_row,
    refuse_packed,
    subscript,
)
from minilab_local.athena.translate.scope import Scope, Value, fields_of, literal, quote
from minilab_local.athena.translate.types import (
    ANY,
    BIGINT,
    BOOLEAN,
    DAY_SECOND,
    DOUBLE,
    INTEGER,
    UNKNOWN,
    VARBINARY,
    YEAR_MONTH,
    Type,
    array,
    common_type,
    decimal,
    parse_type,
    timestamptz,
    varchar,
)

if TYPE_CHECKING:
    from minilab_local.athena.translate.query import Queries


class Expressions:
    """Translates the expressions of one scope."""

    def __init__(
        self, scope: Scope, queries: Queries, names: dict[str, Value] | None = None
    ) -> None:
        self.scope = scope
        self.queries = queries
        # What a plain name means before the scope is asked: parameters of lambdas, output columns.
        self.names = names or {}
        # Aggregates and subqueries inside TRY, which DuckDB wants outside; None if in no TRY.
        self.hoisted: list[str] | None = None

    def __call__(self, node: Any) -> Value:
        method = _METHODS.get(type(node))
        if method is None:
            raise not_supported(f"{type(node).__name__} ({node.sql(dialect='trino')})")
        refuse_unread(node)
        return method(self, node)

    def sql(self, node: Any) -> str:
        return self(node).sql

    def condition(self, node: Any) -> str:
        """The text of an expression that must be boolean."""
        value = self(node)
        if value.type.kind not in ("boolean", "unknown", "any"):
            raise type_mismatch(f"Expression must evaluate to a boolean (actual: {value.type})")
        return value.sql

    def attempt(self, build: Callable[[], Value]) -> Value:
        """NULL where the expression fails (TRY, TRY_CAST).

        DuckDB's TRY takes no aggregates and no subqueries: they are computed outside it and
        handed in.
        """
        outer, self.hoisted = self.hoisted, []
        try:
            value, hoisted = build(), self.hoisted
        finally:
            self.hoisted = outer
        if not hoisted:
            return Value(f"TRY({value.sql})", value.type)
        fields = ", ".join(f"_a{i} := {sql}" for i, sql in enumerate(hoisted))
        packed = f"[struct_pack({fields})]"
        return Value(f"list_transform({packed}, lambda _try: TRY({value.sql}))[1]", value.type)

    def outside(self, build: Callable[[], Value]) -> Value:
        """Compute an aggregate or subquery outside the TRY that we may be in."""
        if self.hoisted is None:
            return build()
        hoisted, self.hoisted = self.hoisted, None
        try:
            value = build()
        finally:
            self.hoisted = hoisted
        hoisted.append(value.sql)
        return Value(f"_try._a{len(hoisted) - 1}", value.type)

    def with_names(self, names: dict[str, Value]) -> Expressions:
        inner = Expressions(self.scope, self.queries, {**self.names, **names})
        inner.hoisted = self.hoisted
        return inner

    def lambda_(self, node: Any, parameters: Sequence[Type]) -> tuple[list[str], Value]:
        """A lambda's parameters and body in DuckDB, given its parameters' types."""
        level = len(self.names)
        physical = [quote(f"_p{level + i}") for i in range(len(parameters))]
        return physical, self.body(node, [*map(Value, physical, parameters)])

    def body(self, node: Any, parameters: Sequence[Value]) -> Value:
        """A lambda's body, with what its parameters stand for."""
        if not isinstance(node, exp.Lambda) or len(node.expressions) != len(parameters):
            raise type_mismatch(f"Expected a lambda of {len(parameters)} arguments")
        names = {p.name.lower(): v for p, v in zip(node.expressions, parameters, strict=True)}
        return self.with_names(names)(node.this)

    # --- names ---------------------------------------------------------------------------------

    def name(self, parts: list[str], node: Any) -> Value:
        known = self.names.get(parts[0])
        found = fields_of(known, parts[1:]) if known else None
        found = found or self.scope.find(parts)
        if found is None and isinstance(node.parent, exp.Column) and node.parent.args.get("db"):
            # database.table.column: the tables here go by their plain names
            found = self.scope.find(parts[1:]) or self.scope.find(parts[2:])
        if found is None:
            text = ".".join(parts)
            raise TranslationError(
                "COLUMN_NOT_FOUND", f"{position(node)}: Column '{text}' cannot be resolved"
            )
        return found

    def column(self, node: exp.Column) -> Value:
        return self.name([part.name.lower() for part in node.parts], node.this)

    def identifier(self, node: exp.Identifier) -> Value:
        return self.name([node.name.lower()], node)

    def dot(self, node: exp.Dot) -> Value:
        if isinstance(node.expression, exp.Anonymous):
            raise not_supported(f"qualified function {node.sql(dialect='trino')}")
        base = self(node.this)
        field = node.expression.name.lower()
        found = fields_of(base, [field])
        if found is None:
            raise TranslationError(
                "COLUMN_NOT_FOUND",
                f"{position(node.expression)}: Column '{field}' cannot be resolved",
            )
        return found

    # --- literals ------------------------------------------------------------------------------

    def literal(self, node: exp.Literal) -> Value:
        text = node.this
        if node.is_string:
            return Value(literal(text), varchar(len(text)), text)
        if "e" in text.lower():
            return Value(f"CAST({text} AS DOUBLE)", DOUBLE, text)
        if "." in text:
            whole, _, fraction = text.partition(".")
            size = max(1, len(whole.lstrip("0")) + len(fraction))
            kind = decimal(size, len(fraction))
            return Value(f"CAST({literal(text)} AS DECIMAL({size},{len(fraction)}))", kind, text)
        number = int(text)
        if number >= 1 << 63:
            raise TranslationError("INVALID_LITERAL", f"line 1:1: Invalid numeric literal: {text}")
        return Value(str(number), INTEGER if number < 1 << 31 else BIGINT, str(number))

    def null(self, node: exp.Null) -> Value:
        return Value("NULL", UNKNOWN)

    def boolean(self, node: exp.Boolean) -> Value:
        return Value("TRUE" if node.this else "FALSE", BOOLEAN)

    def hex_string(self, node: exp.HexString) -> Value:
        return Value(f"from_hex({literal(node.this)})", VARBINARY)

    def unicode_string(self, node: exp.UnicodeString) -> Value:
        escape = node.args.get("escape")
        mark = re.escape(escape.name if isinstance(escape, exp.Expression) else "\\")
        text = re.sub(
            rf"{mark}(?:\+([0-9A-Fa-f]{{6}})|([0-9A-Fa-f]{{4}})|{mark})",
            lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else m[0][0],
            node.this,
        )
        return Value(literal(text), varchar(len(text)), text)

    def interval(self, node: exp.Interval) -> Value:
        text = node.this.name if node.this else ""
        unit = node.args.get("unit")
        sign = "-" if text.startswith("-") else ""
        text = text.lstrip("+-")
        if isinstance(unit, exp.IntervalSpan):
            start, end = unit.this.name.upper(), unit.expression.name.upper()
            return interval_span(sign, text, start, end)
        name = unit.name.upper().removesuffix("S") if unit else "SECOND"
        if name not in INTERVAL_UNITS or not re.fullmatch(r"\d+(\.\d+)?", text):
            raise TranslationError("INVALID_LITERAL", f"line 1:1: Invalid INTERVAL: {text} {name}")
        kind = YEAR_MONTH if name in ("YEAR", "MONTH") else DAY_SECOND
        return Value(f"INTERVAL '{sign}{text} {name}'", kind)

    def array(self, node: exp.Array) -> Value:
        values = [self(item) for item in node.expressions]
        if len(values) == 1 and isinstance(node.expressions[0], exp.Query):
            raise not_supported("ARRAY with a subquery")
        kind = self.common([v.type for v in values], "All ARRAY elements must be the same type")
        items = ", ".join(casts.coerce(v, kind).sql for v in values)
        return Value(f"[{items}]", array(kind))

    def tuple(self, node: exp.Tuple) -> Value:
        return make_row([self(item) for item in node.expressions])

    def common(self, types: Sequence[Type], message: str) -> Type:
        kind = UNKNOWN
        for other in types:
            both = common_type(kind, other)
            if both is None:
                raise type_mismatch(f"{message}: {kind}, {other}")
            kind = both
        return kind

    # --- operators -----------------------------------------------------------------------------

    def paren(self, node: exp.Paren) -> Value:
        value = self(node.this)
        return Value(f"({value.sql})", value.type, value.constant)

    def not_(self, node: exp.Not) -> Value:
        return Value(f"(NOT {self.condition(node.this)})", BOOLEAN)

    def connector(self, node: exp.Connector) -> Value:
        word = "AND" if isinstance(node, exp.And) else "OR"
        # Long chains lean to the left: walk them, so that their length is no depth.
        parts = []
        left: Any = node
        while type(left) is type(node):
            parts.append(self.condition(left.expression))
            left = left.this
        parts.append(self.condition(left))
        return Value("(" + f" {word} ".join(reversed(parts)) + ")", BOOLEAN)

    def negative(self, node: exp.Neg) -> Value:
        value = self(node.this)
        if not value.type.is_numeric and value.type not in (DAY_SECOND, YEAR_MONTH, ANY, UNKNOWN):
            raise type_mismatch(f"Cannot negate {value.type}")
        constant = f"-{value.constant}" if value.constant else None
        return Value(f"(-{value.sql})", value.type, constant)

    def arithmetic(self, node: exp.Binary) -> Value:
        operator = _ARITHMETIC[type(node)]
        return calculate(operator, self(node.this), self(node.expression))

    def concat(self, node: exp.DPipe) -> Value:
        return concat([self(node.this), self(node.expression)])

    def comparison(self, node: exp.Binary) -> Value:
        operator = _COMPARISON[type(node)]
        left = self(node.this)
        right = node.expression
        quantifier = right.name.lower() if isinstance(right, exp.Anonymous) else ""
        if isinstance(right, exp.All) or (quantifier == "all" and len(right.expressions) == 1):
            return self.quantified(left, operator, "ALL", right)
        if isinstance(right, exp.Any) or (
            quantifier in ("any", "some") and len(right.expressions) == 1
        ):
            return self.quantified(left, operator, "ANY", right)
        return compare(operator, left, self(right))

    def quantified(self, left: Value, operator: str, word: str, node: Any) -> Value:
        inner = node.this if isinstance(node.this, exp.Expression) else node.expressions[0]
        while isinstance(inner, (exp.Subquery, exp.Paren)):
            inner = inner.this
        if not isinstance(inner, (exp.Query, exp.Values)):
            raise type_mismatch(f"{word} needs a subquery")
        tree, columns = self.queries.query(inner, self.scope)
        self.common([left.type, columns[0].type], "Cannot compare")
        return Value(f"({left.sql} {operator} {word} ({self.queries.render(tree)}))", BOOLEAN)

    def between(self, node: exp.Between) -> Value:
        value, low, high = self(node.this), self(node.args["low"]), self(node.args["high"])
        lower, upper = compare(">=", value, low), compare("<=", value, high)
        return Value(f"({lower.sql} AND {upper.sql})", BOOLEAN)

    def in_(self, node: exp.In) -> Value:
        left = self(node.this)
        if node.args.get("query"):
            inner = node.args["query"]
            inner = inner.this if isinstance(inner, exp.Subquery) else inner
            if self.hoisted is not None:
                return self.outside(lambda: self.in_(node))
            tree, columns = self.queries.query(inner, self.scope)
            if len(columns) != 1:
                raise not_supported("IN with a subquery of several columns")
            kind = self.common([left.type, columns[0].type], "Cannot compare")
            refuse_packed(kind, "IN")
            return Value(f"({left.sql} IN ({self.queries.render(tree)}))", BOOLEAN)
        values = [self(item) for item in node.expressions]
        kind = self.common([left.type, *(v.type for v in values)], "Cannot compare")
        refuse_packed(kind, "IN")
        items = ", ".join(casts.coerce(v, kind).sql for v in values)
        return Value(f"({casts.coerce(left, kind).sql} IN ({items}))", BOOLEAN)

    def is_(self, node: exp.Is) -> Value:
        if not isinstance(node.expression, exp.Null):
            raise not_supported(f"IS {node.expression.sql(dialect='trino')}")
        return Value(f"({self.sql(node.this)} IS NULL)", BOOLEAN)

    def like(self, node: exp.Like, escape: exp.Expression | None = None) -> Value:
        left, right = self(node.this), self(node.expression)
        for side in (left, right):
            if not side.type.is_text and side.type.kind not in ("any", "unknown"):
                raise type_mismatch(
                    f"Left side of LIKE expression must evaluate to a varchar (actual: {side.type})"
                )
        suffix = f" ESCAPE {self.sql(escape)}" if escape else ""
        negated = "NOT " if node.args.get("negate") else ""
        return Value(f"({left.sql} {negated}LIKE {right.sql}{suffix})", BOOLEAN)

    def escape(self, node: exp.Escape) -> Value:
        refuse_unread(node.this)
        return self.like(node.this, node.expression)

    def exists(self, node: exp.Exists) -> Value:
        if self.hoisted is not None:
            return self.outside(lambda: self.exists(node))
        inner = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        tree, _ = self.queries.query(inner, self.scope)
        return Value(f"EXISTS ({self.queries.render(tree)})", BOOLEAN)

    def subquery(self, node: exp.Subquery | exp.Query) -> Value:
        if self.hoisted is not None:
            return self.outside(lambda: self.subquery(node))
        inner = node.this if isinstance(node, exp.Subquery) and not node.args.get("with_") else node
        tree, columns = self.queries.query(inner, self.scope)
        if len(columns) != 1:
            raise not_supported("a subquery of several columns as a value")
        return Value(f"({self.queries.render(tree)})", columns[0].type)

    def at_time_zone(self, node: exp.AtTimeZone) -> Value:
        value = self(node.this)
        if value.type.kind == "timestamp":
            value = casts.coerce(value, timestamptz(value.type.size or 0))
        if value.type.kind != "timestamptz":
            raise type_mismatch(
                "Type of value must be a time or timestamp with or without time zone "
                f"(actual {value.type})"
            )
        return zones.at_zone(value, self(node.args["zone"]))

    # --- conditions ----------------------------------------------------------------------------

    def case(self, node: exp.Case) -> Value:
        base = self(node.this) if node.this else None
        tests, results = [], []
        for branch in node.args["ifs"]:
            if base:
                tests.append(compare("=", base, self(branch.this)).sql)
            else:
                tests.append(self.condition(branch.this))
            results.append(self(branch.args["true"]))
        default = node.args.get("default")
        return choose(tests, results, self(default) if default is not None else None)

    def if_(self, node: exp.If) -> Value:
        false = node.args.get("false")
        return choose(
            [self.condition(node.this)],
            [self(node.args["true"])],
            self(false) if false is not None else None,
        )

    # --- calls ---------------------------------------------------------------------------------

    def cast(self, node: exp.Cast) -> Value:
        to = data_type(node.to)
        if isinstance(node.this, exp.Literal) and node.this.is_string:
            found = literal_cast(node.this.this, to)
            if found:
                return found
        return casts.cast(self(node.this), to)

    def try_cast(self, node: exp.TryCast) -> Value:
        return self.attempt(lambda: casts.cast(self(node.this), data_type(node.to)))

    def subscript(self, node: exp.Bracket) -> Value:
        if len(node.expressions) != 1:
            raise not_supported("a subscript of several values")
        return subscript(self(node.this), self(node.expressions[0]))

    def special(self, node: exp.Expression) -> Value:
        """Calls with a grammar of their own, handed to the rule of their name."""
        name, arguments = _SPECIAL[type(node)](node)
        return self.call(exp.Anonymous(this=name, expressions=[a for a in arguments if a]))

    def call(self, node: Any) -> Value:
        from minilab_local.athena.translate.functions import call

        return call(self, node)


def position(node: Any) -> str:
    """Where a name stands in the query, as Trino writes it: ``line 1:8``."""
    line, column = node.meta.get("line"), node.meta.get("col")
    if line is None or column is None:
        return "line 1:1"
    text = node.name if isinstance(node, exp.Expression) else ""
    return f"line {line}:{max(1, column - len(text) + 1)}"


def data_type(node: exp.DataType) -> Type:
    """The type that a cast names."""
    return parse_type(node.sql(dialect="trino", comments=False))


# What is read of each kind of node. A part of the tree that nobody reads would be an answer to
# another question, so it is refused.
_READ: dict[type, str] = {
    exp.Between: "this low high",
    exp.Case: "this ifs default",
    exp.Cast: "this to",
    exp.CTE: "this alias",
    exp.DPipe: "this expression safe",
    exp.Div: "this expression typed safe",
    exp.Distinct: "expressions",
    exp.Except: "this expression distinct with_ order limit offset",
    exp.Extract: "this expression",
    exp.If: "this true false",
    exp.In: "this expressions query",
    exp.Intersect: "this expression distinct with_ order limit offset",
    exp.Interval: "this unit",
    exp.Is: "this expression",
    exp.Join: "this side kind method on using",
    exp.Lateral: "this alias",
    exp.Like: "this expression negate",
    exp.Limit: "expression",
    exp.Literal: "this is_string",
    exp.Ordered: "this desc nulls_first",
    exp.Select: "expressions from_ joins where group having windows distinct order limit offset "
    "with_",
    exp.Star: "",
    exp.Subquery: "this alias with_ order limit offset sample joins",
    exp.Table: "this db catalog alias sample joins",
    exp.TableAlias: "this columns",
    exp.StrPosition: "this substr",
    exp.Substring: "this start length",
    exp.TableSample: "method percent",
    exp.Trim: "this expression position",
    exp.TryCast: "this to safe",
    exp.UnicodeString: "this escape",
    exp.Union: "this expression distinct with_ order limit offset",
    exp.Unnest: "expressions alias offset",
    exp.Values: "expressions alias order limit offset with_",
    exp.Window: "this partition_by order spec alias over",
    exp.WindowSpec: "kind start start_side end end_side",
    exp.With: "expressions recursive",
}
_READ_SETS = {kind: frozenset(text.split()) for kind, text in _READ.items()}


def refuse_unread(node: Any) -> None:
    """Fail for a node with a part that its method does not look at."""
    known = _READ_SETS.get(type(node))
    if known is None:
        return
    for key, value in node.args.items():
        if value and key not in known:
            raise not_supported(f"{type(node).__name__.upper()} with {key.strip('_').upper()}")


_ARITHMETIC: dict[type, str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_COMPARISON: dict[type, str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_SPECIAL: dict[type, Callable[[Any], tuple[str, list[Any]]]] = {
    exp.Extract: lambda n: ("extract", [exp.Literal.string(n.this.name), n.expression]),
    exp.Trim: lambda n: (
        {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(
            (n.args.get("position") or "").upper(), "trim"
        ),
        [n.this, n.expression],
    ),
    exp.StrPosition: lambda n: ("strpos", [n.this, n.args.get("substr")]),
    exp.Substring: lambda n: ("substr", [n.this, n.args.get("start"), n.args.get("length")]),
    exp.CurrentDate: lambda n: ("current_date", []),
    exp.CurrentTime: lambda n: ("current_time", []),
    exp.CurrentTimestamp: lambda n: ("current_timestamp", []),
    exp.Localtime: lambda n: ("localtime", []),
    exp.Localtimestamp: lambda n: ("localtimestamp", []),
    exp.CurrentUser: lambda n: ("current_user", []),
    exp.CurrentCatalog: lambda n: ("current_catalog", []),
}
_METHODS: dict[type, Callable[[Expressions, Any], Value]] = {
    exp.Column: Expressions.column,
    exp.Identifier: Expressions.identifier,
    exp.Dot: Expressions.dot,
    exp.Literal: Expressions.literal,
    exp.Null: Expressions.null,
    exp.Boolean: Expressions.boolean,
    exp.HexString: Expressions.hex_string,
    exp.UnicodeString: Expressions.unicode_string,
    exp.Interval: Expressions.interval,
    exp.Array: Expressions.array,
    exp.Tuple: Expressions.tuple,
    exp.Paren: Expressions.paren,
    exp.Not: Expressions.not_,
    exp.And: Expressions.connector,
    exp.Or: Expressions.connector,
    exp.Neg: Expressions.negative,
    exp.DPipe: Expressions.concat,
    **dict.fromkeys(_ARITHMETIC, Expressions.arithmetic),
    **dict.fromkeys(_COMPARISON, Expressions.comparison),
    exp.Between: Expressions.between,
    exp.In: Expressions.in_,
    exp.Is: Expressions.is_,
    exp.Like: Expressions.like,
    exp.Escape: Expressions.escape,
    exp.Exists: Expressions.exists,
    exp.Subquery: Expressions.subquery,
    exp.Select: Expressions.subquery,
    exp.Union: Expressions.subquery,
    exp.AtTimeZone: Expressions.at_time_zone,
    exp.Case: Expressions.case,
    exp.If: Expressions.if_,
    exp.Cast: Expressions.cast,
    exp.TryCast: Expressions.try_cast,
    exp.Bracket: Expressions.subscript,
    **dict.fromkeys(_SPECIAL, Expressions.special),
    **dict.fromkeys(
        (exp.Anonymous, exp.Window, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls),
        Expressions.call,
    ),
}
