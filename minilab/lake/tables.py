"""The raw tables' columns: the one description that landing, Glue, Dagster and docs share.

Types stand three times because three systems name them: Arrow (what is written), Glue/Hive (what
is registered) and a sentence for people.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from minilab.lake.layout import FAILED_PREFIX, RAW_PREFIX


@dataclass(frozen=True)
class Column:
    name: str
    arrow: pa.DataType
    glue: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A Hive table over Parquet files below ``prefix`` of the lake bucket."""

    name: str
    prefix: str
    comment: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...]

    @property
    def arrow_schema(self) -> pa.Schema:
        """Schema of the files: the partition keys live in the path, not in the file."""
        return pa.schema([pa.field(c.name, c.arrow) for c in self.columns])


_STRING = (pa.string(), "string")
_TIMESTAMP = (pa.timestamp("us"), "timestamp")

PARTITION_KEYS = (
    Column("stream", *_STRING, "Stream of contracts/streams.yaml"),
    Column("dt", *_STRING, "UTC day of landing, YYYY-MM-DD"),
    Column("hour", *_STRING, "UTC hour of landing, 00 to 23"),
)

_WHERE_FROM = (
    Column("bus", *_STRING, "kafka or sqs; api where it came no further"),
    Column("shard", *_STRING, "Kafka topic/partition, the SQS queue, or the API's route"),
    Column("position", *_STRING, "Kafka offset, SQS message id, or the API request's id"),
    Column("item", pa.int32(), "int", "Index of the event in its message (0 unless a batch)"),
    Column("published_at", *_TIMESTAMP, "When the bus, or the API, took it (UTC)"),
    Column("landed_at", *_TIMESTAMP, "When its batch was landed (UTC); decides dt and hour"),
    Column("batch_id", *_STRING, "Landing batch: the file's name without its ending"),
)

EVENTS = Table(
    name="events",
    prefix=RAW_PREFIX,
    comment="Every accepted event as it arrived, at least once. Staging keeps one per event.",
    columns=(
        Column("id", *_STRING, "CloudEvents id; with tenant and source it identifies the event"),
        Column("source", *_STRING, "CloudEvents source (URI reference)"),
        Column("type", *_STRING, "CloudEvents type; the contract's name, such as x.y.v1"),
        Column("specversion", *_STRING, "CloudEvents version, 1.0"),
        Column("time", *_TIMESTAMP, "When it happened, as its producer says (UTC)"),
        Column("subject", *_STRING, "CloudEvents subject"),
        Column("tenant", *_STRING, "Extension attribute: the tenant it belongs to"),
        Column("datacontenttype", *_STRING, "Media type of data"),
        Column("dataschema", *_STRING, "Schema that data adheres to (URI)"),
        Column("extensions", *_STRING, "All other extension attributes, as a JSON object"),
        Column("data", *_STRING, "Payload: the JSON text as it came"),
        Column("data_base64", *_STRING, "Binary payload in base64, where the event had one"),
        *_WHERE_FROM,
    ),
    partition_keys=PARTITION_KEYS,
)

FAILED_EVENTS = Table(
    name="failed_events",
    prefix=FAILED_PREFIX,
    comment="What could not be accepted: original bytes, reason, and where it failed.",
    columns=(
        Column("failed_id", *_STRING, "Stable id: derived from bus, shard, position and item"),
        Column("stage", *_STRING, "Where it failed: ingest, processing or landing"),
        Column("reason", *_STRING, "Reason code, such as not_json or contract_violation"),
        Column("detail", *_STRING, "Every rule that it broke, as a JSON array of objects"),
        Column("body", pa.binary(), "binary", "The original bytes"),
        Column("headers", *_STRING, "Message headers or attributes, as a JSON object"),
        Column("id", *_STRING, "CloudEvents id, where one could be read"),
        Column("source", *_STRING, "CloudEvents source, where one could be read"),
        Column("type", *_STRING, "CloudEvents type, where one could be read"),
        Column("tenant", *_STRING, "Tenant, where one could be read"),
        *_WHERE_FROM,
    ),
    partition_keys=PARTITION_KEYS,
)

TABLES = (EVENTS, FAILED_EVENTS)
