"""What a statement says, as data: the parser's answer and the engine's question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from minilab_local.athena.types import Type


@dataclass(frozen=True)
class Reference:
    """A table or view as written: the parts that were left out are None."""

    table: str
    database: str | None = None
    catalog: str | None = None


@dataclass(frozen=True)
class ColumnSpec:
    name: str
    type: Type
    comment: str | None = None


@dataclass(frozen=True)
class Transform:
    """One term of an Iceberg partitioning: ``day(ts)``, ``bucket(16, id)``, or a plain column."""

    name: str
    column: str
    argument: int | None = None


@dataclass(frozen=True)
class Statement:
    """``kind`` is Athena's StatementType, ``substatement`` its SubstatementType."""

    kind = "DDL"
    substatement = ""


@dataclass(frozen=True)
class Query(Statement):
    tree: exp.Expression
    kind = "DML"
    substatement = "SELECT"


@dataclass(frozen=True)
class CreateTableAs(Statement):
    name: Reference
    tree: exp.Expression
    properties: Mapping[str, object]
    if_not_exists: bool
    with_data: bool
    comment: str | None = None
    kind = "DDL"
    substatement = "CREATE_TABLE_AS_SELECT"


@dataclass(frozen=True)
class CreateTable(Statement):
    name: Reference
    columns: tuple[ColumnSpec, ...]
    partition_columns: tuple[ColumnSpec, ...]
    partition_transforms: tuple[Transform, ...]
    external: bool
    if_not_exists: bool
    comment: str | None
    location: str | None
    serde: str | None
    serde_properties: Mapping[str, str]
    stored_as: str | None
    input_format: str | None
    output_format: str | None
    bucket_columns: tuple[str, ...]
    buckets: int
    properties: Mapping[str, str]
    substatement = "CREATE_TABLE"


@dataclass(frozen=True)
class CreateView(Statement):
    name: Reference
    text: str
    tree: exp.Expression
    replace: bool
    comment: str | None = None
    substatement = "CREATE_VIEW"


@dataclass(frozen=True)
class CreateSchema(Statement):
    name: str
    if_not_exists: bool
    comment: str | None
    location: str | None
    properties: Mapping[str, str]
    substatement = "CREATE_DATABASE"


@dataclass(frozen=True)
class DropSchema(Statement):
    name: str
    if_exists: bool
    cascade: bool
    substatement = "DROP_DATABASE"


@dataclass(frozen=True)
class AlterSchema(Statement):
    name: str
    properties: Mapping[str, str]
    substatement = "ALTER_DATABASE"


@dataclass(frozen=True)
class DropTable(Statement):
    name: Reference
    if_exists: bool
    view: bool
    substatement = "DROP_TABLE"


@dataclass(frozen=True)
class AddColumns(Statement):
    name: Reference
    columns: tuple[ColumnSpec, ...]
    substatement = "ALTER_TABLE_ADD_COLUMN"


@dataclass(frozen=True)
class ReplaceColumns(Statement):
    name: Reference
    columns: tuple[ColumnSpec, ...]
    substatement = "ALTER_TABLE_REPLACE_COLUMN"


@dataclass(frozen=True)
class DropColumn(Statement):
    name: Reference
    column: str
    substatement = "ALTER_TABLE_DROP_COLUMN"


@dataclass(frozen=True)
class ChangeColumn(Statement):
    name: Reference
    column: str
    to: ColumnSpec
    placed: str | None = None
    """``first``, or the name of the column that it goes after; None leaves it where it is."""
    substatement = "ALTER_TABLE_CHANGE_COLUMN"


@dataclass(frozen=True)
class RenameTable(Statement):
    name: Reference
    to: Reference
    substatement = "ALTER_TABLE_RENAME"


@dataclass(frozen=True)
class SetProperties(Statement):
    name: Reference
    properties: Mapping[str, str]
    substatement = "ALTER_TABLE_SET_TBLPROPERTIES"


@dataclass(frozen=True)
class UnsetProperties(Statement):
    name: Reference
    keys: tuple[str, ...]
    substatement = "ALTER_TABLE_UNSET_TBLPROPERTIES"


@dataclass(frozen=True)
class SetLocation(Statement):
    name: Reference
    location: str
    partition: Mapping[str, str] | None
    substatement = "ALTER_TABLE_SET_LOCATION"


@dataclass(frozen=True)
class AddPartitions(Statement):
    name: Reference
    partitions: tuple[tuple[Mapping[str, str], str | None], ...]
    if_not_exists: bool
    substatement = "ALTER_TABLE_ADD_PARTITION"


