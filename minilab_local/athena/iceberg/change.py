"""MERGE, UPDATE and DELETE: find the rows, rewrite the files that hold them, commit once.

Copy on write. The files that cannot hold a matching row are left out by Iceberg's own statistics,
and of the rest only those with a changed row are written anew, so that a small merge into a big
table stays small. Athena itself writes position deletes instead; what a reader sees is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg import expressions as ie
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.table import Table as IcebergTable
from pyiceberg.types import NestedField
from sqlglot import exp

from minilab_local.athena import prune, resolve, types
from minilab_local.athena import statements as s
from minilab_local.athena.catalog import Column
from minilab_local.athena.context import Context, Run
from minilab_local.athena.errors import QueryError
from minilab_local.athena.iceberg import catalog, read
from minilab_local.athena.iceberg.commit import commit_error, discard, overwrite
from minilab_local.athena.iceberg.write import write_rows
from minilab_local.athena.results import Answer, ResultColumn
from minilab_local.athena.scan import Relation
from minilab_local.athena.translate import translate
from minilab_local.athena.types import quoted

_ATTEMPTS = 4
_TARGET, _SOURCE = "target__", "source__"
_FEW = 200
"""Up to so many key values are looked up in the files' statistics one by one."""


@dataclass(frozen=True)
class Change:
    """What a statement does to a table: files that go, files that come, rows touched."""

    gone: Sequence[DataFile]
    new: Sequence[DataFile]
    rows: int
    bytes: int


def merge(statement: s.Merge, run: Run) -> Answer:
    return _change(run, statement.name, lambda table: _merge(statement, run.context, table))


def update(statement: s.Update, run: Run) -> Answer:
    return _change(run, statement.name, lambda table: _update(statement, run.context, table))


def delete(statement: s.Delete, run: Run) -> Answer:
    return _change(run, statement.name, lambda table: _delete(statement, run.context, table))


def _change(run: Run, reference: s.Reference, make: Callable[[IcebergTable], Change]) -> Answer:
    """Make a change and commit it; when somebody else was faster, look again and make it anew."""
    context = run.context
    name = context.name(reference)
    described = context.catalog.require_table(name)
    if not described.is_iceberg:
        raise QueryError(
            "NOT_SUPPORTED", "Modifying Hive table rows is only supported for transactional tables"
        )
    cause: Exception | None = None
    for attempt in range(_ATTEMPTS):
        # Optimistic but for the last time, when the engine's other statements have to wait.
        alone = attempt == _ATTEMPTS - 1
        with catalog.lock_of(context.realm, name) if alone else nullcontext():
            table = catalog.load(context.realm, name)
            change = make(table)
            try:
                overwrite(table, change.gone, change.new)
            except catalog.Conflict as e:
                discard(context, change.new)
                cause = e
                continue
        columns = (ResultColumn("rows", "bigint"),)
        return Answer(columns, update_count=change.rows, bytes=change.bytes)
    raise commit_error(name.table, cause)


# The target's rows, with their place


@dataclass(frozen=True)
class _Target:
    """The files of a table that may hold a row of interest, as relation ``target__``: the
    table's columns, and ``file__`` and ``row__``, a row's place."""

    table: IcebergTable
    tasks: Sequence[FileScanTask]
    relation: Relation

    @property
    def schema(self) -> Schema:
        return self.table.schema()

    @property
    def bytes(self) -> int:
        return sum(t.file.file_size_in_bytes for t in self.tasks)


_PLACE = ("s.file_index AS file__", "s.file_row_number AS row__")


def _target(
    context: Context,
    table: IcebergTable,
    wanted: ie.BooleanExpression,
    keys: Sequence[_Key] = (),
) -> _Target:
    tasks = _with_keys(context, read.plan(table, wanted), keys)
    schema = table.schema()
    if tasks:
        sql = read.scan_sql(context, table, schema, tasks, "target_arrow__", _PLACE)
    else:
        nothing = [Column(n, types.Type("bigint")) for n in ("file__", "row__")]
        sql = resolve.scan.empty([*read.columns_of(schema), *nothing])
    columns = {**read.trino_columns(schema), "file__": "bigint", "row__": "bigint"}
    return _Target(table, tasks, Relation(_TARGET, columns, sql))


