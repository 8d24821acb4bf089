"""Query trees: WITH, FROM, joins, UNNEST, set operations, grouping, ordering.

Each part of a SELECT is translated in Trino's order of scoping: FROM first, then what looks at it.
Stars are written out, every column is qualified, and every output column gets a name: its own, or
``_colN`` in the result as Athena prints it.

Source: Trino documentation, "SELECT".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from minilab_local.athena.translate import casts, zones
from minilab_local.athena.translate.errors import TranslationError, not_supported, type_mismatch
from minilab_local.athena.translate.expressions import (
    Expressions,
    position,
    refuse_unread,
)
from minilab_local.athena.translate.operators import refuse_packed
from minilab_local.athena.translate.scope import Column, Relation, Scope, Value, quote
from minilab_local.athena.translate.types import (
    BIGINT,
    Type,
    common_type,
    field_name,
    parse_type,
)

Output = list[Column]


def _name(text: str) -> exp.Identifier:
    return exp.Identifier(this=text, quoted=True)


def raw(sql: str) -> exp.Expression:
    """DuckDB text as a node that renders as it stands."""
    return exp.Var(this=sql)


class Queries:
    """Translates the queries of one statement."""

    def __init__(self, columns: Mapping[str, Mapping[str, str]]) -> None:
        self.tables = {
            name.lower(): Relation(
                name.lower(),
                name,
                tuple(Column(c.lower(), parse_type(t), c) for c, t in fields.items()),
            )
            for name, fields in columns.items()
        }
        self.counter = 0

    def fresh(self) -> str:
        self.counter += 1
        return f"_q{self.counter}"

    @staticmethod
    def render(tree: exp.Expression) -> str:
        return tree.sql(dialect="duckdb", comments=False)

    # --- queries -------------------------------------------------------------------------------

    def query(self, node: Any, parent: Scope | None) -> tuple[exp.Query, Output]:
        """A query's DuckDB tree and its columns, as seen from the scope around it."""
        refuse_unread(node)
        if node.args.get("with_"):
            refuse_unread(node.args["with_"])
            scope = Scope(parent)
            ctes = self.ctes(node.args["with_"], scope)
            tree, output = self.body(node, scope)
            tree.set("with_", ctes)
            return tree, output
        return self.body(node, parent)

    def body(self, node: Any, parent: Scope | None) -> tuple[exp.Query, Output]:
        if isinstance(node, exp.Select):
            return self.select(node, parent)
        if isinstance(node, exp.SetOperation):
            return self.set_operation(node, parent)
        if isinstance(node, exp.Values):
            tree, output = self.values(node, parent)
            return self.modified(tree, output, node, parent), output
        if isinstance(node, exp.Subquery):
            tree, output = self.query(node.this, parent)
            if any(node.args.get(key) for key in ("order", "limit", "offset")):
                tree = self.modified(self.wrapped(tree, output), output, node, parent)
            return tree, output
        if isinstance(node, exp.Table):
            star = exp.Select(expressions=[exp.Star()], from_=exp.From(this=node))
            return self.select(star, parent)
        raise not_supported(f"{type(node).__name__} as a query")

    def ctes(self, node: exp.With, scope: Scope) -> exp.With:
        recursive = bool(node.args.get("recursive"))
        found = []
        for cte in node.expressions:
            if not isinstance(cte, exp.CTE):
                raise not_supported("WITH FUNCTION")
            name = cte.alias.lower()
            names = [c.name.lower() for c in cte.args["alias"].args.get("columns") or []]
            if recursive and _mentions(cte.this, name):
                tree, output = self.recursive(cte.this, name, names, scope)
            else:
                tree, output = self.query(cte.this, scope)
            relation = self.relation(name, output, names)
            scope.ctes[name] = relation
            columns = [_name(c.physical) for c in relation.columns]
            alias = exp.TableAlias(this=_name(name), columns=columns)
            found.append(exp.CTE(this=tree, alias=alias))
        return exp.With(expressions=found, recursive=recursive)

    def recursive(
        self, node: Any, name: str, names: list[str], scope: Scope
    ) -> tuple[exp.Query, Output]:
        """A recursive query: its first part gives the types of its columns."""
        if not isinstance(node, exp.Union):
            raise not_supported("a recursive query that is no UNION")
        if not names:
            raise TranslationError(
                "MISSING_COLUMN_ALIASES", "line 1:1: Column alias list required in recursive query"
            )
        first, output = self.query(node.this, scope)
        inner = Scope(scope, ctes={name: self.relation(name, output, names)})
        step, found = self.query(node.expression, inner)
        for a, b in zip(output, found, strict=True):
            if common_type(a.type, b.type) is None:
                raise type_mismatch(
                    f"recursion step relation output type ({b.type}) is not coercible to "
                    f"recursion base relation output type ({a.type})"
                )
        step = self.adapted(step, found, [c.type for c in output])
        return exp.Union(
            this=first, expression=step, distinct=bool(node.args.get("distinct"))
        ), output

    def relation(self, name: str | None, output: Output, names: list[str]) -> Relation:
        """A query's columns as a relation, under an alias and its column names."""
        if names and len(names) != len(output):
            raise TranslationError(
                "MISMATCHED_COLUMN_ALIASES",
                f"line 1:1: Column alias list has {len(names)} entries but "
                f"'{name}' has {len(output)} columns available",
            )
        columns, seen = [], set()
        for i, column in enumerate(output):
            label = names[i] if names else column.name
            physical = label or f"_col{i}"
            while physical in seen:
                physical += "_"
            seen.add(physical)
            columns.append(Column(label, column.type, physical))
        return Relation(name, name or self.fresh(), tuple(columns))

    def set_operation(self, node: Any, parent: Scope | None) -> tuple[exp.Query, Output]:
        left, a = self.operand(node.this, parent)
        right, b = self.operand(node.expression, parent)
        word = type(node).__name__.upper()
        if len(a) != len(b):
            raise type_mismatch(f"{word} query has different number of fields: {len(a)}, {len(b)}")
        types = []
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            both = common_type(x.type, y.type)
            if both is None:
                raise type_mismatch(
                    f"column {i + 1} in {word} query has incompatible types: {x.type}, {y.type}"
                )
            types.append(both)
        distinct = node.args.get("distinct")
        if distinct or not isinstance(node, exp.Union):
            for kind in types:
                refuse_packed(kind, "a distinct set operation")
        tree = type(node)(
            this=self.adapted(left, a, types),
            expression=self.adapted(right, b, types),
            distinct=distinct,
        )
        output = [Column(c.name, t, c.physical) for c, t in zip(a, types, strict=True)]
        return self.modified(tree, output, node, parent), output

    def operand(self, node: Any, parent: Scope | None) -> tuple[exp.Query, Output]:
        """A side of a set operation, in parentheses where it has an order or limit of its own."""
        inner = node
        while isinstance(inner, exp.Subquery) and not inner.args.get("with_"):
            inner = inner.this
        tree, output = self.query(node, parent)
        if (
            isinstance(inner, exp.Query)
            and any(tree.args.get(key) for key in ("order", "limit", "offset", "with_"))
        ) or (isinstance(node, exp.Subquery) and isinstance(tree, exp.SetOperation)):
            tree = self.wrapped(tree, output)
        return tree, output

    def adapted(self, tree: exp.Query, output: Output, types: list[Type]) -> exp.Query:
        """The query with its columns brought to the given types."""
        if all(
            casts.physical(c.type) == casts.physical(t) for c, t in zip(output, types, strict=True)
        ):
            return tree
        return self.wrapped(tree, output, types)

    def wrapped(
        self, tree: exp.Query, output: Output, types: list[Type] | None = None
    ) -> exp.Select:
        relation = self.relation(None, output, [])
        items = []
        for column, kind in zip(relation.columns, types or [c.type for c in output], strict=True):
            value = casts.coerce(relation.value(column), kind)
            items.append(exp.Alias(this=raw(value.sql), alias=_name(column.physical)))
        return exp.Select(expressions=items, from_=exp.From(this=self.derived(tree, relation)))

    def derived(self, tree: exp.Query, relation: Relation) -> exp.Subquery:
        columns = [_name(c.physical) for c in relation.columns]
        alias = exp.TableAlias(this=_name(relation.physical), columns=columns)
        return exp.Subquery(this=tree, alias=alias)

    def modified(
        self, tree: exp.Query, output: Output, node: Any, parent: Scope | None
    ) -> exp.Query:
        """ORDER BY, OFFSET and LIMIT over a query that is no SELECT: they see its columns alone."""
        if node.args.get("order"):
            names = {c.name: Value(quote(c.physical), c.type) for c in output if c.name is not None}
            expressions = Expressions(Scope(parent), self, names)
            tree.set("order", self.order(node.args["order"], expressions))
        self.limit(tree, node)
        return tree

    def limit(self, tree: exp.Query, node: Any) -> None:
        limit = node.args.get("limit")
        if isinstance(limit, exp.Fetch):
            options = limit.args.get("limit_options")
            if options and (options.args.get("with_ties") or options.args.get("percent")):
                raise not_supported("FETCH FIRST … WITH TIES")
            count: Any = limit.args.get("count") or exp.Literal.number(1)
        else:
            count = limit.expression if limit else None
        if count is not None and count.name.upper() != "ALL":
            tree.set("limit", exp.Limit(expression=raw(_count(count))))
        if node.args.get("offset"):
            tree.set("offset", exp.Offset(expression=raw(_count(node.args["offset"].expression))))

    def values(self, node: exp.Values, parent: Scope | None) -> tuple[exp.Query, Output]:
        expressions = Expressions(Scope(parent), self)
        rows = []
        for item in node.expressions:
            cells = item.expressions if isinstance(item, exp.Tuple) else [item]
            rows.append([expressions(cell) for cell in cells])
        width = len(rows[0])
        if any(len(cells) != width for cells in rows):
            raise type_mismatch("Values rows have mismatched types")
        types = [
            expressions.common(
                [cells[i].type for cells in rows], "Values rows have mismatched types"
            )
            for i in range(width)
        ]
        output = [Column(None, t, f"_col{i}") for i, t in enumerate(types)]
        text = ", ".join(
            "(" + ", ".join(casts.coerce(c, t).sql for c, t in zip(cells, types, strict=True)) + ")"
            for cells in rows
        )
        name = self.fresh()
        names = ", ".join(quote(c.physical) for c in output)
        source = raw(f"(VALUES {text}) AS {quote(name)}({names})")
        items = [
            exp.Alias(this=raw(f"{quote(name)}.{quote(c.physical)}"), alias=_name(c.physical))
            for c in output
        ]
        return exp.Select(expressions=items, from_=exp.From(this=source)), output

    # --- SELECT --------------------------------------------------------------------------------

    def select(self, node: exp.Select, parent: Scope | None) -> tuple[exp.Query, Output]:
        scope = Scope(parent)
        tree = exp.Select()
        if node.args.get("from_"):
            tree.set("from_", exp.From(this=self.source(node.args["from_"].this, scope)))
        joins = [self.join(join, scope) for join in node.args.get("joins") or []]
        if joins:
            tree.set("joins", joins)
        expressions = Expressions(scope, self)
        if node.args.get("where"):
            tree.set("where", exp.Where(this=raw(expressions.condition(node.args["where"].this))))
        items = self.items(node, expressions)
        if node.args.get("group"):
            tree.set("group", self.group(node.args["group"], expressions, items))
        if node.args.get("having"):
            tree.set(
                "having", exp.Having(this=raw(expressions.condition(node.args["having"].this)))
            )
        if node.args.get("windows"):
            tree.set("windows", [self.window(w, expressions) for w in node.args["windows"]])
        output, projected = [], []
        for i, (name, value) in enumerate(items):
            physical = name or f"_col{i}"
            output.append(Column(name, value.type, physical))
            projected.append(exp.Alias(this=raw(value.sql), alias=_name(physical)))
        tree.set("expressions", projected)
        if node.args.get("distinct"):
            refuse_unread(node.args["distinct"])
            for column in output:
                refuse_packed(column.type, "SELECT DISTINCT")
            tree.set("distinct", exp.Distinct())
        if node.args.get("order"):
            tree.set("order", self.select_order(node, expressions, items, output))
        self.limit(tree, node)
        return tree, output

    def select_order(
        self, node: exp.Select, expressions: Expressions, items: list[Any], output: Output
    ) -> exp.Order:
        """ORDER BY sees the output's names first, then the columns of FROM."""
        known: dict[str, Value] = {}
        twice: set[str] = set()
        for name, value in items:
            if name is not None and known.setdefault(name, value).sql != value.sql:
                twice.add(name)
        for name in twice:  # left to FROM, which may know one of that name
            del known[name]
        places = {
            value.sql: i + 1
            for i, (_, value) in reversed(list(enumerate(items)))
            if not value.type.kind.startswith("interval")
        }
        return self.order(node.args["order"], expressions.with_names(known), places, len(output))

    def items(self, node: exp.Select, expressions: Expressions) -> list[tuple[str | None, Value]]:
        """The select list, with stars written out."""
        found: list[tuple[str | None, Value]] = []
        for item in node.expressions:
            if item.is_star:
                refuse_unread(item if isinstance(item, exp.Star) else item.find(exp.Star))
            if isinstance(item, exp.Star):
                if not expressions.scope.relations:
                    raise TranslationError(
                        "COLUMN_NOT_FOUND",
                        "line 1:1: SELECT * not allowed in queries without FROM clause",
                    )
                found.extend(expressions.scope.star(None))
            elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                found.extend(self.qualified_star(item, expressions))
            elif isinstance(item, exp.Dot) and isinstance(item.expression, exp.Star):
                found.extend(_fields(expressions(item.this), []))
            elif isinstance(item, exp.Aliases):
                names = [n.name.lower() for n in item.args["expressions"]]
                star = item.this
                found.extend(_fields(expressions(star.this), names))
            elif isinstance(item, exp.Alias):
                found.append((item.alias.lower(), expressions(item.this)))
            else:
                found.append((_label(item), expressions(item)))
        return found

    def qualified_star(
        self, item: exp.Column, expressions: Expressions
    ) -> list[tuple[str | None, Value]]:
        parts = [p.name.lower() for p in item.parts[:-1]]
        if any(r.name == parts[-1] for r in expressions.scope.relations):
            return list(expressions.scope.star(parts[-1]))
        return _fields(expressions.name(parts, item.args["table"]), [])

    def group(self, node: exp.Group, expressions: Expressions, items: list[Any]) -> exp.Group:
        if node.args.get("all"):
            raise not_supported("GROUP BY ALL")

        def one(item: Any) -> str:
            if isinstance(item, exp.GroupingSets):
                return f"GROUPING SETS ({', '.join(map(one, item.expressions))})"
            if isinstance(item, exp.Cube):
                return f"CUBE ({', '.join(map(one, item.expressions))})"
            if isinstance(item, exp.Rollup):
                return f"ROLLUP ({', '.join(map(one, item.expressions))})"
            if isinstance(item, exp.Tuple):
                return f"({', '.join(map(one, item.expressions))})"
            if isinstance(item, exp.Paren):
                return f"({one(item.this)})"
            if isinstance(item, exp.Literal) and not item.is_string:
                index = int(item.this)
                if not 1 <= index <= len(items):
                    raise TranslationError(
                        "INVALID_COLUMN_REFERENCE",
                        f"line 1:1: GROUP BY position {index} is not in select list",
                    )
                value = items[index - 1][1]
                refuse_packed(value.type, "GROUP BY")
                return str(index)
            value = expressions(item)
            refuse_packed(value.type, "GROUP BY")
            return value.sql

        parts = []
        for key in ("expressions", "grouping_sets", "cube", "rollup"):
            for item in node.args.get(key) or []:
                parts.append(raw(one(item)))
        return exp.Group(expressions=parts)

    def order(
        self,
        node: exp.Order,
        expressions: Expressions,
        places: Mapping[str, int] | None = None,
        width: int | None = None,
    ) -> exp.Order:
        """ORDER BY of a query. ``places`` tells which expressions are output columns: those are
        named by their place, as DISTINCT and grouping want it."""
        items = [self.ordered(i, expressions, places, width) for i in node.expressions]
        return exp.Order(expressions=[raw(item) for item in items])

    def ordered(
        self,
        item: Any,
        expressions: Expressions,
        places: Mapping[str, int] | None = None,
        width: int | None = None,
    ) -> str:
        """One item of ORDER BY. Trino puts NULL last, whichever the direction."""
        inner = item.this if isinstance(item, exp.Ordered) else item
        descending = isinstance(item, exp.Ordered) and item.args.get("desc")
        first = isinstance(item, exp.Ordered) and item.args.get("nulls_first")
        if isinstance(inner, exp.Literal) and not inner.is_string:
            sql = inner.this
            if width is not None and not 1 <= int(sql) <= width:
                raise TranslationError(
                    "INVALID_COLUMN_REFERENCE",
                    f"line 1:1: ORDER BY position {sql} is not in select list",
                )
        else:
            value = expressions(inner)
            sql = zones.instant(value) if value.type.is_packed else value.sql
            sql = str((places or {}).get(sql, sql))
        return f"{sql} {'DESC' if descending else 'ASC'} NULLS {'FIRST' if first else 'LAST'}"

    def window(self, node: exp.Window, expressions: Expressions) -> exp.Expression:
        return raw(f"{quote(node.this.name.lower())} AS ({self.over(node, expressions)})")

    def over(self, node: exp.Window, expressions: Expressions) -> str:
        """What stands in the parentheses of OVER."""
        refuse_unread(node)
        parts = []
        if node.args.get("alias"):
            parts.append(quote(node.args["alias"].name.lower()))
        if node.args.get("partition_by"):
            values = [expressions(item) for item in node.args["partition_by"]]
            for value in values:
                refuse_packed(value.type, "PARTITION BY")
            parts.append("PARTITION BY " + ", ".join(v.sql for v in values))
        if node.args.get("order"):
            items = node.args["order"].expressions
            parts.append("ORDER BY " + ", ".join(self.ordered(i, expressions) for i in items))
        spec = node.args.get("spec")
        if spec:
            refuse_unread(spec)
            start = _bound(spec.args.get("start"), spec.args.get("start_side"), expressions)
            end = _bound(spec.args.get("end"), spec.args.get("end_side"), expressions)
            kind = spec.args["kind"].upper()
            parts.append(f"{kind} BETWEEN {start} AND {end or 'CURRENT ROW'}")
        return " ".join(parts)

    # --- FROM ----------------------------------------------------------------------------------

    def source(self, node: Any, scope: Scope) -> exp.Expression:
        """One item of FROM; its relation joins the scope."""
        refuse_unread(node)
        joins = node.args.get("joins") or []
        if joins:  # a join in parentheses
            node = node.copy()
            node.set("joins", None)
            inner = self.source(node, scope)
            texts = [self.render(inner), *(self.render(self.join(j, scope)) for j in joins)]
            return raw(f"({' '.join(t.strip() for t in texts)})")
        if isinstance(node, exp.Unnest):
            return self.unnest(node, scope)
        if isinstance(node, exp.Paren):
            return self.source(node.this, scope)
        alias = node.args.get("alias")
        name = alias.this.name.lower() if alias and alias.this else None
        names = [c.name.lower() for c in alias.args.get("columns") or []] if alias else []
        if isinstance(node, exp.Table):
            return self.table(node, name, names, scope)
        if isinstance(node, exp.Lateral):
            inner = node.this
            inner = inner.this if isinstance(inner, exp.Subquery) else inner
            if isinstance(inner, exp.Unnest):
                return self.unnest(inner, scope)
            if not isinstance(inner, exp.Query):
                raise not_supported(f"LATERAL {inner.sql(dialect='trino')}")
            tree, output = self.query(inner, scope)
            relation = self.relation(name, output, names)
            scope.relations.append(relation)
            return raw(f"LATERAL {self.render(self.derived(tree, relation))}")
        if (
            isinstance(node, exp.Subquery)
            and isinstance(node.this, (exp.Table, exp.Subquery))
            and not alias
        ):
            return raw(f"({self.render(self.source(node.this, scope))})")
        if isinstance(node, (exp.Query, exp.Values)):
            inner = node.this if isinstance(node, exp.Subquery) else node
            tree, output = self.query(inner, scope.parent)
            relation = self.relation(name, output, names)
            scope.relations.append(relation)
            return self.sampled(self.derived(tree, relation), node)
        raise not_supported(f"{type(node).__name__} in FROM")

    def table(
        self, node: exp.Table, name: str | None, names: list[str], scope: Scope
    ) -> exp.Expression:
        if isinstance(node.this, exp.Anonymous):
            return self.table_function(node.this, name, names, scope)
        if not isinstance(node.this, exp.Identifier):
            raise not_supported(f"{type(node.this).__name__} in FROM")
        given = node.name.lower()
        plain = not node.db
        known = (scope.cte(given) if plain else None) or self.tables.get(given)
        if known is None or node.db:
            text = ".".join(p.name for p in node.parts)
            raise TranslationError(
                "TABLE_NOT_FOUND", f"{position(node.this)}: Table '{text}' does not exist"
            )
        physical = name or given
        columns = known.columns
        if names:
            columns = self.relation(name, list(known.columns), names).columns
        scope.relations.append(Relation(name or given, physical, columns))
        alias = exp.TableAlias(
            this=_name(physical), columns=[_name(c.physical) for c in columns] if names else None
        )
        return self.sampled(exp.Table(this=_name(known.physical), alias=alias), node)

    def sampled(self, tree: exp.Expression, node: Any) -> exp.Expression:
        sample = node.args.get("sample")
        if not sample:
            return tree
        method = sample.args["method"].name.upper()
        percent = sample.args["percent"].name
        return raw(f"{self.render(tree)} TABLESAMPLE {method} ({percent} PERCENT)")

    def table_function(
        self, node: exp.Anonymous, name: str | None, names: list[str], scope: Scope
    ) -> exp.Expression:
        inner = node.expressions[0] if node.name.lower() == "table" else node
        if not isinstance(inner, exp.Anonymous) or inner.name.lower() != "sequence":
            raise not_supported(f"table function {inner.sql(dialect='trino')}")
        expressions = Expressions(Scope(scope.parent), self)
        values = [casts.coerce(expressions(a), BIGINT).sql for a in inner.expressions]
        relation = self.relation(name, [Column("sequential_number", BIGINT, "_col0")], names)
        scope.relations.append(relation)
        column = quote(relation.columns[0].physical)
        return raw(f"generate_series({', '.join(values)}) AS {quote(relation.physical)}({column})")

    def join(self, node: exp.Join, scope: Scope) -> exp.Expression:
        refuse_unread(node)
        side = (node.side or "").upper()
        kind = (node.kind or "").upper()
        before = len(scope.relations)
        if node.this.args.get("joins"):
            raise not_supported("a nested join without parentheses")
        right = self.render(self.source(node.this, scope)).strip()
        added = scope.relations[before:]
        using = [u.name.lower() for u in node.args.get("using") or []]
        method = (node.method or "").upper()
        if method == "NATURAL":
            using = self.shared_names(scope.relations[:before], added)
        elif method:
            raise not_supported(f"{method} JOIN")
        condition = ""
        if using:
            condition = self.using(using, side, added, scope, before)
        elif node.args.get("on") is not None:
            condition = f" ON {Expressions(scope, self).condition(node.args['on'])}"
        word = f"{side} JOIN" if side else f"{kind or 'INNER' if condition else 'CROSS'} JOIN"
        if not condition and side:
            raise not_supported("an outer join without a condition")
        lateral = isinstance(node.this, (exp.Unnest, exp.Lateral))
        if lateral and side in ("RIGHT", "FULL"):
            raise not_supported(f"{side} JOIN with UNNEST or LATERAL")
        return raw(f"{word} {right}{condition}")

    @staticmethod
    def shared_names(left: list[Relation], right: list[Relation]) -> list[str]:
        """The columns that both sides of a NATURAL JOIN have."""
        known = {c.name for relation in left for c in relation.columns}
        found = [c.name for relation in right for c in relation.columns]
        return [name for name in found if name is not None and name in known]

    def using(
        self, names: list[str], side: str, added: list[Relation], scope: Scope, before: int
    ) -> str:
        """USING as a condition; the shared column is the side that cannot be NULL, or either."""
        conditions = []
        for name in names:
            left_scope = Scope(relations=scope.relations[:before], merged=dict(scope.merged))
            left = left_scope.find([name])
            right = Scope(relations=added).find([name])
            if left is None or right is None:
                missing = "left" if left is None else "right"
                raise TranslationError(
                    "COLUMN_NOT_FOUND",
                    f"line 1:1: Column '{name}' is missing from {missing} side of join",
                )
            kind = common_type(left.type, right.type)
            if kind is None:
                raise type_mismatch(
                    f"Column types of using clause do not match: {left.type}, {right.type}"
                )
            a, b = casts.coerce(left, kind).sql, casts.coerce(right, kind).sql
            conditions.append(f"({a} = {b})")
            merged = {"": a, "LEFT": a, "RIGHT": b, "FULL": f"COALESCE({a}, {b})"}[side]
            scope.merged[name] = Value(merged, kind)
        return f" ON {' AND '.join(conditions)}"

    def unnest(self, node: exp.Unnest, scope: Scope) -> exp.Expression:
        """UNNEST of arrays and maps side by side; the shorter ones are filled up with NULL.

        An array of rows gives a column for each field, a map its keys and values.
        """
        alias = node.args.get("alias")
        name = alias.this.name.lower() if alias and alias.this else None
        names = [c.name.lower() for c in alias.args.get("columns") or []] if alias else []
        ordinality = node.args.get("offset")
        if isinstance(ordinality, exp.Identifier) and names:
            names.append(ordinality.name.lower())
        expressions = Expressions(scope, self)
        inner: list[str] = []
        outer: list[tuple[str, Type]] = []
        lengths: list[str] = []
        for item in node.expressions:
            value = expressions(item)
            kind = value.type
            element = f"_u{len(inner)}"
            if kind.kind == "map":
                inner.append(f"unnest(map_keys({value.sql})) AS {quote(element)}")
                outer.append((quote(element), kind.items[0]))
                element = f"_u{len(inner)}"
                inner.append(f"unnest(map_values({value.sql})) AS {quote(element)}")
                outer.append((quote(element), kind.value))
                lengths.append(f"cardinality({value.sql})")
                continue
            if kind.kind not in ("array", "any"):
                raise type_mismatch(f"Cannot unnest type: {kind}")
            inner.append(f"unnest({value.sql}) AS {quote(element)}")
            lengths.append(f"len({value.sql})")
            if kind.element.kind == "row":
                for i, field in enumerate(kind.element.items):
                    part = f"{quote(element)}.{quote(field_name(kind.element, i))}"
                    outer.append((part, field))
            else:
                outer.append((quote(element), kind.element))
        if ordinality:
            # coalesce, because greatest() of NULLs is NULL and a range up to it has no rows
            longest = "greatest(" + ", ".join(f"coalesce({n}, 0)" for n in lengths) + ")"
            inner.append(f"unnest(range(1, CAST({longest} AS BIGINT) + 1)) AS {quote('_n')}")
            outer.append((quote("_n"), BIGINT))
        output = [Column(None, t, f"_col{i}") for i, (_, t) in enumerate(outer)]
        relation = self.relation(name, output, names)
        scope.relations.append(relation)
        items = ", ".join(
            f"{sql} AS {quote(column.physical)}"
            for (sql, _), column in zip(outer, relation.columns, strict=True)
        )
        text = f"(SELECT {items} FROM (SELECT {', '.join(inner)}))"
        lateral = "LATERAL " if len(scope.relations) > 1 or scope.parent else ""
        return raw(f"{lateral}{text} AS {quote(relation.physical)}")


