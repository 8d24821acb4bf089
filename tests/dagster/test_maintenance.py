"""Upkeep on the local stack: files change, rows do not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
import pytest

from minilab.bus import open_publisher
from minilab.lake.athena import query
from minilab.landing import compact as compact_module
from minilab.landing import land
from minilab_dagster.defs.maintenance.assets import iceberg_upkeep, raw_compaction
from minilab_dagster.platform import Platform

pytestmark = pytest.mark.xdist_group("dagster-maintenance")


def _land_one(lab: Any, number: int) -> None:
    event = {"specversion": "1.0", "id": f"e{number}", "source": "/upkeep", "type": "a.b"}
    with open_publisher(lab.settings, lab.registry.stream("webhooks")) as publisher:
        publisher.send(json.dumps(event).encode())
    assert land(lab.settings, lab.registry, ["webhooks"]).ok


def test_a_closed_hours_files_become_one_and_its_rows_stay(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        _land_one(lab, number)
    later = datetime.now(UTC) + timedelta(hours=3)
    monkeypatch.setattr(compact_module, "compact", partial(compact_module.compact, now=later))

    result = dg.materialize([raw_compaction], resources={"platform": Platform()})

    (done,) = result.asset_materializations_for_node("maintenance__raw_compaction")
    numbers = {name: value.value for name, value in done.metadata.items()}
    if numbers["hours"] == 1:  # otherwise the clock's hour turned while landing
        assert (numbers["files_before"], numbers["files_after"], numbers["rows"]) == (3, 1, 3)
    rows = query(lab.settings, f"select id from {lab.settings.raw_database}.events order by id")
    assert [row[0] for row in rows.rows] == ["e0", "e1", "e2"]


def test_upkeep_of_an_iceberg_table_keeps_its_rows(lab: Any) -> None:
    table = f"{lab.settings.marts_database}.small"
    location = f"s3://{lab.settings.lake_bucket}/warehouse/small/"
    query(
        lab.settings,
        f"create table {table} with (table_type = 'iceberg', is_external = false,"
        f" location = '{location}') as select 1 as n",
    )
    query(lab.settings, f"insert into {table} values (2)")

    result = dg.materialize([iceberg_upkeep], resources={"platform": Platform()})

    assert result.success
    rows = query(lab.settings, f"select n from {table} order by n").rows
    assert [row[0] for row in rows] == [1, 2]
    files = query(lab.settings, f'select count(*) from {lab.settings.marts_database}."small$files"')
    assert files.rows[0][0] == 1