def _run_query(
    context: Context, tree: exp.Expression, given: Sequence[Relation], into: str
) -> list[Column]:
    """Run a Trino query over the given relations into a temporary table; its columns."""
    resolved = resolve.resolve(tree, context, {r.name: r for r in given})
    resolve.define([r for r in resolved.relations if r.name != _SOURCE], context.duck)
    query = resolve.to_duckdb(resolved.tree, resolved.columns)
    kept, columns = query.stored(context.duck)
    context.duck.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {kept.sql}")
    return columns


def _table(name: str, alias: str) -> exp.Table:
    return exp.Table(
        this=exp.to_identifier(name),
        alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)),
    )


def _column(alias: str, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), exp.to_identifier(alias, quoted=True))


def _rewrite(context: Context, target: _Target, matched: str, changed: str | None) -> Change:
    """Write anew the files with touched rows. ``matched`` is a table with the place of each
    touched row; ``changed`` a query for the rows that come in their stead, or None."""
    duck = context.duck
    touched = [
        r[0] for r in duck.execute(f"SELECT DISTINCT file__ FROM {matched} ORDER BY 1").fetchall()
    ]
    tasks = [target.tasks[i] for i in touched]
    names = ", ".join(quoted(f.name) for f in target.schema.fields)
    parts = []
    if tasks:
        scan = read.scan_sql(context, target.table, target.schema, tasks, "kept_arrow__", _PLACE)
        duck.execute(
            "CREATE OR REPLACE TEMP TABLE touched__ AS SELECT unnest("
            f"{touched}::BIGINT[]) AS file__, unnest(range({len(touched)})) AS index__"
        )
        parts.append(
            f"SELECT {names} FROM ({scan}) AS k WHERE NOT EXISTS (SELECT 1 FROM {matched} AS m "
            "JOIN touched__ AS t ON t.file__ = m.file__ "
            "WHERE t.index__ = k.file__ AND m.row__ = k.row__)"
        )
    if changed is not None:
        parts.append(changed)
    new = []
    if parts:
        new = write_rows(context, " UNION ALL ".join(parts), target.table.metadata, limit=None)
    return Change([t.file for t in tasks], new, 0, target.bytes)


def _count(context: Context, query: str) -> int:
    return context.duck.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]


# DELETE and UPDATE


def _plain_select(
    alias: str, where: exp.Expression | None, more: Sequence[exp.Expression] = ()
) -> exp.Select:
    tree = exp.select(
        _column(alias, "file__").as_("file__"), _column(alias, "row__").as_("row__"), *more
    ).from_(_table(_TARGET, alias))
    return tree.where(where.copy()) if where is not None else tree


def _pruned(context: Context, table: IcebergTable, tree: exp.Select) -> _Target:
    node = next(t for t in tree.find_all(exp.Table) if t.name == _TARGET)
    return _target(context, table, read.filter_of(context, table.schema(), prune.predicates(node)))


def _delete(statement: s.Delete, context: Context, table: IcebergTable) -> Change:
    tree = _plain_select(statement.name.table, statement.where)
    target = _pruned(context, table, tree)
    _run_query(context, tree, [target.relation], "matched__")
    rows = _count(context, "FROM matched__")
    change = _rewrite(context, target, "matched__", None)
    return Change(change.gone, change.new, rows, change.bytes)


def _update(statement: s.Update, context: Context, table: IcebergTable) -> Change:
    alias, schema = statement.name.table, table.schema()
    fields = [f.name for f in schema.fields]
    given = dict(statement.assignments)
    _check_names(given, schema, table)
    more = [_column(alias, name).as_(f"t{i}__") for i, name in enumerate(fields)]
    more += [value.copy().as_(f"v{i}__") for i, value in enumerate(given.values())]
    tree = _plain_select(alias, statement.where, more)
    target = _pruned(context, table, tree)
    found = _run_query(context, tree, [target.relation], "matched__")
    values = dict(zip(given, found[2 + len(fields) :], strict=True))
    _check_types(list(given), list(values.values()), schema, "UPDATE table column types don't")
    chosen = ", ".join(
        _put(schema, name, values[name]) if name in values else f"t{i}__ AS {quoted(name)}"
        for i, name in enumerate(fields)
    )
    rows = _count(context, "FROM matched__")
    change = _rewrite(context, target, "matched__", f"SELECT {chosen} FROM matched__")
    return Change(change.gone, change.new, rows, change.bytes)


