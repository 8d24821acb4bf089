"""OPTIMIZE and VACUUM (Amazon Athena User Guide, "Optimize Iceberg tables")."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

from pyiceberg.table import FileScanTask
from pyiceberg.table import Table as IcebergTable

from minilab_local.athena import prune
from minilab_local.athena import statements as s
from minilab_local.athena.context import Run
from minilab_local.athena.errors import QueryError
from minilab_local.athena.iceberg import catalog, read
from minilab_local.athena.iceberg.commit import commit_error, discard, overwrite
from minilab_local.athena.iceberg.write import write_rows
from minilab_local.athena.results import Answer, ResultColumn
from minilab_local.athena.store import split

_SMALL = 402_653_184
"""Bytes below which a file is worth merging: 75 % of Athena's target of 512 MiB."""
_MAX_AGE = 432_000
_MIN_SNAPSHOTS = 1


def _load(run: Run, reference: s.Reference) -> IcebergTable:
    name = run.context.name(reference)
    if not run.context.catalog.require_table(name).is_iceberg:
        raise QueryError("NOT_SUPPORTED", f"Table '{name.full}' is not an Iceberg table")
    return catalog.load(run.context.realm, name)


def optimize(statement: s.Optimize, run: Run) -> Answer:
    """BIN_PACK: the small files of each partition become one."""
    context, table = run.context, _load(run, statement.name)
    conjuncts = prune.conjuncts(statement.where) if statement.where is not None else []
    for conjunct in conjuncts:
        if read.filter_of(context, table.schema(), [conjunct]) == read.ie.AlwaysTrue():
            raise QueryError(
                "NOT_SUPPORTED", "OPTIMIZE takes comparisons of partition columns with literals"
            )
    tasks = read.plan(table, read.filter_of(context, table.schema(), conjuncts))
    small = int(table.properties.get("optimize_rewrite_min_data_file_size_bytes", _SMALL))
    groups: dict[tuple[int, str], list[FileScanTask]] = defaultdict(list)
    for task in tasks:
        if task.file.file_size_in_bytes < small or task.delete_files:
            groups[task.file.spec_id, repr(task.file.partition)].append(task)
    packed = [t for group in groups.values() if len(group) > 1 for t in group]
    answer = Answer((ResultColumn("rows", "bigint"),), update_count=0)
    if not packed:
        return answer
    sql = read.scan_sql(context, table, table.schema(), packed, "packed_arrow__")
    new = write_rows(context, sql, table.metadata, limit=None)
    try:
        overwrite(table, [t.file for t in packed], new)
    except catalog.Conflict as e:
        discard(context, new)
        raise commit_error(table.name()[-1], e) from e
    return answer


def vacuum(statement: s.Vacuum, run: Run) -> Answer:
    """Expire old snapshots, then delete the files that no snapshot names any more."""
    table = _load(run, statement.name)
    before = _files(table)
    properties = table.properties
    age = int(properties.get("vacuum_max_snapshot_age_seconds", _MAX_AGE))
    keep = int(properties.get("vacuum_min_snapshots_to_keep", _MIN_SNAPSHOTS))
    limit = (time.time() - age) * 1000
    newest = sorted(table.snapshots(), key=lambda x: x.timestamp_ms, reverse=True)
    named = {ref.snapshot_id for ref in table.metadata.refs.values()}
    gone = [
        x.snapshot_id
        for x in newest[keep:]
        if x.timestamp_ms < limit and x.snapshot_id not in named
    ]
    if gone:
        table.maintenance.expire_snapshots().by_ids(gone).commit()
        table = catalog.load(run.context.realm, run.context.name(statement.name))
    _delete(run, before - _files(table))
    return Answer((ResultColumn("rows", "bigint"),), update_count=0)


def _files(table: IcebergTable) -> set[str]:
    """Every file that a snapshot of the table names: data, manifests and their lists."""
    found: set[str] = set()
    for snapshot in table.snapshots():
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in found:
                continue
            found.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            found.update(entry.data_file.file_path for entry in entries)
    return found


def _delete(run: Run, uris: Iterable[str]) -> None:
    by_bucket: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        bucket, key = split(uri)
        by_bucket[bucket].append(key)
    for bucket, keys in by_bucket.items():
        run.context.store.delete(bucket, keys)