def _bound(bound: Any, side: str | None, expressions: Expressions) -> str:
    if bound is None:
        return ""
    text = bound if isinstance(bound, str) else expressions.sql(bound)
    return f"{text} {side or ''}".strip().upper() if isinstance(bound, str) else f"{text} {side}"


def _count(node: Any) -> str:
    if not isinstance(node, exp.Literal):
        raise not_supported(f"LIMIT {node.sql(dialect='trino')}")
    return str(node.this)


def _label(item: Any) -> str | None:
    """The name of an output column that has no alias: that of a column or field, else none."""
    if isinstance(item, exp.Column):
        return item.name.lower()
    if isinstance(item, exp.Dot):
        return item.expression.name.lower()
    return None


def _fields(value: Value, names: list[str]) -> list[tuple[str | None, Value]]:
    """The fields of ``row.*``."""
    if value.type.kind != "row":
        raise type_mismatch(f"Cannot expand {value.type}: a row is needed")
    return [
        (
            names[i] if names else value.type.names[i],
            Value(f"({value.sql}).{quote(field_name(value.type, i))}", kind),
        )
        for i, kind in enumerate(value.type.items)
    ]


def _mentions(node: Any, name: str) -> bool:
    return any(t.name.lower() == name and not t.db for t in node.find_all(exp.Table))


