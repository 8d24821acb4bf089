"""Query executions: from QUEUED to SUCCEEDED, FAILED or CANCELLED, in a pool of threads."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from minilab_local.athena import engine, results
from minilab_local.athena import statements as s
from minilab_local.athena.catalog import catalog_of
from minilab_local.athena.context import Context, Run
from minilab_local.athena.duck import connect
from minilab_local.athena.errors import SYSTEM, USER, QueryError
from minilab_local.athena.store import Realm, split, store_of

WORKERS = 8
KEPT_ROWS = 2_000
KEPT_RESULTS = 256
KEPT_EXECUTIONS = 5_000
DONE = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass
class Execution:
    """What GetQueryExecution tells about a query. Plain data, so that it can be kept."""

    id: str
    query: str
    kind: str
    """Athena's StatementType: DDL, DML or UTILITY."""
    substatement: str
    result_uri: str
    database: str
    catalog: str
    workgroup: str
    output: str
    """Where results go, ``s3://…/``."""
    parameters: Sequence[str] | None = None
    token: str | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    state: str = "QUEUED"
    reason: str | None = None
    category: int | None = None
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    completed: float | None = None
    bytes: int = 0
    manifest: str | None = None
    columns: Sequence[results.ResultColumn] = ()
    header: bool = False
    update_count: int | None = None
    output_rows: int = 0
    output_bytes: int = 0

    @property
    def milliseconds(self) -> int:
        end = self.completed or time.time()
        return int((end - (self.started or end)) * 1000)


def result_uri(statement: s.Statement, output: str, id: str) -> str:
    """The result's object, as Athena names it for each kind of statement."""
    if isinstance(statement, s.CreateTableAs):
        return f"{output}tables/{id}"
    if isinstance(statement, s.Query):
        return f"{output}{id}.csv"
    if statement.kind == "DML":
        return f"{output}{id}"
    return f"{output}{id}.txt"


class Runner:
    """Runs executions; one per process."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="athena")
        self._finished: dict[str, threading.Event] = {}
        self._cursors: dict[str, duckdb.DuckDBPyConnection] = {}
        self._rows: dict[str, list[results.Row]] = {}
        self._lock = threading.Lock()

    def forget(self, id: str) -> None:
        self._finished.pop(id, None)
        with self._lock:
            self._rows.pop(id, None)

    def submit(self, execution: Execution, statement: s.Statement, realm: Realm) -> None:
        self._finished[execution.id] = threading.Event()
        self._pool.submit(self._run, execution, statement, realm)

    def wait(self, execution: Execution, seconds: float) -> None:
        """Until the execution is done, but not longer than so many seconds."""
        event = self._finished.get(execution.id)
        if event is not None and execution.state not in DONE:
            event.wait(seconds)

    def knows(self, execution: Execution) -> bool:
        """Whether this process runs, or ran, it: not so after a restart."""
        return execution.id in self._finished

    def cancel(self, execution: Execution) -> None:
        with self._lock:
            if execution.state in DONE:
                return
            execution.state, execution.reason = "CANCELLED", "Query was cancelled by user"
            execution.completed = time.time()
            cursor = self._cursors.get(execution.id)
        if cursor is not None:
            cursor.interrupt()

    def kept_rows(self, execution: Execution) -> list[results.Row] | None:
        return self._rows.get(execution.id)

    # In the pool

    def _run(self, execution: Execution, statement: s.Statement, realm: Realm) -> None:
        try:
            with self._lock:
                if execution.state in DONE:
                    return
                execution.state, execution.started = "RUNNING", time.time()
                duck = self._cursors[execution.id] = connect()
            try:
                with engine.failures(statement):
                    self._execute(execution, statement, realm, duck)
                self._finish(execution, "SUCCEEDED")
            finally:
                with self._lock:
                    self._cursors.pop(execution.id, None)
                duck.close()
        except QueryError as e:
            self._finish(execution, "FAILED", str(e), e.category)
        except Exception as e:
            text = f"GENERIC_INTERNAL_ERROR: {type(e).__name__}: {e}"
            self._finish(execution, "FAILED", text, SYSTEM)
        finally:
            self._finished[execution.id].set()

    def _finish(
        self, execution: Execution, state: str, reason: str | None = None, category: int = USER
    ) -> None:
        with self._lock:
            if execution.state in DONE:
                return
            execution.reason = reason
            execution.category = category if state == "FAILED" else None
            execution.completed = time.time()
            execution.state = state

    def _execute(
        self,
        execution: Execution,
        statement: s.Statement,
        realm: Realm,
        duck: duckdb.DuckDBPyConnection,
    ) -> None:
        store = store_of(realm)
        context = Context(catalog_of(realm), store, execution.database, duck)
        answer = engine.run(statement, Run(execution.id, context, execution.output))
        execution.bytes, execution.header = answer.bytes, answer.header
        execution.columns, execution.update_count = answer.columns, answer.update_count
        with tempfile.NamedTemporaryFile(prefix="minilab-athena-result-") as spool:
            rows, count = results.write(answer, spool, keep=KEPT_ROWS)
            spool.flush()
            execution.output_rows = count
            execution.output_bytes = Path(spool.name).stat().st_size
            if execution.state in DONE:
                return
            self._store(execution, statement, answer, Path(spool.name), realm)
        if rows is not None:
            self._keep(execution.id, rows)

    def _store(
        self,
        execution: Execution,
        statement: s.Statement,
        answer: results.Answer,
        spool: Path,
        realm: Realm,
    ) -> None:
        store = store_of(realm)
        uri = execution.result_uri
        bucket, key = split(uri)
        if isinstance(statement, s.CreateTableAs | s.Insert | s.Unload):
            if answer.written:
                execution.manifest = f"{uri}-manifest.csv"
                listed = "".join(f"{u}\n" for u in answer.written)
                store.put(bucket, f"{key}-manifest.csv", listed.encode())
        elif statement.kind != "DML" or isinstance(statement, s.Query):
            store.put(bucket, key, spool)
        described = results.metadata_file(answer.columns, answer.update_count)
        store.put(bucket, f"{key}.metadata", described)

    def _keep(self, id: str, rows: list[results.Row]) -> None:
        with self._lock:
            self._rows[id] = rows
            while len(self._rows) > KEPT_RESULTS:
                self._rows.pop(next(iter(self._rows)))


runner = Runner()
