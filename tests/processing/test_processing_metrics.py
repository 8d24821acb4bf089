"""What the processor tells in numbers: lines of CloudWatch's embedded metric format."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from processing_fixtures import World, event, fill, message, record

from minilab.errors import MinilabError
from minilab.processing.deliver import Trouble
from minilab.processing.metrics import Metrics
from minilab.processing.process import process
from minilab.processing.queue import IngestSource

if TYPE_CHECKING:
    from conftest import Lab

MINILAB = Path(sys.executable).with_name("minilab")
COUNTED = {
    "MessagesDone", "MessagesFailed", "MessagesWaiting", "MessagesGivenUp", "Events",
    "FailedEvents",
}  # fmt: skip


class Clock:
    """Seconds, as told."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(world: World, clock: Clock) -> Metrics:
    return Metrics("x", world.environment.source, world.told.append, clock)


def values(line: str, environment: str = "x") -> dict[str, float]:
    """Metric and value, after a look at what CloudWatch wants of a line."""
    document: dict[str, Any] = json.loads(line)
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Minilab"
    assert [set(names) for names in directive["Dimensions"]] == [{"environment", "service"}]
    assert (document["environment"], document["service"]) == (environment, "processing")
    assert isinstance(document["_aws"]["Timestamp"], int), "milliseconds since 1970"
    assert {metric["Unit"] for metric in directive["Metrics"]} == {"Count"}
    return {metric["Name"]: sum(document[metric["Name"]]) for metric in directive["Metrics"]}


def test_what_became_of_a_batch_is_counted(world: World) -> None:
    environment = world.environment
    world.troubles = {"b": Trouble("no", away=False), "c": Trouble("away", away=True)}
    batch = [
        record(event("a1"), event("a2"), b"7"),
        record(event("b", "beta"), tenant="beta"),
        record(event("c", "gamma"), tenant="gamma"),
    ]
    process(environment, batch)
    world.troubles = {"d": Trouble("no", away=False)}
    process(environment, [record(event("d"), times_received=5)])
    assert world.told == [], "it is told when it is time"
    environment.metrics.tell()
    [line] = world.told
    assert values(line) == {
        "MessagesDone": 2,
        "MessagesFailed": 1,
        "MessagesWaiting": 1,
        "MessagesGivenUp": 1,
        "Events": 2,
        "FailedEvents": 1,
    }


def test_nothing_is_told_twice(world: World) -> None:
    environment = world.environment
    process(environment, [record(event("a"))])
    environment.metrics.tell()
    environment.metrics.tell()
    assert len(world.told) == 1


def test_a_loop_tells_once_a_minute_how_much_waits(
    world: World, metrics: Metrics, clock: Clock
) -> None:
    world.waiting = 7
    metrics.tell_if_due()
    clock.seconds += 59
    metrics.tell_if_due()
    clock.seconds += 1
    world.waiting = 9
    metrics.tell_if_due()
    assert [values(line) for line in world.told] == [{"Backlog": 7}, {"Backlog": 9}]


def test_a_queue_that_is_away_stops_nothing_and_costs_no_count(
    world: World, metrics: Metrics, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    metrics.count(process(world.environment, [record(event("a"))]))
    world.queue_error = MinilabError("SQS is away.")
    metrics.tell_if_due()
    assert (world.told, caplog.messages) == ([], ["SQS is away."])
    world.queue_error = None
    clock.seconds += 60
    metrics.tell_if_due()
    [line] = world.told
    assert values(line) == {**dict.fromkeys(COUNTED, 0), "MessagesDone": 1, "Events": 1} | {
        "Backlog": 0
    }


def test_the_loop_prints_its_metrics_before_its_result(fresh_lab: Lab) -> None:
    lab = fresh_lab
    fill(lab, [message(event(f"e{n}", f"t{n}"), b"7", tenant=f"t{n}") for n in range(4)])
    assert IngestSource(lab.settings).backlog() == 4
    worker = subprocess.run(
        [MINILAB, "process", "--drain", "--metrics", "--json"],
        env=lab.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = worker.stdout.splitlines()
    told = [values(line, lab.settings.env) for line in lines if "_aws" in line]
    summary = json.loads("\n".join(lines[len(told) :]))
    assert [line for line in told if "Backlog" in line], "how much waits is told from the first on"
    counted: Counter[str] = Counter()
    for line in told:
        counted.update({name: int(value) for name, value in line.items() if name in COUNTED})
    assert (counted["MessagesDone"], counted["Events"], counted["FailedEvents"]) == (4, 4, 4)
    assert (summary["messages"], summary["events"], summary["failed_events"]) == (4, 4, 4)
