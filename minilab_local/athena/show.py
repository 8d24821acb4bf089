"""SHOW and DESCRIBE: what Hive prints about databases, tables and columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from minilab_local.athena import resolve
from minilab_local.athena import statements as s
from minilab_local.athena.catalog import Column, Table
from minilab_local.athena.context import Run
from minilab_local.athena.errors import QueryError
from minilab_local.athena.iceberg import catalog as iceberg_catalog
from minilab_local.athena.results import Answer, ResultColumn


def _one_column(name: str, lines: Iterable[str]) -> Answer:
    return Answer((ResultColumn(name, "string"),), [[line] for line in lines])


def _matches(name: str, pattern: str | None) -> bool:
    """Hive's patterns: ``*`` is anything, ``|`` is or; the rest is a regular expression."""
    if pattern is None:
        return True
    return any(
        re.fullmatch(part.replace("*", ".*"), name, re.IGNORECASE) for part in pattern.split("|")
    )


def databases(statement: s.ShowDatabases, run: Run) -> Answer:
    names = run.context.catalog.databases()
    return _one_column("database_name", (n for n in names if _matches(n, statement.pattern)))


def tables(statement: s.ShowTables, run: Run) -> Answer:
    context = run.context
    database = statement.database or context.database
    if context.catalog.database(database) is None:
        raise QueryError(
            "", f"FAILED: SemanticException [Error 10072]: Database does not exist: {database}"
        )
    found = [
        t.name.table
        for t in context.catalog.tables(database)
        if _matches(t.name.table, statement.pattern) and (t.is_view or not statement.views)
    ]
    return _one_column("views" if statement.views else "tab_name", found)


def columns(statement: s.ShowColumns, run: Run) -> Answer:
    return _one_column("field", (f"{c.name:<20}" for c in _table(run, statement.name).all_columns))


def partitions(statement: s.ShowPartitions, run: Run) -> Answer:
    table = _table(run, statement.name)
    keys = table.partition_keys
    if not keys:
        raise QueryError(
            "",
            "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
            f"Table {table.name} is not a partitioned table",
        )
    lines = (
        "/".join(f"{k.name}={v}" for k, v in zip(keys, p.values, strict=True))
        for p in run.context.catalog.partitions(table)
    )
    return _one_column("partition", sorted(lines))


def properties(statement: s.ShowProperties, run: Run) -> Answer:
    table = _table(run, statement.name)
    found = sorted(table.parameters.items())
    if statement.key is not None:
        found = [(k, v) for k, v in found if k == statement.key]
        if not found:
            missing = f"Table {table.name} does not have property: {statement.key}"
            return _one_column("prpt_name", [missing])
        return _one_column("prpt_value", [found[0][1]])
    return Answer(
        (ResultColumn("prpt_name", "string"), ResultColumn("prpt_value", "string")),
        [[k, v] for k, v in found],
    )


def create(statement: s.ShowCreate, run: Run) -> Answer:
    table = _table(run, statement.name)
    if statement.view != table.is_view:
        kind = "view" if table.is_view else "table"
        raise QueryError("", f"FAILED: SemanticException {table.name} is a {kind}")
    if table.is_view:
        text = resolve.view_definition(table)["originalSql"]
        lines = f"CREATE VIEW {table.name} AS\n{text}".splitlines()
        return _one_column("Create View", lines)
    lines = _iceberg_ddl(run, table) if table.is_iceberg else _hive_ddl(table)
    return _one_column("createtab_stmt", lines)


def _column_lines(columns: Sequence[Column]) -> list[str]:
    made = []
    for column in columns:
        comment = f" COMMENT {_quote(column.comment)}" if column.comment else ""
        made.append(f"  `{column.name}` {column.type.hive()}{comment}")
    return [line + (", " if i < len(made) - 1 else ")") for i, line in enumerate(made)]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    made = [f"  {_quote(k)}={_quote(_escaped(v))}" for k, v in sorted(pairs)]
    return [line + (", " if i < len(made) - 1 else ")") for i, line in enumerate(made)]


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" if ord(c) < 32 else c for c in text)