def _put(schema: Schema, name: str, value: Column) -> str:
    """A computed column as a value of the table's column ``name``."""
    kind = types.from_iceberg(schema.find_field(name, case_sensitive=False).field_type)
    return f"{types.converted(value.name, value.type, kind)} AS {quoted(name)}"


def _check_names(names: Sequence[str] | dict, schema: Schema, table: IcebergTable) -> None:
    known = {f.name.lower() for f in schema.fields}
    missing = next((n for n in names if n not in known), None)
    if missing is not None:
        raise QueryError(
            "COLUMN_NOT_FOUND",
            f"The target table {'.'.join(table.name())} has no column '{missing}'",
        )


def _check_types(names: Sequence[str], found: Sequence[Column], schema: Schema, said: str) -> None:
    wanted = [
        types.from_iceberg(schema.find_field(n, case_sensitive=False).field_type) for n in names
    ]
    if all(types.assignable(c.type, w) for c, w in zip(found, wanted, strict=True)):
        return
    raise QueryError(
        "TYPE_MISMATCH",
        f"{said} match SET expressions: Table: [{', '.join(w.trino() for w in wanted)}], "
        f"Expressions: [{', '.join(c.type.trino() for c in found)}]",
    )


# MERGE


def _merge(statement: s.Merge, context: Context, table: IcebergTable) -> Change:
    alias = statement.alias or statement.name.table
    source = _source(statement, context)
    source_alias = statement.source.alias_or_name
    for when in statement.whens:
        _check_names(when.columns, table.schema(), table)
    on = statement.on
    keys = _keys(context, table.schema(), on, alias, source_alias, source)
    matched_whens = [w for w in statement.whens if w.matched]
    tree = _matched_tree(table.schema(), alias, source_alias, on, matched_whens)
    node = next(t for t in tree.find_all(exp.Table) if t.name == _TARGET)
    simple = read.filter_of(context, table.schema(), prune.predicates(node))
    wanted = _keys_filter(context, keys)
    target = _target(context, table, ie.And(wanted, simple), keys)
    found = _run_query(context, tree, [source, target.relation], "pairs__")
    changed = [
        *_updated(context, table.schema(), matched_whens, found),
        *_inserted(context, table.schema(), statement, source, source_alias),
    ]
    context.duck.execute(
        "CREATE OR REPLACE TEMP TABLE matched__ AS SELECT * FROM pairs__ WHERE action__ >= 0"
    )
    twice = context.duck.execute(
        "SELECT 1 FROM matched__ GROUP BY file__, row__ HAVING count(*) > 1 LIMIT 1"
    ).fetchall()
    if twice:
        raise QueryError(
            "MERGE_TARGET_ROW_MULTIPLE_MATCHES",
            "One MERGE target table row matched more than one source row",
        )
    deleted = [i for i, w in enumerate(matched_whens) if w.action == "delete"]
    rows = sum(_count(context, q) for q in changed)
    if deleted:
        listed = ", ".join(map(str, deleted))
        rows += _count(context, f"FROM matched__ WHERE action__ IN ({listed})")
    change = _rewrite(context, target, "matched__", " UNION ALL ".join(changed) or None)
    return Change(change.gone, change.new, rows, change.bytes)


def _source(statement: s.Merge, context: Context) -> Relation:
    """The source's rows, once, with a number each: temporary table ``source__``."""
    query = exp.select("*").from_(statement.source.copy())
    resolved = resolve.resolve(query, context)
    resolve.define(resolved.relations, context.duck)
    translated, found = resolve.to_duckdb(resolved.tree, resolved.columns).stored(context.duck)
    columns = {c.name: c.type.trino() for c in found}
    context.duck.execute(
        f"CREATE OR REPLACE TEMP TABLE {_SOURCE} AS SELECT *, row_number() OVER () AS rid__ "
        f"FROM ({translated.sql})"
    )
    return Relation(_SOURCE, {**columns, "rid__": "bigint"}, f"FROM {_SOURCE}")


def _conditions(whens: Sequence[s.When]) -> list[exp.Expression]:
    return [w.condition.copy() if w.condition is not None else exp.true() for w in whens]


def _action(whens: Sequence[s.When]) -> exp.Expression:
    """Which clause applies to a row: the first whose condition holds; -1 for none."""
    if not whens:
        return exp.Neg(this=exp.Literal.number(1))
    case = exp.Case()
    for i, condition in enumerate(_conditions(whens)):
        case = case.when(condition, exp.Literal.number(i))
    return case.else_(exp.Neg(this=exp.Literal.number(1)))


