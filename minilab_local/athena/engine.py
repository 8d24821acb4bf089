"""One statement, executed: the list of what Athena can be told, and who does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import duckdb
from botocore.exceptions import ClientError

from minilab_local.athena import ddl, query, show
from minilab_local.athena import statements as s
from minilab_local.athena.context import Run
from minilab_local.athena.duck import renew
from minilab_local.athena.duck_errors import translated
from minilab_local.athena.errors import NotPermitted, QueryError
from minilab_local.athena.iceberg import change, maintain
from minilab_local.athena.results import Answer
from minilab_local.athena.translate import TranslationError

_HANDLERS: Mapping[type[s.Statement], Callable[..., Answer]] = {
    s.Query: query.select,
    s.CreateTableAs: query.create_table_as,
    s.CreateView: query.create_view,
    s.Insert: query.insert,
    s.Merge: change.merge,
    s.Update: change.update,
    s.Delete: change.delete,
    s.Optimize: maintain.optimize,
    s.Vacuum: maintain.vacuum,
    s.Unload: query.unload,
    s.Explain: query.explain,
    s.CreateSchema: ddl.create_schema,
    s.DropSchema: ddl.drop_schema,
    s.AlterSchema: ddl.alter_schema,
    s.CreateTable: ddl.create_table,
    s.DropTable: ddl.drop_table,
    s.RenameTable: ddl.rename_table,
    s.AddColumns: ddl.add_columns,
    s.ReplaceColumns: ddl.replace_columns,
    s.DropColumn: ddl.drop_column,
    s.ChangeColumn: ddl.change_column,
    s.SetProperties: ddl.set_properties,
    s.UnsetProperties: ddl.unset_properties,
    s.SetLocation: ddl.set_location,
    s.AddPartitions: ddl.add_partitions,
    s.DropPartitions: ddl.drop_partitions,
    s.RenamePartition: ddl.rename_partition,
    s.Msck: ddl.msck,
    s.ShowDatabases: show.databases,
    s.ShowTables: show.tables,
    s.ShowColumns: show.columns,
    s.ShowPartitions: show.partitions,
    s.ShowProperties: show.properties,
    s.ShowCreate: show.create,
    s.Describe: show.describe,
    s.DescribeView: show.describe_view,
}


def run(statement: s.Statement, execution: Run) -> Answer:
    """Do what a statement says. Rows of the answer may still be computed while they are read.

    Run it, and read its rows, within `failures`.

    Raises:
        QueryError: it failed; the message is what Athena would say.
    """
    handler = _HANDLERS.get(type(statement))
    if handler is None:
        raise QueryError("NOT_SUPPORTED", f"{statement.substatement} is not supported")
    return handler(statement, execution)


_REFUSED = ("AccessDenied", "AccessDeniedException")


class failures:
    """Turn what DuckDB, the translator and IAM raise into Athena's errors."""

    def __init__(self, statement: s.Statement) -> None:
        self._statement = statement

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TranslationError):
            raise QueryError(error.code, error.message) from error
        if isinstance(error, ClientError) and error.response["Error"]["Code"] in _REFUSED:
            raise NotPermitted(error.response["Error"]["Message"]) from error
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            renew()
        if isinstance(error, duckdb.Error):
            raise translated(error, self._statement) from error
