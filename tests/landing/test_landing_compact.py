"""Compaction: the same rows in fewer files, and no moment at which a reader sees other ones."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minilab.bus import open_publisher
from minilab.landing import LandingError, land
from minilab.landing import compact as room
from minilab.landing.compact import COMPACTED_PREFIX, SWEEP_AFTER, CompactionSummary, compact
from minilab.landing.kafka import shard_of
from minilab.landing.ledger import Intent, Ledger, ShardState
from minilab.landing.store import LakeStore

if TYPE_CHECKING:
    from conftest import Lab


def event(name: str) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": name,
            "source": "/t",
            "type": "product.page_viewed.v1",
            "tenant": "acme",
            "data": {"user_id": "u", "session_id": "s", "path": "/"},
        }
    ).encode()


def land_some(lab: Lab, rounds: int) -> datetime:
    """Several files in one hour; returns a time when that hour is closed."""
    for number in range(rounds):
        with open_publisher(lab.settings, lab.registry.stream("product")) as publisher:
            for n in range(40):
                publisher.send(event(f"{number}-{n}"), key=str(n))
        land(lab.settings, lab.registry, ["product"]).raise_if_broken()
    return datetime.now(UTC) + timedelta(hours=2)


def visible(lab: Lab) -> tuple[list[str], pa.Table]:
    """The files and rows that Glue leads a reader to."""
    partitions = lab.client("glue").get_partitions(
        DatabaseName=lab.settings.raw_database, TableName="events"
    )["Partitions"]
    store, files = LakeStore(lab.settings), []
    for partition in partitions:
        bucket, _, prefix = (
            partition["StorageDescriptor"]["Location"].removeprefix("s3://").partition("/")
        )
        assert bucket == lab.settings.lake_bucket
        files += [stored.key for stored in store.list(prefix.rstrip("/") + "/")]
    tables = [pq.read_table(io.BytesIO(store.get(key) or b""), partitioning=None) for key in files]
    return files, pa.concat_tables(tables).sort_by([("shard", "ascending"), ("id", "ascending")])


def test_an_hour_becomes_one_file_with_the_same_rows(
    fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = fresh_lab
    later = land_some(lab, 2)
    files, before = visible(lab)
    assert len(files) > 4 and before.num_rows == 80
    assert compact(lab.settings, lab.registry).compacted == (), "the hour is still open"
    assert visible(lab)[0] == files

    summary = compact(lab.settings, lab.registry, now=later)
    assert sum(hour.files_before for hour in summary.compacted) == len(files)
    assert sum(hour.rows for hour in summary.compacted) == 80
    assert all(hour.files_after == 1 for hour in summary.compacted)
    compacted, after = visible(lab)
    assert len(compacted) == len(summary.compacted)
    assert all(key.startswith(COMPACTED_PREFIX) for key in compacted)
    assert after.equals(before)

    store = LakeStore(lab.settings)
    assert [o.key for o in store.list("raw/events/")] == sorted(files), "queries may still read"
    with monkeypatch.context() as patch:
        patch.setattr(room, "SWEEP_AFTER", timedelta(hours=3))
        assert compact(lab.settings, lab.registry, now=later) == CompactionSummary((), 0)
    assert compact(lab.settings, lab.registry, now=later).swept_files == len(files)
    assert list(store.list("raw/events/")) == []
    assert visible(lab)[1].equals(before)
    land(lab.settings, lab.registry, ["product"]).raise_if_broken()
    assert visible(lab)[1].equals(before)


def test_a_crash_at_any_step_leaves_the_same_rows_visible(
    fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = fresh_lab
    later = land_some(lab, 2)
    before = visible(lab)[1]

    class Crash(Exception):
        pass

    def crash(*_: Any, **__: Any) -> Any:
        raise Crash

    for owner, name in ((LakeStore, "put"), (room._Partitions, "point"), (room, "_rows")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, crash)
            with pytest.raises(Crash):
                compact(lab.settings, lab.registry, now=later)
        assert visible(lab)[1].equals(before), name
    assert compact(lab.settings, lab.registry, now=later).compacted
    with monkeypatch.context() as patch:
        patch.setattr(LakeStore, "delete", crash)
        with pytest.raises(Crash):
            compact(lab.settings, lab.registry, now=later + 2 * SWEEP_AFTER)
    assert visible(lab)[1].equals(before)
    compact(lab.settings, lab.registry, now=later + 2 * SWEEP_AFTER)
    assert visible(lab)[1].equals(before)


def test_rows_that_changed_on_the_way_are_noticed(
    fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = fresh_lab
    later = land_some(lab, 2)
    before = visible(lab)
    real = pq.ParquetWriter.write_table

    def lossy(self: Any, table: pa.Table, **options: Any) -> None:
        real(self, table.slice(1), **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", lossy)
    with pytest.raises(LandingError, match="does not hold the rows"):
        compact(lab.settings, lab.registry, now=later)
    assert visible(lab)[0] == before[0]


def test_an_hour_with_an_open_intent_waits(fresh_lab: Lab) -> None:
    lab = fresh_lab
    later = land_some(lab, 2)
    shard = shard_of(lab.settings, lab.registry.stream("product"), 3)
    ledger = Ledger(lab.settings)
    state = ledger.read(shard)
    first = state.next_offset or 0
    intent = Intent(shard, first, first + 5, datetime.now(UTC), "some-batch")
    ledger.open(intent, ShardState(state.next_offset))
    waiting = intent.name.partition
    done = compact(lab.settings, lab.registry, now=later).compacted
    assert waiting not in {hour.partition for hour in done}
