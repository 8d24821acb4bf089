"""What Athena does for whoever asked it: it calls Glue and S3 with their permissions.

The laptop's Athena writes by calls of its own but reads in its process, and no call of botocore
shows that: its catalog and its store say here which calls theirs stand for. A query's workgroup
says for whom it runs. Source: Athena User Guide, "Configure access to databases and tables in the
AWS Glue Data Catalog", "Control access to Amazon S3 from Athena".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from tests.support.aws_calls.parts import workgroup_module
from tests.support.aws_calls.threads import as_if_given_by

AddCall = Callable[[str, str, Mapping[str, Any]], None]
"""Told a service, an operation and its parameters."""


def watch_catalog(module: ModuleType, add: AddCall) -> None:
    """Watch ``minilab_local.athena.catalog.Catalog``."""

    def said(operation: str, **params: Any) -> None:
        add("glue", operation, params)

    _before(module.Catalog, "databases", lambda: said("GetDatabases"))
    _before(module.Catalog, "_database", lambda name: said("GetDatabase", Name=name))
    _before(module.Catalog, "tables", lambda name: said("GetTables", DatabaseName=name))
    _before(
        module.Catalog,
        "_table",
        lambda name: said("GetTable", DatabaseName=name.database, Name=name.table),
    )
    _before(
        module.Catalog,
        "partitions",
        lambda table: said(
            "GetPartitions", DatabaseName=table.name.database, TableName=table.name.table
        ),
    )


def watch_store(module: ModuleType, add: AddCall) -> None:
    """Watch ``minilab_local.athena.store.Store``."""

    def said(operation: str, **params: Any) -> None:
        add("s3", operation, params)

    _before(
        module.Store,
        "list",
        lambda bucket, prefix: said("ListObjectsV2", Bucket=bucket, Prefix=prefix),
    )
    for name in ("head", "read", "path"):
        _before(module.Store, name, lambda bucket, key: said("GetObject", Bucket=bucket, Key=key))


def watch_executions(module: ModuleType) -> None:
    """Watch ``minilab_local.athena.executions.Runner``: a query's work is its workgroup's."""
    run = module.Runner._run

    def run_for_its_workgroup(self: Any, execution: Any, *args: Any) -> None:
        with as_if_given_by(workgroup_module(execution.workgroup)):
            run(self, execution, *args)

    module.Runner._run = run_for_its_workgroup  # type: ignore[attr-defined]


def _before(kind: Any, name: str, say: Callable[..., None]) -> None:
    """Call ``say`` with a method's arguments, then the method."""
    method = getattr(kind, name)

    def said(self: Any, *args: Any, **kwargs: Any) -> Any:
        say(*args, **kwargs)
        return method(self, *args, **kwargs)

    setattr(kind, name, said)
