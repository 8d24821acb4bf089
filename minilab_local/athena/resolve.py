"""From a query's tree to one whose tables are plain names, and what stands behind each name.

Common table expressions hide tables of the same name, as SQL says. A predicate on a partition key
(or on any column of an Iceberg table) that holds for every row that the query can keep decides
which files are read at all.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb
from sqlglot import exp

from minilab_local.athena import metadata, parse, prune, scan, types
from minilab_local.athena.catalog import Catalog, Column, Table, TableName
from minilab_local.athena.context import Context
from minilab_local.athena.errors import QueryError, not_supported
from minilab_local.athena.iceberg import read as iceberg
from minilab_local.athena.scan import Relation
from minilab_local.athena.statements import Reference
from minilab_local.athena.translate import translate
from minilab_local.athena.translate.types import ZONED_FIELDS


@dataclass(frozen=True)
class Resolved:
    """A tree over plain names, and the relation behind each."""

    tree: exp.Expression
    relations: tuple[Relation, ...]

    @property
    def columns(self) -> dict[str, Mapping[str, str]]:
        return {r.name: r.columns for r in self.relations}

    @property
    def bytes(self) -> int:
        return sum(_all_bytes(r) for r in self.relations)


def _all_bytes(relation: Relation) -> int:
    return relation.bytes + sum(_all_bytes(r) for r in relation.before)


def resolve(
    tree: exp.Expression, context: Context, given: Mapping[str, Relation] | None = None
) -> Resolved:
    """Replace every table of a query. ``given`` are relations that the query may name already.

    Raises:
        QueryError: a table, a schema or a catalog is not there.
    """
    tree = tree.copy()
    resolver = _Resolver(context, dict(given or {}))
    resolver.visit(tree, frozenset())
    _strip_qualifiers(tree, resolver.replaced)
    _name_columns(tree)
    return Resolved(tree, tuple(resolver.relations))


@dataclass(frozen=True)
class DuckQuery:
    """A query in DuckDB's words; ``types`` are the Trino types of its columns."""

    sql: str
    types: tuple[str, ...]

    def described(self, duck: duckdb.DuckDBPyConnection) -> tuple[list[Column], set[int]]:
        """Its columns, with the names that DuckDB gives them; and which of them are moments that
        travel together with their zone, in a struct."""
        rows = duck.execute(f"DESCRIBE {self.sql}").fetchall()
        pairs = zip(rows, self.types, strict=True)
        columns = [Column(row[0], types.parse(kind)) for row, kind in pairs]
        zoned = {i for i, row in enumerate(rows) if row[1].startswith(_ZONED)}
        return columns, zoned

    def stored(self, duck: duckdb.DuckDBPyConnection) -> tuple[DuckQuery, list[Column]]:
        """The query as what is kept of it: a table and a view have moments without zones."""
        columns, zoned = self.described(duck)
        if not zoned:
            return self, columns
        chosen = ", ".join(
            f"{types.quoted(c.name)}.{ZONED_FIELDS[0]} AS {types.quoted(c.name)}"
            if i in zoned
            else types.quoted(c.name)
            for i, c in enumerate(columns)
        )
        return DuckQuery(f"SELECT {chosen} FROM ({self.sql})", self.types), columns


_ZONED = ("STRUCT(" + ZONED_FIELDS[0], 'STRUCT("' + ZONED_FIELDS[0])


def to_duckdb(tree: exp.Expression, columns: Mapping[str, Mapping[str, str]]) -> DuckQuery:
    """The DuckDB text of a query over plain names."""
    translated = translate(tree, columns)
    return DuckQuery(translated.sql(dialect="duckdb"), tuple(translated.meta["trino_types"]))


def define(relations: Iterable[Relation], duck: duckdb.DuckDBPyConnection) -> None:
    """Make the relations known to a connection, what they are built on first."""
    for relation in relations:
        define(relation.before, duck)
        duck.execute(f'CREATE OR REPLACE TEMP VIEW "{relation.name}" AS {relation.sql}')