def _hive_ddl(table: Table) -> list[str]:
    descriptor = table.descriptor
    lines = [f"CREATE EXTERNAL TABLE `{table.name.database}.{table.name.table}`("]
    lines += _column_lines(table.columns)
    if comment := table.parameters.get("comment"):
        lines.append(f"COMMENT {_quote(comment)}")
    if table.partition_keys:
        lines += ["PARTITIONED BY ( ", *_column_lines(table.partition_keys)]
    buckets = descriptor.get("BucketColumns")
    if buckets:
        lines += ["CLUSTERED BY ( ", *(f"  {b}" for b in buckets), ") "]
        lines += [f"INTO {descriptor.get('NumberOfBuckets')} BUCKETS"]
    serde = descriptor.get("SerdeInfo") or {}
    lines += ["ROW FORMAT SERDE ", f"  {_quote(serde.get('SerializationLibrary') or '')} "]
    if serde.get("Parameters"):
        lines += ["WITH SERDEPROPERTIES ( ", *_pairs(serde["Parameters"].items())]
    lines += ["STORED AS INPUTFORMAT ", f"  {_quote(descriptor.get('InputFormat') or '')} "]
    lines += ["OUTPUTFORMAT ", f"  {_quote(descriptor.get('OutputFormat') or '')}"]
    lines += ["LOCATION", f"  {_quote(table.location)}"]
    hidden = ("EXTERNAL", "comment")
    shown = [(k, v) for k, v in table.parameters.items() if k not in hidden]
    if shown:
        lines += ["TBLPROPERTIES (", *_pairs(shown)]
    return lines


def _iceberg_ddl(run: Run, table: Table) -> list[str]:
    loaded = iceberg_catalog.load(run.context.realm, table.name)
    lines = [f"CREATE TABLE {table.name} ("]
    lines += _column_lines(table.columns)
    terms = []
    for field in loaded.spec().fields:
        source = loaded.schema().find_column_name(field.source_id)
        name = str(field.transform)
        if name == "identity":
            terms.append(f"`{source}`")
        elif "[" in name:
            kind, _, argument = name.rstrip("]").partition("[")
            terms.append(f"{kind}({argument}, `{source}`)")
        else:
            terms.append(f"{name}(`{source}`)")
    if terms:
        lines.append(f"PARTITIONED BY ({', '.join(terms)})")
    lines.append(f"LOCATION {_quote(loaded.location())}")
    shown = {"table_type": "iceberg", **loaded.properties}
    return [*lines, "TBLPROPERTIES (", *_pairs(shown.items())]


def describe(statement: s.Describe, run: Run) -> Answer:
    table = _table(run, statement.name)
    shown = [
        ResultColumn("col_name", "string"),
        ResultColumn("data_type", "string"),
        ResultColumn("comment", "string"),
    ]
    chosen = table.all_columns
    if statement.column:
        chosen = [c for c in chosen if c.name == statement.column]
        if not chosen:
            raise QueryError(
                "", f"FAILED: SemanticException Invalid column reference {statement.column}"
            )
    lines = [_described(c.name, c.type.hive(), c.comment or "") for c in chosen]
    if table.partition_keys and not statement.column:
        lines += [_described("", "", ""), _described("# Partition Information", "", "")]
        lines += [_described("# col_name", "data_type", "comment"), _described("", "", "")]
        lines += [_described(c.name, c.type.hive(), c.comment or "") for c in table.partition_keys]
    if statement.formatted:
        lines += [_described("", "", ""), _described("# Detailed Table Information", "", "")]
        lines += [
            _described("Database:", table.name.database, ""),
            _described("CreateTime:", str(table.glue.get("CreateTime") or ""), ""),
            _described("Location:", table.location, ""),
            _described("Table Type:", str(table.glue.get("TableType") or ""), ""),
            _described("Table Parameters:", "", ""),
        ]
        lines += [_described("", k, v) for k, v in sorted(table.parameters.items())]
    return Answer(shown, [[line] for line in lines])


def _described(*cells: str) -> str:
    return "\t".join(f"{cell:<20}" for cell in cells)


def describe_view(statement: s.DescribeView, run: Run) -> Answer:
    table = _table(run, statement.name)
    if not table.is_view:
        raise QueryError("", f"FAILED: SemanticException {table.name} is a table, not a view")
    lines = [_described(c.name, c.type.hive(), "") for c in table.all_columns]
    names = ("col_name", "data_type", "comment")
    return Answer([ResultColumn(n, "string") for n in names], [[line] for line in lines])


def _table(run: Run, reference: s.Reference) -> Table:
    name = run.context.name(reference)
    table = run.context.catalog.table(name)
    if table is None:
        raise QueryError("", f"FAILED: SemanticException [Error 10001]: Table not found {name}")
    return table
