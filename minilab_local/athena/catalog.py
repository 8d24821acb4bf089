"""The Glue Data Catalog: read in this process, changed through the server's own endpoint.

Names are case-insensitive here, as Athena reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from minilab_local.athena import types
from minilab_local.athena.errors import QueryError
from minilab_local.athena.store import Realm, client
from minilab_local.athena.types import Type

HIVE_DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, order=True)
class TableName:
    database: str
    table: str

    def __str__(self) -> str:
        return f"{self.database}.{self.table}"

    @property
    def full(self) -> str:
        return f"awsdatacatalog.{self.database}.{self.table}"


@dataclass(frozen=True)
class Column:
    name: str
    type: Type
    comment: str | None = None


@dataclass(frozen=True)
class Partition:
    values: tuple[str, ...]
    location: str


@dataclass(frozen=True)
class Table:
    """A Glue table. ``glue`` is what GetTable answers for it; columns are read on demand."""

    name: TableName
    glue: Mapping[str, Any] = field(repr=False)

    @property
    def parameters(self) -> Mapping[str, str]:
        return self.glue.get("Parameters") or {}

    @property
    def descriptor(self) -> Mapping[str, Any]:
        return self.glue.get("StorageDescriptor") or {}

    @property
    def location(self) -> str:
        return self.descriptor.get("Location") or ""

    @property
    def is_view(self) -> bool:
        return self.glue.get("TableType") == "VIRTUAL_VIEW"

    @property
    def is_iceberg(self) -> bool:
        return (self.parameters.get("table_type") or "").lower() == "iceberg"

    @property
    def columns(self) -> list[Column]:
        """The columns that are in the files (for a view, its columns)."""
        return [_column(c) for c in self.descriptor.get("Columns") or [] if _is_current(c)]

    @property
    def partition_keys(self) -> list[Column]:
        return [_column(c) for c in self.glue.get("PartitionKeys") or []]

    @property
    def all_columns(self) -> list[Column]:
        return self.columns + self.partition_keys


def _column(glue: Mapping[str, Any]) -> Column:
    return Column(
        glue["Name"].lower(), types.parse(glue.get("Type") or "string"), glue.get("Comment")
    )


def _is_current(glue: Mapping[str, Any]) -> bool:
    """Iceberg writers keep dropped columns in Glue, marked as such."""
    return (glue.get("Parameters") or {}).get("iceberg.field.current", "true") != "false"


class Catalog:
    """Databases, tables and partitions of one account and region."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm

    @property
    def _backend(self) -> Any:
        from moto.glue.models import glue_backends

        return glue_backends[self.realm.account][self.realm.region]

    @property
    def glue(self) -> Any:
        return client("glue", self.realm)

    # Databases

    def databases(self) -> list[str]:
        self.realm.require("glue:GetDatabases", self.realm.glue_arn("catalog"))
        return sorted(name.lower() for name in list(self._backend.databases))

    def database(self, name: str) -> Mapping[str, Any] | None:
        arn = self.realm.glue_arn(f"database/{name.lower()}")
        self.realm.require("glue:GetDatabase", arn)
        found = self._database(name)
        return None if found is None else found.as_dict()

    def _database(self, name: str) -> Any:
        return _lookup(self._backend.databases, name)

    def require_database(self, name: str) -> Mapping[str, Any]:
        found = self.database(name)
        if found is None:
            raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{name}' does not exist")
        return found

    def create_database(
        self, name: str, *, comment: str | None, location: str | None, properties: Mapping[str, str]
    ) -> None:
        database: dict[str, Any] = {"Name": name.lower(), "Parameters": dict(properties)}
        if comment:
            database["Description"] = comment
        if location:
            database["LocationUri"] = location
        self.glue.create_database(DatabaseInput=database)

    def drop_database(self, name: str) -> None:
        self.glue.delete_database(Name=self.require_database(name)["Name"])

    # Tables

    def tables(self, database: str) -> list[Table]:
        """None of a database that the caller may not list, as Athena's information_schema."""
        found = self._database(database)
        arn = self.realm.glue_arn(f"table/{database.lower()}/*")
        if found is None or not self.realm.allows("glue:GetTables", arn):
            return []
        made = [
            Table(TableName(database.lower(), name.lower()), table.as_dict())
            for name, table in list(found.tables.items())
        ]
        return sorted(made, key=lambda t: t.name)

    def table(self, name: TableName) -> Table | None:
        arn = self.realm.glue_arn(f"table/{name.database}/{name.table}")
        self.realm.require("glue:GetTable", arn)
        found = self._table(name)
        return None if found is None else Table(name, found.as_dict())

    def _table(self, name: TableName) -> Any:
        database = self._database(name.database)
        return None if database is None else _lookup(database.tables, name.table)

    def require_table(self, name: TableName) -> Table:
        found = self.table(name)
        if found is None:
            raise QueryError("TABLE_NOT_FOUND", f"Table '{name.full}' does not exist")
        return found

    def create_table(self, name: TableName, table_input: Mapping[str, Any]) -> None:
        """Raises:
        QueryError: it is there already.
        """
        database = self.require_database(name.database)
        try:
            self.glue.create_table(
                DatabaseName=database["Name"], TableInput={**table_input, "Name": name.table}
            )
        except self.glue.exceptions.AlreadyExistsException as e:
            raise already_exists(name) from e

    def update_table(self, name: TableName, table_input: Mapping[str, Any]) -> None:
        table = self.require_table(name)
        self.glue.update_table(
            DatabaseName=table.glue["DatabaseName"],
            TableInput={**table_input, "Name": table.glue["Name"]},
            SkipArchive=True,
        )

    def drop_table(self, name: TableName) -> None:
        table = self.require_table(name)
        self.glue.delete_table(DatabaseName=table.glue["DatabaseName"], Name=table.glue["Name"])

    def rename_table(self, old: TableName, new: TableName) -> None:
        """Glue has no rename: the entry is written under its new name, then the old one goes."""
        table = self.require_table(old)
        if self.table(new) is not None:
            raise already_exists(new)
        self.create_table(new, table_input_of(table))
        self.drop_table(old)

    # Partitions

    def partitions(self, table: Table) -> list[Partition]:
        arn = self.realm.glue_arn(f"table/{table.name.database}/{table.name.table}")
        self.realm.require("glue:GetPartitions", arn)
        found = self._table(table.name)
        if found is None:
            return []
        result = []
        for partition in list(found.partitions.values()):
            described = partition.partition_input
            location = (described.get("StorageDescriptor") or {}).get("Location") or ""
            result.append(Partition(tuple(described.get("Values") or ()), location))
        return result

    def add_partitions(self, table: Table, partitions: Iterable[Partition]) -> None:
        """Register partitions; those that are there already stay as they are."""
        inputs = [partition_input(table, p) for p in partitions]
        for start in range(0, len(inputs), 100):
            answer = self.glue.batch_create_partition(
                DatabaseName=table.glue["DatabaseName"],
                TableName=table.glue["Name"],
                PartitionInputList=inputs[start : start + 100],
            )
            for error in answer.get("Errors") or []:
                detail = error["ErrorDetail"]
                if detail["ErrorCode"] != "AlreadyExistsException":
                    raise QueryError("HIVE_METASTORE_ERROR", detail.get("ErrorMessage", ""))

    def drop_partitions(self, table: Table, values: Iterable[Sequence[str]]) -> None:
        listed = [{"Values": list(v)} for v in values]
        for start in range(0, len(listed), 25):
            self.glue.batch_delete_partition(
                DatabaseName=table.glue["DatabaseName"],
                TableName=table.glue["Name"],
                PartitionsToDelete=listed[start : start + 25],
            )


def already_exists(name: TableName) -> QueryError:
    return QueryError("TABLE_ALREADY_EXISTS", f"Table '{name.full}' already exists")


def partition_input(table: Table, partition: Partition) -> dict[str, Any]:
    descriptor = {k: v for k, v in table.descriptor.items() if v is not None}
    return {
        "Values": list(partition.values),
        "StorageDescriptor": {**descriptor, "Location": partition.location},
        "Parameters": {},
    }


_READ_ONLY = ("DatabaseName", "CreateTime", "UpdateTime", "VersionId", "CatalogId", "CreatedBy")


def table_input_of(table: Table) -> dict[str, Any]:
    """What CreateTable or UpdateTable takes to say again what GetTable answered."""
    return {k: v for k, v in table.glue.items() if k not in _READ_ONLY and v is not None}


def _lookup(entries: Mapping[str, Any], name: str) -> Any:
    lowered = name.lower()
    if lowered in entries:
        return entries[lowered]
    for key in list(entries):
        if key.lower() == lowered:
            return entries[key]
    return None


@lru_cache(maxsize=32)
def catalog_of(realm: Realm) -> Catalog:
    return Catalog(realm)
