"""Which partitions and files a query can leave unread.

A predicate counts only when every row that the query keeps must pass it, and when this table's
columns alone decide it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from minilab_local.athena import scan, types
from minilab_local.athena.catalog import Partition, Table
from minilab_local.athena.context import Context
from minilab_local.athena.translate import translate


def constant(context: Context, expression: exp.Expression) -> object:
    """The value of an expression without columns, as Python has it."""
    text = translate(exp.select(expression.copy().as_("c")), {}).sql(dialect="duckdb")
    rows = context.duck.execute(text).fetchall()
    return rows[0][0]


def predicates(node: exp.Table) -> list[exp.Expression]:
    """Conjuncts of the query that only rows of this table decide and that each row which the
    query keeps must pass. Each is a copy with columns named plainly."""
    select = node.find_ancestor(exp.Select, exp.Subquery, exp.SetOperation)
    if not isinstance(select, exp.Select):
        return []
    from_ = select.args.get("from_")
    joins = select.args.get("joins") or []
    sources = [from_.this if from_ else None, *(j.this for j in joins)]
    if not any(source is node for source in sources):
        return []
    only = len(sources) == 1 and not select.args.get("laterals")
    alias = node.alias_or_name.lower()
    mine = next((j for j in joins if j.this is node), None)
    padded = _may_be_padded(node, mine, joins)
    found = []
    if select.args.get("where"):
        found += [(c, padded) for c in conjuncts(select.args["where"].this)]
    if mine is not None and mine.side in ("", "LEFT") and mine.args.get("on"):
        found += [(c, False) for c in conjuncts(mine.args["on"])]
    result = []
    for conjunct, must_reject_null in found:
        if conjunct.find(exp.Query, exp.Window, exp.Placeholder) or _varies(conjunct):
            continue
        columns = list(conjunct.find_all(exp.Column))
        if not columns or not all(
            c.table.lower() == alias or (not c.table and only) for c in columns
        ):
            continue
        if must_reject_null and not _rejects_null(conjunct):
            continue
        plain = conjunct.copy()
        for column in plain.find_all(exp.Column):
            for part in ("table", "db", "catalog"):
                column.set(part, None)
        result.append(plain)
    return result


_RANDOM = {"rand", "random", "uuid", "shuffle"}


def _varies(conjunct: exp.Expression) -> bool:
    """Whether it may say now this, now that, of the same row."""
    names = (call.name.lower() for call in conjunct.find_all(exp.Anonymous))
    return conjunct.find(exp.Rand, exp.Uuid) is not None or any(n in _RANDOM for n in names)


def _may_be_padded(node: exp.Table, mine: exp.Join | None, joins: Sequence[exp.Join]) -> bool:
    """Whether an outer join may fill this table's columns with NULL."""
    if mine is not None and mine.side in ("LEFT", "FULL"):
        return True
    position = joins.index(mine) + 1 if mine is not None else 0
    return any(j.side in ("RIGHT", "FULL") for j in joins[position:])


def _rejects_null(conjunct: exp.Expression) -> bool:
    simple = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NEQ)
    if isinstance(conjunct, simple):
        sides = (conjunct.this, conjunct.expression)
        return any(isinstance(side, exp.Column) for side in sides)
    return isinstance(conjunct, (exp.In, exp.Between)) and isinstance(conjunct.this, exp.Column)


def conjuncts(condition: exp.Expression) -> list[exp.Expression]:
    """The parts of a condition that AND joins."""
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        return conjuncts(condition.this) + conjuncts(condition.expression)
    return [condition]


def partitions_left(
    context: Context, table: Table, partitions: Sequence[Partition], node: exp.Table
) -> list[Partition]:
    """The partitions that the predicates on partition keys leave: the query's own conjuncts,
    asked of a table of the partition values."""
    keys = {k.name: k.type.trino() for k in table.partition_keys}
    usable = [
        p for p in predicates(node) if all(c.name.lower() in keys for c in p.find_all(exp.Column))
    ]
    if not usable or not partitions:
        return list(partitions)
    rows = ", ".join(
        f"({i}, {', '.join(scan.typed_values(table.partition_keys, p.values))})"
        for i, p in enumerate(partitions)
    )
    names = ", ".join(["n__", *(types.quoted(k) for k in keys)])
    context.duck.execute(
        f"CREATE OR REPLACE TEMP VIEW partitions__ AS SELECT * FROM (VALUES {rows}) AS p({names})"
    )
    query = exp.select("n__").from_("partitions__").where(exp.and_(*usable))
    sql = translate(query, {"partitions__": {"n__": "integer", **keys}}).sql(dialect="duckdb")
    kept = {row[0] for row in context.duck.execute(sql).fetchall()}
    return [p for i, p in enumerate(partitions) if i in kept]
