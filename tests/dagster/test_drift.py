"""Drift of columns and payloads, decided on plain records."""

from __future__ import annotations

import json

from minilab.events.registry import load_registry
from minilab.lake.tables import EVENTS
from minilab_dagster.drift import column_differences, unknown_fields

COLUMNS = {c.name: c.glue for c in (*EVENTS.columns, *EVENTS.partition_keys)}


def test_columns_as_described() -> None:
    assert column_differences(EVENTS, COLUMNS) == []


def test_no_table() -> None:
    assert column_differences(EVENTS, None) == ["events is not in Glue"]


def test_every_difference_is_named() -> None:
    there = {name: type_ for name, type_ in COLUMNS.items() if name != "tenant"}
    there |= {"item": "bigint", "colour": "string"}
    assert column_differences(EVENTS, there) == [
        "events.colour is unknown",
        "events.item is bigint, not int",
        "events.tenant is missing",
    ]


def test_fields_that_no_contract_names() -> None:
    known = {"user_id": "u", "session_id": "s", "path": "/"}
    payloads = [
        ("product.page_viewed.v1", json.dumps(known)),
        ("product.page_viewed.v1", json.dumps({**known, "mood": "fine", "referrer": "/"})),
        ("com.github.push", json.dumps({"anything": 1})),  # no contract, nothing to drift from
        ("product.page_viewed.v1", None),
    ]
    assert unknown_fields(load_registry(), payloads) == ["product.page_viewed.v1.mood"]
