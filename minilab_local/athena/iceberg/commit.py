"""Commits: new snapshots of Iceberg tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import Transaction

from minilab_local.athena.catalog import TableName
from minilab_local.athena.context import Context
from minilab_local.athena.errors import SYSTEM, QueryError
from minilab_local.athena.iceberg.catalog import load, lock_of
from minilab_local.athena.store import split


def commit_error(table: str, cause: object) -> QueryError:
    """What a statement says that lost every race (dbt-athena looks for the code)."""
    return QueryError(
        "ICEBERG_COMMIT_ERROR",
        f"Failed to commit Iceberg update to table: {table} ({cause})",
        SYSTEM,
    )


def append(context: Context, table: IcebergTable, files: Sequence[DataFile]) -> None:
    """Add data files in a new snapshot of whatever the table is by now: rows that are only added
    are in nobody's way."""
    if not files:
        return
    name = TableName(*table.name())
    try:
        with lock_of(context.realm, name):
            current = load(context.realm, name, rerun=False)
            with current.transaction() as transaction:
                stage_append(transaction, files)
    except CommitFailedException as e:
        discard(context, files)
        raise commit_error(name.table, e) from e


def stage_append(transaction: Transaction, files: Iterable[DataFile]) -> None:
    with transaction.update_snapshot().fast_append() as snapshot:
        for file in files:
            snapshot.append_data_file(file)


def overwrite(table: IcebergTable, gone: Sequence[DataFile], new: Sequence[DataFile]) -> None:
    """Replace data files by others in one snapshot.

    Raises:
        Conflict: the table changed since it was loaded.
    """
    if not gone and not new:
        return
    with table.transaction() as transaction:
        if not gone:
            stage_append(transaction, new)
            return
        with transaction.update_snapshot().overwrite() as snapshot:
            for file in gone:
                snapshot.delete_data_file(file)
            for file in new:
                snapshot.append_data_file(file)


def discard(context: Context, files: Iterable[DataFile]) -> None:
    """Delete data files that no snapshot will name."""
    for file in files:
        bucket, key = split(file.file_path)
        context.store.delete(bucket, [key])
