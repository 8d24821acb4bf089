"""Names that the domains of ``defs/`` share: asset keys, groups, owners, pools, tags."""

from __future__ import annotations

import dagster as dg

from minilab.events.registry import Stream

INGEST, RAW, STAGING, MARTS = "ingest", "raw", "staging", "marts"
REPORTS, MAINTENANCE = "reports", "maintenance"

INGESTION_API = dg.AssetKey(["ingestion", "api"])
INGESTION_PROCESSOR = dg.AssetKey(["ingestion", "processor"])
FAILED_EVENTS = dg.AssetKey([RAW, "failed_events"])
OVERVIEW = dg.AssetKey([REPORTS, "overview"])
COMPACTION = dg.AssetKey([MAINTENANCE, "raw_compaction"])
ICEBERG_UPKEEP = dg.AssetKey([MAINTENANCE, "iceberg_upkeep"])

PLATFORM_TEAM = "team:platform"
INGESTION_TEAM = "team:ingestion"
EVENTS_TEAM = "team:events"
ANALYTICS_TEAM = "team:analytics"

DBT_POOL = "dbt"
"""One dbt build at a time: two would merge into the same tables."""

STREAM_TAG = "minilab/stream"
"""On every run that a sensor asked for: the stream that it lands, or ``registry.FAILURES``."""


def ingest_key(stream: str) -> dg.AssetKey:
    return dg.AssetKey([INGEST, stream])


def raw_key(stream: str) -> dg.AssetKey:
    return dg.AssetKey([RAW, stream])


def lander_pool(stream: str) -> str:
    """One lander a stream: a second would only be fenced by the ledger."""
    return f"land_{stream.replace('-', '_')}"


def owner_of(stream: Stream) -> str:
    """The stream's owner as Dagster writes it: an address, or ``team:…``."""
    owner = stream.owner or PLATFORM_TEAM
    return owner if "@" in owner or owner.startswith("team:") else f"team:{owner}"