# --- the result ----------------------------------------------------------------------------------


def presented(value: Value) -> Value:
    """A result column so that its DuckDB type tells its Trino type (see ``types.trino_type``).

    Timestamps of up to three digits are TIMESTAMP_MS, NULLs varchar and intervals text, as there is
    no DuckDB type that says how Athena prints them.
    """
    kind = value.type
    if kind.kind == "timestamp" and (kind.size or 0) <= 3:
        return Value(f"CAST({value.sql} AS TIMESTAMP_MS)", kind)
    if kind.kind == "timestamp" and (kind.size or 0) > 6:
        return Value(f"CAST({value.sql} AS TIMESTAMP_NS)", kind)
    if kind.kind == "timestamptz" and kind.zone not in ("", "UTC"):
        return zones.with_type(value, Type("timestamptz", size=kind.size))
    if kind.kind.startswith("interval"):
        return casts.cast(value, parse_type("varchar"))
    if kind.kind == "unknown":
        return Value(f"CAST({value.sql} AS VARCHAR)", kind)
    return value


def present(queries: Queries, tree: exp.Query, output: Output) -> exp.Query:
    """The whole query with its result columns presented."""
    if isinstance(tree, exp.Select) and tree.expressions:
        for item, column in zip(tree.expressions, output, strict=True):
            if isinstance(item, exp.Alias):
                item.set("this", raw(presented(Value(item.this.name, column.type)).sql))
        return tree
    if not any(presented(Value("x", c.type)).sql != "x" for c in output):
        return tree
    order, limit, offset = (tree.args.get(k) for k in ("order", "limit", "offset"))
    with_ = tree.args.get("with_")
    for key in ("order", "limit", "offset", "with_"):
        tree.set(key, None)
    outer = queries.wrapped(tree, output)
    for key, part in (("order", order), ("limit", limit), ("offset", offset), ("with_", with_)):
        outer.set(key, part)
    return present(queries, outer, output)
