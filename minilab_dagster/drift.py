"""Does what arrives still look as the contracts and the tables say? Pure comparisons."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from minilab.events.registry import Registry
from minilab.lake.tables import Table


def column_differences(table: Table, there: Mapping[str, str] | None) -> list[str]:
    """How Glue's columns (name → type; None: no table) differ from the description in code."""
    if there is None:
        return [f"{table.name} is not in Glue"]
    wanted = {c.name: c.glue for c in (*table.columns, *table.partition_keys)}
    missing = [f"{table.name}.{name} is missing" for name in wanted.keys() - there.keys()]
    unknown = [f"{table.name}.{name} is unknown" for name in there.keys() - wanted.keys()]
    other = [
        f"{table.name}.{name} is {there[name]}, not {wanted[name]}"
        for name in wanted.keys() & there.keys()
        if there[name] != wanted[name]
    ]
    return sorted(missing + unknown + other)


def unknown_fields(registry: Registry, payloads: Iterable[tuple[str, str | None]]) -> list[str]:
    """Payload fields that no contract names, as ``type.field``.

    Contracts allow them (a minor change is additive), but nothing downstream knows them yet.

    Args:
        payloads: pairs of event type and payload (JSON text).
    """
    found = set()
    for event_type, text in payloads:
        contract = registry.contracts.get(event_type)
        if contract is None or not text:
            continue
        payload = json.loads(text)
        if isinstance(payload, dict):
            found |= {
                f"{event_type}.{name}"
                for name in payload.keys() - contract.schema.get("properties", {}).keys()
            }
    return sorted(found)
