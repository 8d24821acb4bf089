"""pyiceberg's Glue catalog over this server: metadata read in process, commits under a lock.

Athena commits to Iceberg optimistically, by a conditional update of the Glue table. All commits of
the engine pass through here, so one lock per table makes "check, then update" one step.
"""

from __future__ import annotations

import io
import threading
from collections import defaultdict
from functools import lru_cache
from typing import Any

from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata

from minilab_local.athena.catalog import TableName, catalog_of
from minilab_local.athena.errors import QueryError
from minilab_local.athena.store import Realm, Store, client, split, store_of


class StoreInput(InputFile):
    def __init__(self, store: Store, location: str) -> None:
        super().__init__(location)
        self._store = store

    def __len__(self) -> int:
        found = self._store.head(*split(self.location))
        if found is None:
            raise FileNotFoundError(self.location)
        return found.size

    def exists(self) -> bool:
        return self._store.head(*split(self.location)) is not None

    def open(self, seekable: bool = True) -> InputStream:
        return io.BytesIO(self._store.read(*split(self.location)))


class _Upload(io.BytesIO):
    """Bytes that are stored when the stream is closed without an error."""

    def __init__(self, store: Store, location: str) -> None:
        super().__init__()
        self._target = store, location

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.close()
        else:
            super().close()

    def close(self) -> None:
        if not self.closed:
            store, location = self._target
            store.put(*split(location), self.getvalue())
        super().close()


class StoreOutput(OutputFile):
    def __init__(self, store: Store, location: str) -> None:
        super().__init__(location)
        self._store = store

    def __len__(self) -> int:
        return len(self.to_input_file())

    def exists(self) -> bool:
        return self.to_input_file().exists()

    def to_input_file(self) -> InputFile:
        return StoreInput(self._store, self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        return _Upload(self._store, self.location)


class StoreIO(FileIO):
    """pyiceberg's files, kept by the store."""

    def __init__(self, store: Store) -> None:
        super().__init__({})
        self._store = store

    def new_input(self, location: str) -> InputFile:
        return StoreInput(self._store, location)

    def new_output(self, location: str) -> OutputFile:
        return StoreOutput(self._store, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        where = location if isinstance(location, str) else location.location
        bucket, key = split(where)
        self._store.delete(bucket, [key])


class Conflict(Exception):
    """Somebody else committed first; the statement has to look at the table again."""


_locks: defaultdict[tuple[str, str, TableName], threading.RLock] = defaultdict(threading.RLock)
_locks_guard = threading.Lock()


def lock_of(realm: Realm, name: TableName) -> threading.RLock:
    with _locks_guard:
        return _locks[realm.account, realm.region, name]  # whoever asks


@lru_cache(maxsize=512)
def _metadata(store: Store, location: str) -> TableMetadata:
    """A metadata file is never written twice, so what it says can be kept."""
    return FromInputFile.table_metadata(StoreInput(store, location))


class IcebergCatalog(GlueCatalog):
    """The Glue catalog of one realm. With ``rerun``, a lost race is a `Conflict` at once, because
    what the statement computed no longer holds; without, pyiceberg tries to append again."""

    def __init__(self, realm: Realm, *, rerun: bool) -> None:
        super().__init__("glue", client=client("glue", realm))
        self._realm = realm
        self._rerun = rerun
        self._io = StoreIO(store_of(realm))

    def _load_file_io(self, properties: Any = None, location: str | None = None) -> FileIO:
        return self._io

    def _is_s3tables_database(self, database_name: str) -> bool:
        return False

    def _get_glue_table(self, database_name: str, table_name: str) -> Any:
        found = catalog_of(self._realm).table(TableName(database_name, table_name))
        if found is None:
            raise NoSuchTableError(f"Table does not exist: {database_name}.{table_name}")
        return dict(found.glue)

    def _convert_glue_to_iceberg(self, glue_table: Any) -> Table:
        name = TableName(glue_table["DatabaseName"], glue_table["Name"])
        location = (glue_table.get("Parameters") or {}).get("metadata_location")
        if not location:
            raise QueryError(
                "ICEBERG_INVALID_METADATA", f"Table '{name.full}' has no metadata_location in Glue"
            )
        try:
            metadata = _metadata(store_of(self._realm), location)
        except FileNotFoundError as e:
            raise QueryError(
                "ICEBERG_MISSING_METADATA",
                f"Metadata not found in metadata location for table {name}: {location}",
            ) from e
        return Table(
            identifier=(name.database, name.table),
            metadata=metadata,
            metadata_location=location,
            io=self._io,
            catalog=self,
        )

    def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
        name = TableName(*table.name())
        with lock_of(self._realm, name):
            try:
                return super().commit_table(table, requirements, updates)
            except CommitFailedException as e:
                if self._rerun:
                    raise Conflict(str(e)) from e
                raise


def load(realm: Realm, name: TableName, *, rerun: bool = True) -> Table:
    """The current state of an Iceberg table."""
    return IcebergCatalog(realm, rerun=rerun).load_table((name.database, name.table))