class _Resolver:
    def __init__(self, context: Context, given: dict[str, Relation]) -> None:
        self.context = context
        self.given = given
        self.relations: list[Relation] = list(given.values())
        self.replaced: set[tuple[str, str]] = set()

    def visit(self, node: exp.Expression, ctes: frozenset[str]) -> None:
        with_ = node.args.get("with_")
        if with_ is not None:
            recursive = bool(with_.args.get("recursive"))
            for cte in with_.expressions:
                name = cte.alias.lower()
                self.visit(cte.this, ctes | {name} if recursive else ctes)
                ctes |= {name}
        for key, child in list(node.args.items()):
            if key == "with_":
                continue
            for item in list(child) if isinstance(child, list) else [child]:
                if isinstance(item, exp.Table):
                    self.table(item, ctes)
                elif isinstance(item, exp.Expression):
                    self.visit(item, ctes)

    def table(self, node: exp.Table, ctes: frozenset[str]) -> None:
        if not isinstance(node.this, exp.Identifier):
            self.visit(node, ctes)
            return
        reference = parse.reference(node)
        plain = reference.database is None
        if not (plain and (reference.table in ctes or reference.table in self.given)):
            relation = self.relation(reference, node)
            self.relations.append(relation)
            if not node.alias:
                node.set("alias", exp.TableAlias(this=node.this.copy()))
            name = self.context.name(reference)
            self.replaced.add((name.database, node.alias_or_name.lower()))
            node.set("this", exp.to_identifier(relation.name))
            for part in ("db", "catalog", "version", "when"):
                node.set(part, None)
        for join in node.args.get("joins") or []:
            self.visit(join, ctes)
        for other in ("pivots", "sample"):
            for item in _as_list(node.args.get(other)):
                self.visit(item, ctes)

    def relation(self, reference: Reference, node: exp.Table) -> Relation:
        context = self.context
        name = context.name(reference)
        unique = f"{name.table.split('$')[0]}__{next(_numbers)}"
        if name.database == "information_schema":
            return metadata.information_schema(context, name.table, unique)
        base, _, part = name.table.partition("$")
        table = context.catalog.table(TableName(name.database, base))
        if table is None:
            raise _missing(context.catalog, name, node)
        if table.is_view:
            return view(context, table, unique)
        if table.is_iceberg:
            return iceberg.relation(
                context, table, unique, part=part, at=_travel(node, context), node=node
            )
        if node.args.get("version") or node.args.get("when"):
            raise not_supported(f"Time travel needs an Iceberg table; {name} is not one")
        if part:
            return _partitions_table(context, table, part, unique)
        partitions = None
        if table.parameters.get("projection.enabled", "").lower() == "true":
            raise not_supported(f"Table {name} uses partition projection, which is not read here")
        if table.partition_keys:
            partitions = prune.partitions_left(
                context, table, context.catalog.partitions(table), node
            )
        sql, size = scan.hive(context.store, table, partitions)
        columns = {c.name: c.type.trino() for c in table.all_columns}
        return Relation(unique, columns, sql, size)


_numbers = itertools.count(1)


def _as_list(value: object) -> list:
    return value if isinstance(value, list) else [value] if value is not None else []


def _missing(catalog: Catalog, name: TableName, node: exp.Expression) -> QueryError:
    at = position(node)
    if catalog.database(name.database) is None:
        return QueryError("SCHEMA_NOT_FOUND", f"{at}Schema '{name.database}' does not exist")
    return QueryError("TABLE_NOT_FOUND", f"{at}Table '{name.full}' does not exist")


def position(node: exp.Expression) -> str:
    """``line 1:8: ``, or nothing where the tree does not know."""
    for part in node.find_all(exp.Identifier):
        if "line" in part.meta:
            width = part.meta["end"] - part.meta["start"]
            return f"line {part.meta['line']}:{part.meta['col'] - width}: "
    return ""


