"""The one DuckDB database of this process: a cursor per query, bounded memory, a place to spill."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import duckdb
import psutil

from minilab_local.athena.scan import literal
from minilab_local.athena.translate import prepare

THREADS = 2
_lock = threading.Lock()
_database: duckdb.DuckDBPyConnection | None = None


def _open() -> duckdb.DuckDBPyConnection:
    folder = Path(tempfile.gettempdir()) / "minilab-athena-spill"
    folder.mkdir(parents=True, exist_ok=True)
    memory = min(psutil.virtual_memory().total // 4, 6 * 2**30)
    database = duckdb.connect(
        ":memory:",
        config={
            "threads": THREADS,
            "memory_limit": f"{memory // 2**20}MB",
            "temp_directory": tempfile.mkdtemp(dir=folder),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    before = _settings(database)
    prepare(database)
    # A setting holds for one connection; cursors are new connections, so make it everybody's.
    for name, value in _settings(database).items():
        if before.get(name) != value:
            database.execute(f"SET GLOBAL {name} = {literal(value)}")
    return database


def _settings(database: duckdb.DuckDBPyConnection) -> dict[str, str]:
    rows = database.execute("SELECT name, value FROM duckdb_settings()").fetchall()
    return {name: value for name, value in rows if value is not None}


def connect() -> duckdb.DuckDBPyConnection:
    """A connection of one query's own: its temporary tables and views are nobody else's."""
    global _database
    with _lock:
        if _database is None:
            _database = _open()
        return _database.cursor()


def renew() -> None:
    """Leave a database that an internal error has made unusable; the next query gets a new one.

    It holds nothing but the temporary tables of running queries.
    """
    global _database
    with _lock:
        _database = None