def _only_when(whens: Sequence[s.When], chosen: int, value: exp.Expression) -> exp.Expression:
    """``value`` where clause ``chosen`` applies, so that it is computed nowhere else."""
    case = exp.Case()
    for condition in _conditions(whens)[:chosen]:
        case = case.when(condition, exp.null())
    return case.when(_conditions(whens)[chosen], value.copy())


def _matched_tree(
    schema: Schema,
    alias: str,
    source_alias: str,
    on: exp.Expression,
    whens: Sequence[s.When],
) -> exp.Select:
    columns = [
        _column(alias, "file__").as_("file__"),
        _column(alias, "row__").as_("row__"),
        _column(source_alias, "rid__").as_("rid__"),
        _action(whens).as_("action__"),
    ]
    columns += [_column(alias, f.name).as_(f"t{i}__") for i, f in enumerate(schema.fields)]
    for i, when in enumerate(whens):
        for j, value in enumerate(when.values):
            columns.append(_only_when(whens, i, value).as_(f"v{i}_{j}__"))
    return (
        exp.select(*columns)
        .from_(_table(_SOURCE, source_alias))
        .join(_table(_TARGET, alias), on=on.copy(), join_type="inner")
    )


def _updated(
    context: Context, schema: Schema, whens: Sequence[s.When], found: Sequence[Column]
) -> list[str]:
    """A query per UPDATE clause for the rows that it makes."""
    by_name = {c.name: c for c in found}
    result = []
    for i, when in enumerate(whens):
        if when.action != "update":
            continue
        given = {name: by_name[f"v{i}_{j}__"] for j, name in enumerate(when.columns)}
        _check_types(when.columns, list(given.values()), schema, "MERGE table column types don't")
        chosen = ", ".join(
            _put(schema, f.name, given[f.name])
            if f.name in given
            else f"t{k}__ AS {quoted(f.name)}"
            for k, f in enumerate(schema.fields)
        )
        result.append(f"SELECT {chosen} FROM matched__ WHERE action__ = {i}")
    return result


def _inserted(
    context: Context, schema: Schema, statement: s.Merge, source: Relation, alias: str
) -> list[str]:
    """A query per INSERT clause for the rows that it makes."""
    whens = [w for w in statement.whens if not w.matched]
    if not whens:
        return []
    columns: list[exp.Expression] = [_action(whens).as_("action__")]
    for i, when in enumerate(whens):
        names = when.columns or tuple(f.name for f in schema.fields)
        if len(names) != len(when.values):
            raise QueryError(
                "MISMATCHED_COLUMN_ALIASES",
                f"MERGE INSERT names {len(names)} columns but gives {len(when.values)} values",
            )
        for j, value in enumerate(when.values):
            columns.append(_only_when(whens, i, value).as_(f"v{i}_{j}__"))
    rid = _column(alias, "rid__")
    context.duck.execute(
        f"CREATE OR REPLACE TEMP TABLE unmatched__ AS SELECT * FROM {_SOURCE} WHERE rid__ NOT IN "
        "(SELECT rid__ FROM pairs__)"
    )
    rest = Relation("unmatched__", source.columns, "FROM unmatched__")
    tree = exp.select(*columns, rid.as_("rid__")).from_(_table("unmatched__", alias))
    resolved = resolve.resolve(tree, context, {rest.name: rest})
    resolve.define([r for r in resolved.relations if r is not rest], context.duck)
    query = resolve.to_duckdb(resolved.tree, resolved.columns)
    kept, columns_found = query.stored(context.duck)
    found = {c.name: c for c in columns_found}
    context.duck.execute(f"CREATE OR REPLACE TEMP TABLE inserted__ AS {kept.sql}")
    result = []
    for i, when in enumerate(whens):
        names = when.columns or tuple(f.name for f in schema.fields)
        given = {name: found[f"v{i}_{j}__"] for j, name in enumerate(names)}
        _check_types(names, list(given.values()), schema, "MERGE table column types don't")
        nothing = Column("NULL", types.Type("unknown"))
        chosen = ", ".join(_put(schema, f.name, given.get(f.name, nothing)) for f in schema.fields)
        result.append(f"SELECT {chosen} FROM inserted__ WHERE action__ = {i}")
    return result


