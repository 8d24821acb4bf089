"""The way of events up to the buses that they arrive on: not made here, only shown."""

from __future__ import annotations

import dagster as dg

from minilab.events.registry import Registry, Stream, load_registry
from minilab_dagster import names


def _ingest_spec(stream: Stream, registry: Registry) -> dg.AssetSpec:
    types = [contract.type for contract in registry.contracts_of(stream.name)]
    bus = (
        f"a Kafka topic of {stream.partitions} partitions"
        if stream.bus == "kafka"
        else "an SQS queue with dead letters"
    )
    return dg.AssetSpec(
        names.ingest_key(stream.name),
        deps=[names.INGESTION_PROCESSOR],
        description=f"{stream.description}\n\nOn {bus}.",
        group_name=names.INGEST,
        owners=[names.owner_of(stream)],
        kinds={stream.bus},
        tags={"minilab/bus": stream.bus, "minilab/contract": stream.contract},
        metadata={
            "event types": dg.MetadataValue.md("\n".join(f"- `{t}`" for t in types) or "any")
        },
    )


_FRONT = (
    dg.AssetSpec(
        names.INGESTION_API,
        description=(
            "Takes clients' CloudEvents over HTTP: whose they are, whether they keep their"
            " contract, and each once. What it answers with 202 is in the ingest queue.\n\n"
            "`minilab tenants list` shows who sends; what it rejects is in `raw/failed_events`."
        ),
        group_name=names.INGEST,
        owners=[names.INGESTION_TEAM],
        kinds={"lambda", "dynamodb", "sqs"},
    ),
    dg.AssetSpec(
        names.INGESTION_PROCESSOR,
        deps=[names.INGESTION_API],
        description=(
            "Takes from the ingest queue, adds what the platform knows of an event, and puts it on"
            " the bus of its stream, a tenant's events in their order."
        ),
        group_name=names.INGEST,
        owners=[names.EVENTS_TEAM],
        kinds={"lambda", "ecs"},
    ),
)


@dg.definitions
def ingest() -> dg.Definitions:
    registry = load_registry()
    streams = [_ingest_spec(stream, registry) for stream in registry.streams.values()]
    return dg.Definitions([*_FRONT, *streams])
