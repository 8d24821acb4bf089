"""What a query's names mean, and the connection it runs on."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from minilab_local.athena.catalog import Catalog, TableName
from minilab_local.athena.errors import QueryError
from minilab_local.athena.statements import Reference
from minilab_local.athena.store import Realm, Store

GLUE_CATALOG = "awsdatacatalog"


@dataclass(frozen=True)
class Context:
    """What names mean for one query: its catalog, its objects, the database that is meant when
    none is said, and a DuckDB connection of its own."""

    catalog: Catalog
    store: Store
    database: str
    duck: duckdb.DuckDBPyConnection

    def name(self, reference: Reference) -> TableName:
        if reference.catalog and reference.catalog.lower() != GLUE_CATALOG:
            raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{reference.catalog}' not found")
        return TableName((reference.database or self.database).lower(), reference.table.lower())

    @property
    def realm(self) -> Realm:
        return self.store.realm


@dataclass(frozen=True)
class Run:
    """One execution: its id, what its names mean, and where its results go (``s3://…/``)."""

    id: str
    context: Context
    output: str