def _strip_qualifiers(tree: exp.Expression, replaced: set[tuple[str, str]]) -> None:
    """``db.table.column`` and ``catalog.db.table.column`` become ``table.column``."""
    for column in tree.find_all(exp.Column):
        database = column.args.get("db")
        if database and (database.name.lower(), column.table.lower()) in replaced:
            column.set("db", None)
            column.set("catalog", None)


def _name_columns(tree: exp.Expression) -> None:
    """An expression without a name is called ``_col`` and its position, counted from nought."""
    for select in tree.find_all(exp.Select):
        if _shows_names(select):
            select.set(
                "expressions",
                [
                    item if _has_name(item) else exp.alias_(item, f"_col{position}")
                    for position, item in enumerate(select.expressions)
                ],
            )


def _has_name(item: exp.Expression) -> bool:
    item = item.unnest()
    return isinstance(item, (exp.Alias, exp.Aliases, exp.Column, exp.Dot)) or item.is_star


def unnamed_column(tree: exp.Expression) -> int | None:
    """The position, from one, of a query's first column without a name."""
    while isinstance(tree, (exp.SetOperation, exp.Subquery)):
        tree = tree.this
    positions = (i for i, item in enumerate(tree.expressions, 1) if not _has_name(item))
    return next(positions, None) if isinstance(tree, exp.Select) else None


def _shows_names(select: exp.Select) -> bool:
    """Whether a query's column names can be seen: not those of IN and EXISTS."""
    return not isinstance(select.parent, (exp.In, exp.Exists))


# Views


def view(context: Context, table: Table, unique: str) -> Relation:
    """A view's own query, its names read in the database that it was made in."""
    described = view_definition(table)
    inner = Context(
        context.catalog, context.store, described.get("schema") or table.name.database, context.duck
    )
    resolved = resolve(parse.query(described["originalSql"]), inner)
    declared = [c["name"].lower() for c in described["columns"]]
    columns = {c["name"].lower(): c["type"] for c in described["columns"]}
    names = ", ".join(types.quoted(n) for n in declared)
    query = to_duckdb(resolved.tree, resolved.columns)
    if any("time zone" in kind for kind in query.types):
        define(resolved.relations, context.duck)
        query, _ = query.stored(context.duck)
    sql = f"SELECT * FROM ({query.sql}) AS v({names})"
    return Relation(unique, columns, sql, before=resolved.relations)


def view_definition(table: Table) -> dict:
    """What Athena keeps of a view in ViewOriginalText.

    Raises:
        QueryError: the view was not made by Athena (or Presto).
    """
    text = (table.glue.get("ViewOriginalText") or "").strip()
    opening, closing = "/* Presto View:", "*/"
    if not (text.startswith(opening) and text.endswith(closing)):
        raise QueryError("INVALID_VIEW", f"View '{table.name.full}' is not stored as a Presto view")
    return json.loads(base64.b64decode(text[len(opening) : -len(closing)].strip()))


# Time travel


def _travel(node: exp.Table, context: Context) -> iceberg.At | None:
    version = node.args.get("version") or node.args.get("when")
    if version is None:
        return None
    value = prune.constant(context, version.args["expression"])
    kind = (version.name or "").upper()
    return iceberg.At(kind="timestamp" if kind == "TIMESTAMP" else "version", value=value)


def _partitions_table(context: Context, table: Table, part: str, unique: str) -> Relation:
    """``"table$partitions"`` of a Hive table: its partition keys, one row per partition."""
    if part != "partitions" or not table.partition_keys:
        raise QueryError("TABLE_NOT_FOUND", f"Table '{table.name.full}${part}' does not exist")
    keys = table.partition_keys
    partitions = context.catalog.partitions(table)
    columns = {k.name: k.type.trino() for k in keys}
    if not partitions:
        return Relation(unique, columns, scan.empty(keys))
    rows = ", ".join(f"({', '.join(scan.typed_values(keys, p.values))})" for p in partitions)
    names = ", ".join(types.quoted(k.name) for k in keys)
    return Relation(unique, columns, f"SELECT * FROM (VALUES {rows}) AS p({names})")
