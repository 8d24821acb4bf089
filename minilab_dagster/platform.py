"""The resource through which assets, checks and sensors reach the platform."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from minilab.errors import MinilabError
from minilab.events.registry import Registry, Stream, load_registry
from minilab.lake.layout import HourPartition, s3_uri
from minilab.lake.tables import Table
from minilab.landing.summary import Backlog, StreamSummary
from minilab.settings import Settings

if TYPE_CHECKING:
    from minilab.lake.athena import QueryResult
    from minilab.landing.compact import CompactionSummary
    from minilab.reports.overview import Answer


class Platform(dg.ConfigurableResource):
    """Mini-Lab's library with the settings of this deployment.

    Settings are read when something is asked for, never when definitions load: a fresh clone
    without any environment loads them all.
    """

    environment: dict[str, str] = Field(
        default={},
        description="Variables (MINILAB_ENV …) that stand above those of the process.",
    )

    @property
    def settings(self) -> Settings:
        return Settings.from_env({**os.environ, **self.environment})

    @property
    def registry(self) -> Registry:
        return load_registry()

    def land(self, stream: str, log: logging.Logger) -> StreamSummary:
        """Drain one stream's bus into the lake, or what failed before landing (``FAILURES``).

        CloudWatch is told how many events that were; where it cannot be, that is logged.

        Raises:
            LandingError: not everything could be landed. What was landed stays, and what was not
                is still on the bus.
        """
        from minilab.landing import land
        from minilab.metrics import Metric, cloudwatch

        summary = land(self.settings, self.registry, [stream], on_progress=log.info)
        landed = summary.of(stream)
        told = Metric("Events", landed.events), Metric("FailedEvents", landed.failed_events)
        try:
            cloudwatch.send(self.settings, "landing", [(m, {"stream": stream}) for m in told])
        except MinilabError as error:
            log.warning("%s", error.message)
        summary.raise_if_broken()
        return landed

    def compact(self, say: Callable[[str], None]) -> CompactionSummary:
        """Merge the small files of every closed hour of ``events``."""
        from minilab.landing.compact import compact

        return compact(self.settings, self.registry, on_progress=say)

    def backlog(self, stream: str) -> Backlog:
        """What waits on one stream's bus, or to become failed events (``FAILURES``)."""
        from minilab.landing import backlog

        return backlog(self.settings, self.registry, stream)

    def next_offsets(self, stream: Stream) -> dict[str, int | None]:
        """Kafka: by shard, the first offset that the ledger does not hold for landed."""
        if stream.bus != "kafka":
            return {}
        from minilab.landing.kafka import shard_of
        from minilab.landing.ledger import Ledger

        ledger = Ledger(self.settings)
        shards = [shard_of(self.settings, stream, number) for number in range(stream.partitions)]
        return {shard.name: ledger.read(shard).next_offset for shard in shards}

    def glue_columns(self, table: Table) -> dict[str, str] | None:
        """A raw table's columns and types as Glue has them; None where there is no such table."""
        import awswrangler as wr

        return wr.catalog.get_table_types(database=self.settings.raw_database, table=table.name)

    def query(self, sql: str) -> QueryResult:
        """Run one statement in Athena."""
        from minilab.lake.athena import query

        return query(self.settings, sql)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of one statement, as mappings from column to value."""
        return self.query(sql).as_dicts()

    def count_rows(self, relations: Mapping[str, str]) -> dict[str, int]:
        """Rows of each relation (``"schema"."table"``), by the same keys, in one query."""
        keys = list(relations)
        counts = " union all ".join(
            f"select {index} as i, count(*) as n from {relations[key]}"
            for index, key in enumerate(keys)
        )
        return {keys[row["i"]]: row["n"] for row in self.rows(counts)}

    def register(self, table: Table, *hours: HourPartition) -> None:
        """Register in Glue those partitions of a raw table that hold files."""
        from minilab import aws
        from minilab.lake.glue import register_partitions

        s3 = aws.client("s3", self.settings)
        with_files = [
            hour
            for hour in hours
            if s3.list_objects_v2(
                Bucket=self.settings.lake_bucket, Prefix=table.prefix + hour.path, MaxKeys=1
            )["KeyCount"]
        ]
        if with_files:
            register_partitions(self.settings, table, with_files)

    def look_at(self, table: Table, *hours: HourPartition) -> dict[str, Any]:
        """What Athena sees of a raw table in one hour, of one or several streams.

        Returns:
            Metadata: rows, batches, and the longest that an event waited on its bus, in seconds.
        """
        streams = ", ".join(f"'{hour.stream}'" for hour in hours)
        (row,) = self.rows(
            f"""
            select count(*) as n, count(distinct batch_id) as batches,
                   max(date_diff('millisecond', published_at, landed_at)) as longest_wait_ms
            from {self.settings.raw_database}.{table.name}
            where stream in ({streams}) and dt = '{hours[0].dt}' and hour = '{hours[0].hour}'
            """
        )
        prefix = table.prefix + hours[0].path if len(hours) == 1 else table.prefix
        return {
            "dagster/partition_row_count": row["n"],
            "dagster/uri": s3_uri(self.settings.lake_bucket, prefix),
            "batches_in_hour": row["batches"],
            "oldest_age_seconds": (row["longest_wait_ms"] or 0) / 1000.0,
        }

    def iceberg_tables(self) -> list[str]:
        """Every Iceberg table of staging and marts, as ``database.table``."""
        from minilab import aws

        pages = aws.client("glue", self.settings).get_paginator("get_tables")
        return [
            f"{database}.{table['Name']}"
            for database in (self.settings.staging_database, self.settings.marts_database)
            for page in pages.paginate(DatabaseName=database)
            for table in page["TableList"]
            if table.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG"
        ]

    def ask(self, queries: Mapping[str, str]) -> dict[str, Answer]:
        """Answers to several queries, asked at the same time; an error becomes its answer."""
        from minilab.reports.overview import NoAnswer, Rows

        def answer(sql: str) -> Answer:
            try:
                return Rows(self.rows(sql))
            except MinilabError as error:
                return NoAnswer(error.message)

        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="ask") as pool:
            return dict(zip(queries, pool.map(answer, queries.values()), strict=True))

    def publish(self, page: bytes, *, keys: list[str]) -> Path:
        """Put a page into the lake bucket under each key; also keep it as a local file.

        Returns:
            The local file, in ``MINILAB_HOME``'s ``reports/`` folder.
        """
        from minilab import aws

        s3 = aws.client("s3", self.settings)
        for key in keys:
            s3.put_object(
                Bucket=self.settings.lake_bucket,
                Key=key,
                Body=page,
                ContentType="text/html; charset=utf-8",
            )
        path = _reports_folder() / f"{Path(keys[-1]).stem}-{self.settings.env}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page)
        return path.resolve()


def _reports_folder() -> Path:
    """``MINILAB_REPORTS_DIR``, or ``reports/`` in ``MINILAB_HOME`` or beside Dagster's folder."""
    if chosen := os.environ.get("MINILAB_REPORTS_DIR"):
        return Path(chosen)
    if home := os.environ.get("MINILAB_HOME"):
        return Path(home) / "reports"
    if dagster_home := os.environ.get("DAGSTER_HOME"):
        return Path(dagster_home).parent / "reports"
    return Path(".minilab/reports")