@dataclass(frozen=True)
class PartitionFilter:
    """One comparison of a DROP PARTITION's specification."""

    column: str
    operator: str
    value: str


@dataclass(frozen=True)
class DropPartitions(Statement):
    name: Reference
    partitions: tuple[tuple[PartitionFilter, ...], ...]
    if_exists: bool
    substatement = "ALTER_TABLE_DROP_PARTITION"


@dataclass(frozen=True)
class RenamePartition(Statement):
    name: Reference
    partition: Mapping[str, str]
    to: Mapping[str, str]
    substatement = "ALTER_TABLE_RENAME_PARTITION"


@dataclass(frozen=True)
class Insert(Statement):
    name: Reference
    columns: tuple[str, ...]
    tree: exp.Expression
    kind = "DML"
    substatement = "INSERT"


@dataclass(frozen=True)
class Delete(Statement):
    name: Reference
    where: exp.Expression | None
    kind = "DML"
    substatement = "DELETE"


@dataclass(frozen=True)
class Update(Statement):
    name: Reference
    assignments: tuple[tuple[str, exp.Expression], ...]
    where: exp.Expression | None
    kind = "DML"
    substatement = "UPDATE"


@dataclass(frozen=True)
class When:
    """One WHEN of a MERGE: ``action`` is update, delete or insert."""

    matched: bool
    condition: exp.Expression | None
    action: str
    columns: tuple[str, ...] = ()
    values: tuple[exp.Expression, ...] = ()


@dataclass(frozen=True)
class Merge(Statement):
    name: Reference
    alias: str | None
    source: exp.Expression
    on: exp.Expression
    whens: tuple[When, ...]
    kind = "DML"
    substatement = "MERGE"


@dataclass(frozen=True)
class Unload(Statement):
    tree: exp.Expression
    location: str
    properties: Mapping[str, object]
    kind = "DML"
    substatement = "UNLOAD"


@dataclass(frozen=True)
class Optimize(Statement):
    name: Reference
    where: exp.Expression | None
    kind = "DML"
    substatement = "OPTIMIZE"


@dataclass(frozen=True)
class Vacuum(Statement):
    name: Reference
    kind = "DML"
    substatement = "VACUUM"


@dataclass(frozen=True)
class Msck(Statement):
    name: Reference
    substatement = "MSCK"


@dataclass(frozen=True)
class ShowDatabases(Statement):
    pattern: str | None
    kind = "UTILITY"
    substatement = "SHOW_DATABASES"


@dataclass(frozen=True)
class ShowTables(Statement):
    database: str | None
    pattern: str | None
    views: bool
    kind = "UTILITY"
    substatement = "SHOW_TABLES"


@dataclass(frozen=True)
class ShowColumns(Statement):
    name: Reference
    kind = "UTILITY"
    substatement = "SHOW_COLUMNS"


@dataclass(frozen=True)
class ShowPartitions(Statement):
    name: Reference
    kind = "UTILITY"
    substatement = "SHOW_PARTITIONS"


@dataclass(frozen=True)
class ShowProperties(Statement):
    name: Reference
    key: str | None
    kind = "UTILITY"
    substatement = "SHOW_TBLPROPERTIES"


@dataclass(frozen=True)
class ShowCreate(Statement):
    name: Reference
    view: bool
    kind = "UTILITY"
    substatement = "SHOW_CREATE_TABLE"


@dataclass(frozen=True)
class Describe(Statement):
    name: Reference
    formatted: bool
    column: str | None
    kind = "UTILITY"
    substatement = "DESCRIBE_TABLE"


@dataclass(frozen=True)
class DescribeView(Statement):
    name: Reference
    kind = "UTILITY"
    substatement = "DESCRIBE_VIEW"


@dataclass(frozen=True)
class Explain(Statement):
    tree: exp.Expression
    analyze: bool
    options: Mapping[str, str] = field(default_factory=dict)
    kind = "UTILITY"
    substatement = "EXPLAIN"


@dataclass(frozen=True)
class Prepare(Statement):
    name: str
    text: str
    substatement = "PREPARE"


@dataclass(frozen=True)
class Deallocate(Statement):
    name: str
    substatement = "DEALLOCATE"


@dataclass(frozen=True)
class Execute(Statement):
    name: str
    parameters: tuple[str, ...]
    kind = "DML"
    substatement = "EXECUTE"
