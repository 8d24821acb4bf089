"""ALTER TABLE of Iceberg tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from pyiceberg.exceptions import CommitFailedException, ValidationError
from pyiceberg.table import Transaction
from pyiceberg.table.update.schema import UpdateSchema

from minilab_local.athena import statements as s
from minilab_local.athena.catalog import TableName
from minilab_local.athena.context import Run
from minilab_local.athena.errors import QueryError
from minilab_local.athena.iceberg import catalog
from minilab_local.athena.iceberg.commit import commit_error
from minilab_local.athena.types import Type

_ATTEMPTS = 4


def _commit(run: Run, name: TableName, change: Callable[[Transaction], None]) -> None:
    """Make a change of metadata; it is made anew on the newer table when someone was faster."""
    cause: Exception | None = None
    for _ in range(_ATTEMPTS):
        table = catalog.load(run.context.realm, name)
        try:
            with table.transaction() as transaction:
                change(transaction)
            return
        except (catalog.Conflict, CommitFailedException) as e:
            cause = e
        except (ValueError, ValidationError) as e:
            raise QueryError("INVALID_ARGUMENTS", str(e)) from e
    raise commit_error(name.table, cause)


def _with_schema(run: Run, name: TableName, change: Callable[[UpdateSchema], None]) -> None:
    def in_transaction(transaction: Transaction) -> None:
        with transaction.update_schema(case_sensitive=False, allow_incompatible_changes=True) as u:
            change(u)

    _commit(run, name, in_transaction)


def _iceberg(kind: Type):
    ids = itertools.count(1)
    return kind.iceberg(lambda: next(ids))


def add_columns(run: Run, name: TableName, columns: Sequence[s.ColumnSpec]) -> None:
    def change(update: UpdateSchema) -> None:
        for column in columns:
            update.add_column(column.name, _iceberg(column.type), doc=column.comment)

    _with_schema(run, name, change)


def drop_column(run: Run, name: TableName, column: str) -> None:
    _with_schema(run, name, lambda update: update.delete_column(column))


def change_column(run: Run, name: TableName, statement: s.ChangeColumn) -> None:
    def change(update: UpdateSchema) -> None:
        old, to = statement.column, statement.to
        update.update_column(old, field_type=_iceberg(to.type), doc=to.comment)
        if statement.placed == "first":
            update.move_first(old)
        elif statement.placed:
            update.move_after(old, statement.placed)
        if to.name != old:
            update.rename_column(old, to.name)

    _with_schema(run, name, change)


def replace_columns(run: Run, name: TableName, columns: Sequence[s.ColumnSpec]) -> None:
    """REPLACE COLUMNS: what is not named goes, what is new comes, what stays may widen."""
    current = {f.name for f in catalog.load(run.context.realm, name).schema().fields}

    def change(update: UpdateSchema) -> None:
        for gone in current - {c.name for c in columns}:
            update.delete_column(gone)
        for column in columns:
            if column.name in current:
                update.update_column(column.name, field_type=_iceberg(column.type))
            else:
                update.add_column(column.name, _iceberg(column.type), doc=column.comment)

    _with_schema(run, name, change)


def set_properties(run: Run, name: TableName, properties: Mapping[str, str]) -> None:
    kept = {k: v for k, v in properties.items() if k not in ("table_type", "format")}

    def change(transaction: Transaction) -> None:
        transaction.set_properties(kept)

    if kept:
        _commit(run, name, change)


def unset_properties(run: Run, name: TableName, keys: Iterable[str]) -> None:
    def change(transaction: Transaction) -> None:
        transaction.remove_properties(*keys)

    _commit(run, name, change)
