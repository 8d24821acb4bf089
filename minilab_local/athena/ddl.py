"""DDL: databases, tables, columns, partitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from minilab_local.athena import scan
from minilab_local.athena import statements as s
from minilab_local.athena.catalog import (
    Column,
    Partition,
    Table,
    TableName,
    table_input_of,
)
from minilab_local.athena.context import Context, Run
from minilab_local.athena.errors import QueryError
from minilab_local.athena.iceberg import alter as iceberg_alter
from minilab_local.athena.iceberg import create as iceberg_create
from minilab_local.athena.results import Answer, ResultColumn
from minilab_local.athena.store import split
from minilab_local.athena.write import partition_path, unescape_path

_HIVE_ERROR = "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "


def _failed(what: str) -> QueryError:
    return QueryError("", _HIVE_ERROR + what)


# Databases


def create_schema(statement: s.CreateSchema, run: Run) -> Answer:
    catalog = run.context.catalog
    if catalog.database(statement.name) is not None:
        if statement.if_not_exists:
            return Answer()
        raise _failed(f"Database {statement.name} already exists (AlreadyExistsException)")
    glue = catalog.glue
    try:
        catalog.create_database(
            statement.name,
            comment=statement.comment,
            location=statement.location,
            properties=statement.properties,
        )
    except glue.exceptions.AlreadyExistsException:
        if not statement.if_not_exists:
            raise
    return Answer()


def drop_schema(statement: s.DropSchema, run: Run) -> Answer:
    catalog = run.context.catalog
    if catalog.database(statement.name) is None:
        if statement.if_exists:
            return Answer()
        raise QueryError(
            "",
            f"FAILED: SemanticException [Error 10072]: Database does not exist: {statement.name}",
        )
    tables = catalog.tables(statement.name)
    if tables and not statement.cascade:
        raise _failed(
            f"InvalidOperationException(message:Database {statement.name} is not empty. "
            "One or more tables exist.)"
        )
    for table in tables:
        _drop(run, table)
    catalog.drop_database(statement.name)
    return Answer()


def alter_schema(statement: s.AlterSchema, run: Run) -> Answer:
    catalog = run.context.catalog
    database = dict(catalog.require_database(statement.name))
    parameters = {**(database.get("Parameters") or {}), **statement.properties}
    kept = {k: database[k] for k in ("Name", "Description", "LocationUri") if database.get(k)}
    catalog.glue.update_database(
        Name=database["Name"], DatabaseInput={**kept, "Parameters": parameters}
    )
    return Answer()


# Tables


def create_table(statement: s.CreateTable, run: Run) -> Answer:
    context = run.context
    name = context.name(statement.name)
    context.catalog.require_database(name.database)
    if context.catalog.table(name) is not None:
        if statement.if_not_exists:
            return Answer()
        raise _failed(f"AlreadyExistsException(message:Table {name.table} already exists)")
    if not statement.location:
        raise QueryError(
            "", "FAILED: SemanticException Athena needs a LOCATION 's3://…' for a table"
        )
    split(statement.location)
    iceberg = statement.properties.get("table_type", "").upper() == "ICEBERG"
    if iceberg:
        if statement.external:
            raise QueryError("", "FAILED: SemanticException an Iceberg table is not EXTERNAL")
        columns = [Column(c.name, c.type, c.comment) for c in statement.columns]
        transforms = statement.partition_transforms
        iceberg_create.create_empty(
            run, name, columns, transforms, statement.location, statement.properties
        )
        return Answer()
    if not statement.external:
        raise QueryError(
            "",
            "FAILED: SemanticException Athena creates managed tables by CREATE TABLE AS or with "
            "TBLPROPERTIES ('table_type'='ICEBERG'); use CREATE EXTERNAL TABLE",
        )
    if statement.partition_transforms:
        raise QueryError(
            "", "FAILED: ParseException partition columns of an external table need a type"
        )
    names = [c.name for c in (*statement.columns, *statement.partition_columns)]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise QueryError(
            "", f"FAILED: SemanticException [Error 10036]: Duplicate column name: {twice}"
        )
    made = _external_input(statement, name)
    scan.format_of(Table(name, made))
    context.catalog.create_table(name, made)
    return Answer()


_STORED_AS = {
    "textfile": (scan.LAZY_SIMPLE, "org.apache.hadoop.mapred.TextInputFormat"),
    "parquet": (
        scan.PARQUET,
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    ),
    "orc": (scan.ORC, "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat"),
    "json": (scan.HIVE_JSON, "org.apache.hadoop.mapred.TextInputFormat"),
    "avro": (
        "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
    ),
    "sequencefile": (scan.LAZY_SIMPLE, "org.apache.hadoop.mapred.SequenceFileInputFormat"),
    "rcfile": (
        "org.apache.hadoop.hive.serde2.columnar.ColumnarSerDe",
        "org.apache.hadoop.hive.ql.io.RCFileInputFormat",
    ),
}
_OUTPUTS = {
    "MapredParquetInputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "OrcInputFormat": "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
}
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"


def _external_input(statement: s.CreateTable, name: TableName) -> dict[str, Any]:
    stored_as = statement.stored_as or "textfile"
    if stored_as not in _STORED_AS:
        raise QueryError(
            "", f"FAILED: SemanticException Unrecognized file format in STORED AS: '{stored_as}'"
        )
    serde, input_format = _STORED_AS[stored_as]
    input_format = statement.input_format or input_format
    output = statement.output_format or _OUTPUTS.get(input_format.rsplit(".", 1)[-1], _TEXT_OUTPUT)
    serde_properties = dict(statement.serde_properties)
    serde = statement.serde or serde
    if serde == scan.LAZY_SIMPLE:
        serde_properties.setdefault("serialization.format", "1")
    table_input: dict[str, Any] = {
        "Name": name.table,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **statement.properties},
        "PartitionKeys": [_glue_column(c) for c in statement.partition_columns],
        "StorageDescriptor": {
            "Columns": [_glue_column(c) for c in statement.columns],
            "Location": statement.location,
            "InputFormat": input_format,
            "OutputFormat": output,
            "Compressed": False,
            "NumberOfBuckets": statement.buckets or -1,
            "SerdeInfo": {"SerializationLibrary": serde, "Parameters": serde_properties},
            "BucketColumns": list(statement.bucket_columns),
            "SortColumns": [],
            "StoredAsSubDirectories": False,
        },
    }
    if statement.comment:
        table_input["Description"] = statement.comment
        table_input["Parameters"]["comment"] = statement.comment
    return table_input


def _glue_column(column: s.ColumnSpec) -> dict[str, str]:
    made = {"Name": column.name, "Type": column.type.hive()}
    if column.comment:
        made["Comment"] = column.comment
    return made


def drop_table(statement: s.DropTable, run: Run) -> Answer:
    catalog = run.context.catalog
    name = run.context.name(statement.name)
    table = catalog.table(name)
    if table is None:
        if statement.if_exists:
            return Answer()
        if statement.view:
            raise QueryError("TABLE_NOT_FOUND", f"View '{name.full}' does not exist")
        raise QueryError("", f"FAILED: SemanticException [Error 10001]: Table not found {name}")
    if statement.view and not table.is_view:
        raise QueryError("TABLE_NOT_FOUND", f"'{name.full}' is a table, not a view")
    if not statement.view and table.is_view:
        raise QueryError(
            "", "FAILED: SemanticException [Error 10233]: Cannot drop a view with DROP TABLE"
        )
    _drop(run, table)
    return Answer()


def _drop(run: Run, table: Table) -> None:
    """Dropping an external table keeps its data; an Iceberg table is managed, its data goes."""
    context = run.context
    context.catalog.drop_table(table.name)
    if table.is_iceberg and table.location:
        bucket, key = split(table.location)
        prefix = key if key.endswith("/") else key + "/"
        if key.strip("/"):
            context.store.delete(bucket, [o.key for o in context.store.list(bucket, prefix)])


def rename_table(statement: s.RenameTable, run: Run) -> Answer:
    context = run.context
    name, new = context.name(statement.name), context.name(statement.to)
    if statement.to.database is None:
        new = TableName(name.database, new.table)
    table = context.catalog.require_table(name)
    if not table.is_iceberg:
        raise _failed("Renaming is not supported for a table that is not Iceberg")
    context.catalog.rename_table(name, new)
    return Answer()


# Columns


def add_columns(statement: s.AddColumns, run: Run) -> Answer:
    table = _table(run.context, statement.name)
    if table.is_iceberg:
        iceberg_alter.add_columns(run, table.name, statement.columns)
        return Answer()
    known = {c.name for c in table.all_columns}
    twice = next((c.name for c in statement.columns if c.name in known), None)
    if twice:
        raise _failed(f"Duplicate column name: {twice}")
    added = [_glue_column(c) for c in statement.columns]
    _set_columns(run, table, [*(table.descriptor.get("Columns") or []), *added])
    return Answer()


def replace_columns(statement: s.ReplaceColumns, run: Run) -> Answer:
    table = _table(run.context, statement.name)
    if table.is_iceberg:
        iceberg_alter.replace_columns(run, table.name, statement.columns)
        return Answer()
    _set_columns(run, table, [_glue_column(c) for c in statement.columns])
    return Answer()


def drop_column(statement: s.DropColumn, run: Run) -> Answer:
    table = _table(run.context, statement.name)
    if not table.is_iceberg:
        raise _failed("DROP COLUMN needs an Iceberg table; use REPLACE COLUMNS")
    iceberg_alter.drop_column(run, table.name, statement.column)
    return Answer()


def change_column(statement: s.ChangeColumn, run: Run) -> Answer:
    table = _table(run.context, statement.name)
    if table.is_iceberg:
        iceberg_alter.change_column(run, table.name, statement)
        return Answer()
    columns = [dict(c) for c in table.descriptor.get("Columns") or []]
    found = next((c for c in columns if c["Name"].lower() == statement.column), None)
    if found is None:
        raise _failed(f"Invalid column reference {statement.column}")
    found.update(_glue_column(statement.to))
    if statement.placed:
        columns.remove(found)
        if statement.placed == "first":
            columns.insert(0, found)
        else:
            names = [c["Name"].lower() for c in columns]
            if statement.placed not in names:
                raise _failed(f"Invalid column reference {statement.placed}")
            columns.insert(names.index(statement.placed) + 1, found)
    _set_columns(run, table, columns)
    return Answer()


def _table(context: Context, reference: s.Reference) -> Table:
    name = context.name(reference)
    table = context.catalog.table(name)
    if table is None:
        raise QueryError("", f"FAILED: SemanticException [Error 10001]: Table not found {name}")
    if table.is_view:
        raise QueryError("", f"FAILED: SemanticException {name} is a view")
    return table


def _set_columns(run: Run, table: Table, columns: Sequence[Mapping[str, Any]]) -> None:
    described = table_input_of(table)
    described["StorageDescriptor"] = {**described["StorageDescriptor"], "Columns": list(columns)}
    run.context.catalog.update_table(table.name, described)


# Properties


def set_properties(statement: s.SetProperties, run: Run) -> Answer:
    table = _table(run.context, statement.name)
    if table.is_iceberg:
        iceberg_alter.set_properties(run, table.name, statement.properties)
        return Answer()
    _set_parameters(run, table, {**table.parameters, **statement.properties})
    return Answer()


def unset_properties(statement: s.UnsetProperties, run: Run) -> Answer:
    table = _table(run.context, statement.name)
    if table.is_iceberg:
        iceberg_alter.unset_properties(run, table.name, statement.keys)
        return Answer()
    kept = {k: v for k, v in table.parameters.items() if k not in statement.keys}
    _set_parameters(run, table, kept)
    return Answer()


def _set_parameters(run: Run, table: Table, parameters: Mapping[str, str]) -> None:
    run.context.catalog.update_table(
        table.name, {**table_input_of(table), "Parameters": dict(parameters)}
    )


def set_location(statement: s.SetLocation, run: Run) -> Answer:
    context = run.context
    table = _table(context, statement.name)
    split(statement.location)
    if statement.partition is None:
        described = table_input_of(table)
        described["StorageDescriptor"] = {
            **described["StorageDescriptor"],
            "Location": statement.location,
        }
        context.catalog.update_table(table.name, described)
        return Answer()
    values = _values(table, statement.partition)
    _require_partition(context, table, values)
    context.catalog.drop_partitions(table, [values])
    context.catalog.add_partitions(table, [Partition(values, statement.location)])
    return Answer()


# Partitions


def _values(table: Table, given: Mapping[str, str]) -> tuple[str, ...]:
    keys = [k.name for k in table.partition_keys]
    if sorted(keys) != sorted(given):
        raise QueryError(
            "",
            f"FAILED: SemanticException [Error 10006]: Partition spec {dict(given)} does not name "
            f"the partition columns {keys}",
        )
    return tuple(given[k] for k in keys)


def _require_partition(context: Context, table: Table, values: tuple[str, ...]) -> Partition:
    for partition in context.catalog.partitions(table):
        if partition.values == values:
            return partition
    raise QueryError(
        "", f"FAILED: SemanticException [Error 10006]: Partition not found {list(values)}"
    )


def add_partitions(statement: s.AddPartitions, run: Run) -> Answer:
    context = run.context
    table = _table(context, statement.name)
    known = {p.values for p in context.catalog.partitions(table)}
    base = table.location if table.location.endswith("/") else table.location + "/"
    made = []
    for given, location in statement.partitions:
        values = _values(table, given)
        if values in known:
            if statement.if_not_exists:
                continue
            raise _failed(
                f"AlreadyExistsException(message:Partition already exists: {list(values)})"
            )
        made.append(
            Partition(values, location or base + partition_path(table.partition_keys, values))
        )
    context.catalog.add_partitions(table, made)
    return Answer()


def drop_partitions(statement: s.DropPartitions, run: Run) -> Answer:
    context = run.context
    table = _table(context, statement.name)
    gone: list[tuple[str, ...]] = []
    for filters in statement.partitions:
        found = [p.values for p in _matching(context, table, filters)]
        if not found and not statement.if_exists:
            shown = ", ".join(f"{f.column}{f.operator}{f.value}" for f in filters)
            raise QueryError(
                "", f"FAILED: SemanticException [Error 10006]: Partition not found ({shown})"
            )
        gone += found
    context.catalog.drop_partitions(table, gone)
    return Answer()


def _matching(
    context: Context, table: Table, filters: Iterable[s.PartitionFilter]
) -> list[Partition]:
    partitions = context.catalog.partitions(table)
    keys = {k.name: (i, k) for i, k in enumerate(table.partition_keys)}
    conditions = []
    for item in filters:
        if item.column not in keys:
            raise QueryError(
                "",
                f"FAILED: SemanticException {item.column} is no partition column of {table.name}",
            )
        conditions.append((keys[item.column], item))
    result = []
    for partition in partitions:
        kept = True
        for (position, key), item in conditions:
            left, right = (
                scan.typed_values([key], [v])[0] for v in (partition.values[position], item.value)
            )
            rows = context.duck.execute(f"SELECT {left} {item.operator} {right}").fetchall()
            kept = kept and rows == [(True,)]
        if kept:
            result.append(partition)
    return result


def rename_partition(statement: s.RenamePartition, run: Run) -> Answer:
    context = run.context
    table = _table(context, statement.name)
    old, new = _values(table, statement.partition), _values(table, statement.to)
    found = _require_partition(context, table, old)
    context.catalog.add_partitions(table, [Partition(new, found.location)])
    context.catalog.drop_partitions(table, [old])
    return Answer()


def msck(statement: s.Msck, run: Run) -> Answer:
    """Register the partitions that lie as ``key=value`` folders below the table's location."""
    context = run.context
    table = _table(context, statement.name)
    keys = table.partition_keys
    if not keys:
        raise _failed(f"Table {table.name} is not a partitioned table")
    known = {p.values for p in context.catalog.partitions(table)}
    bucket, key = split(table.location)
    prefix = key if not key or key.endswith("/") else key + "/"
    found: dict[tuple[str, ...], str] = {}
    for item in context.store.list(bucket, prefix):
        folders = item.key[len(prefix) :].split("/")[:-1][: len(keys)]
        if len(folders) != len(keys):
            continue
        pairs = [f.partition("=") for f in folders]
        if all(p[0].lower() == k.name and p[1] for p, k in zip(pairs, keys, strict=True)):
            values = tuple(unescape_path(p[2]) for p in pairs)
            found[values] = f"s3://{bucket}/{prefix}{'/'.join(folders)}/"
    new = [Partition(v, location) for v, location in sorted(found.items()) if v not in known]
    context.catalog.add_partitions(table, new)
    lines = []
    if new:
        shown = [
            f"{table.name.table}:"
            + "/".join(f"{k.name}={v}" for k, v in zip(keys, p.values, strict=True))
            for p in new
        ]
        lines = [f"Partitions not in metastore:\t{chr(9).join(shown)}"]
        lines += [f"Repair: Added partition to metastore {text}" for text in shown]
    return Answer((ResultColumn("result", "string"),), [[line] for line in lines])
