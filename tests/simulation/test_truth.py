"""What the simulator says it sent is what the lake has after landing, to the event."""

from __future__ import annotations

import time
from typing import Any

from minilab.lake.athena import query
from minilab.landing import land
from minilab.simulation.sending import Plan, Summary, simulate


def counted(lab: Any, sql: str) -> dict[Any, Any]:
    rows = query(lab.settings, sql, database=lab.settings.raw_database).rows
    return {row[:-1] if len(row) > 2 else row[0]: row[-1] for row in rows}


def assert_lake_has(lab: Any, sent: list[Summary]) -> None:
    streams = [stream for summary in sent for stream in summary.streams]
    landed = counted(lab, "select stream, count(*) from events group by 1")
    distinct = counted(
        lab,
        "select stream, count(*) from (select distinct stream, tenant, source, id from events)"
        " group by 1",
    )
    types = counted(
        lab,
        "select type, count(*) from (select distinct type, tenant, source, id from events)"
        " group by 1",
    )
    failed = counted(lab, "select stream, reason, count(*) from failed_events group by 1, 2")
    for name in {stream.stream for stream in streams}:
        mine = [stream for stream in streams if stream.stream == name]
        assert distinct[name] == sum(stream.events for stream in mine)
        assert landed[name] == sum(stream.events + stream.duplicates for stream in mine)
        for reason in {reason for stream in mine for reason in stream.bad}:
            assert failed[name, reason] == sum(stream.bad[reason] for stream in mine)
        for kind in {kind for stream in mine for kind in stream.types}:
            assert types[kind] == sum(stream.types[kind] for stream in mine)
    assert sum(failed.values()) == sum(stream.bad.total() for stream in streams)


def test_the_lake_agrees_to_the_event(fresh_lab: Any) -> None:
    def run(plan: Plan) -> Summary:
        summary = simulate(fresh_lab.settings, fresh_lab.registry, plan)
        land(fresh_lab.settings, fresh_lab.registry)
        return summary

    first = run(Plan(events=3000, seed=1, until=time.time(), bad=0.03, duplicates=0.05, late=0.05))
    assert_lake_has(fresh_lab, [first])
    second = run(Plan(events=1000, seed=2, until=time.time(), bad=0.02))
    assert_lake_has(fresh_lab, [first, second])
    land(fresh_lab.settings, fresh_lab.registry)  # nothing is left: nothing changes
    assert_lake_has(fresh_lab, [first, second])
