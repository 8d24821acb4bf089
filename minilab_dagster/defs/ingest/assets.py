"""The buses that events arrive on: not made here, only shown."""

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
        description=f"{stream.description}\n\nOn {bus}.",
        group_name=names.INGEST,
        owners=[names.owner_of(stream)],
        kinds={stream.bus},
        tags={"minilab/bus": stream.bus, "minilab/contract": stream.contract},
        metadata={
            "event types": dg.MetadataValue.md("\n".join(f"- `{t}`" for t in types) or "any")
        },
    )


@dg.definitions
def ingest() -> dg.Definitions:
    registry = load_registry()
    return dg.Definitions([_ingest_spec(s, registry) for s in registry.streams.values()])