@dataclass(frozen=True)
class _Key:
    """A column of the target that a MERGE's ON sets equal to a value of the source; the source's
    values are in a temporary table's column ``v``."""

    field: NestedField
    values: str


def _keys(
    context: Context,
    schema: Schema,
    on: exp.Expression,
    alias: str,
    source_alias: str,
    source: Relation,
) -> list[_Key]:
    """The keys of ``ON t.key = s.expression AND …``."""
    found = []
    for conjunct in prune.conjuncts(on):
        if not isinstance(conjunct, exp.EQ):
            continue
        sides = [conjunct.this, conjunct.expression]
        for column, value in (sides, sides[::-1]):
            if not (isinstance(column, exp.Column) and column.table.lower() == alias.lower()):
                continue
            columns = list(value.find_all(exp.Column))
            if not columns or value.find(exp.Query):
                continue
            if any(c.table.lower() != source_alias.lower() for c in columns):
                continue
            field = next((f for f in schema.fields if f.name == column.name.lower()), None)
            if field is not None:
                table = f"keys_{len(found)}__"
                sql = _key_values(value, source)
                context.duck.execute(
                    f"CREATE OR REPLACE TEMP TABLE {table} AS "
                    f"SELECT DISTINCT v FROM ({sql}) WHERE v IS NOT NULL"
                )
                found.append(_Key(field, table))
    return found


def _key_values(value: exp.Expression, source: Relation) -> str:
    value = value.copy()
    for column in [value, *value.find_all(exp.Column)]:
        if isinstance(column, exp.Column):
            column.set("table", None)
    tree = exp.select(value.as_("v")).from_(_SOURCE)
    return translate(tree, {_SOURCE: source.columns}).sql(dialect="duckdb")


def _keys_filter(context: Context, keys: Sequence[_Key]) -> ie.BooleanExpression:
    """What the source's key values say of the target's partitions and files, all together."""
    wanted: ie.BooleanExpression = ie.AlwaysTrue()
    for key in keys:
        name, kind = key.field.name, str(key.field.field_type)
        low, high, count = context.duck.execute(
            f"SELECT min(v), max(v), count(*) FROM {key.values}"
        ).fetchall()[0]
        if not count:
            return ie.AlwaysFalse()
        if count <= _FEW:
            rows = context.duck.execute(f"SELECT v FROM {key.values}").fetchall()
            values = [read.comparable(kind, row[0]) for row in rows]
            if None not in values:
                wanted = ie.And(wanted, ie.In(name, tuple(values)))
                continue
        ends = [read.comparable(kind, value) for value in (low, high)]
        if None not in ends:
            wanted = ie.And(
                wanted, ie.GreaterThanOrEqual(name, ends[0]), ie.LessThanOrEqual(name, ends[1])
            )
    return wanted


_EXACT_BOUNDS = {"int": "BIGINT", "long": "BIGINT", "string": "VARCHAR"}


def _with_keys(
    context: Context, tasks: Sequence[FileScanTask], keys: Sequence[_Key]
) -> list[FileScanTask]:
    """Those files between whose least and greatest key lies a key of the source."""
    left = list(tasks)
    for key in keys:
        kind = _EXACT_BOUNDS.get(str(key.field.field_type))
        number = key.field.field_id
        if kind is None or len(left) < 2:
            continue
        bounds = []
        for position, task in enumerate(left):
            low = (task.file.lower_bounds or {}).get(number)
            high = (task.file.upper_bounds or {}).get(number)
            if low is not None and high is not None:
                ends = (from_bytes(key.field.field_type, b) for b in (low, high))
                bounds.append((position, *ends))
        columns = list(zip(*bounds, strict=True)) or [(), (), ()]
        described = pa.table(
            {
                "position": pa.array(columns[0], pa.int64()),
                "low": pa.array(columns[1], pa.int64() if kind == "BIGINT" else pa.string()),
                "high": pa.array(columns[2], pa.int64() if kind == "BIGINT" else pa.string()),
            }
        )
        context.duck.register("bounds__", described)
        unmatched = context.duck.execute(
            f"SELECT position FROM bounds__ AS b WHERE NOT EXISTS (SELECT 1 FROM {key.values} AS k "
            f"WHERE TRY_CAST(k.v AS {kind}) BETWEEN b.low AND b.high)"
        ).fetchall()
        context.duck.unregister("bounds__")
        gone = {row[0] for row in unmatched}
        left = [t for i, t in enumerate(left) if i not in gone]
    return left
