"""docs/cost.md says what prices and counts in bench/ give, and the bill is right."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from minilab.events.registry import load_registry
from minilab.provision import RETENTION_SECONDS

ROOT = Path(__file__).resolve().parents[1]


def _read(name: str) -> Any:
    return json.loads((ROOT / "bench" / name).read_text())


def _counted() -> tuple[Any, Any]:
    return _read("cost_counts.json"), _read("deployment_counts.json")


@pytest.fixture(scope="module")
def bench() -> Iterator[pytest.MonkeyPatch]:
    """The benchmarks can be imported: they are programs beside each other, no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "bench"))
        yield patch


@pytest.fixture(scope="module")
def cost(bench: pytest.MonkeyPatch) -> ModuleType:
    return importlib.import_module("cost")


@pytest.fixture(scope="module")
def deployment(bench: pytest.MonkeyPatch) -> ModuleType:
    return importlib.import_module("cost_deployment")


@pytest.fixture(scope="module")
def sample(bench: pytest.MonkeyPatch) -> ModuleType:
    return importlib.import_module("cost_sample")


def test_the_page_has_what_counts_and_prices_give(cost: ModuleType) -> None:
    page = cost.PAGE.read_text()
    tables = cost.tables(*_counted(), _read("prices.json"))
    assert tables in page, "Run: python bench/cost.py --write-docs"
    assert cost.with_tables(page, tables) == page


def test_the_page_follows_every_price_of_what_is_counted(cost: ModuleType) -> None:
    counts, prices = _counted(), _read("prices.json")
    before = cost.tables(*counts, prices)
    for name in prices["prices"].keys() - {"s3_gets"}:  # nothing of the sample was claimed
        changed = deepcopy(prices)
        changed["prices"][name]["usd"] *= 10_000
        assert _dollars(cost.tables(*counts, changed)) != _dollars(before), name


def _dollars(tables: str) -> str:
    """The bills alone, without the list of prices."""
    return tables.partition("### Prices")[0]


def test_a_bill_that_was_reckoned_by_hand(cost: ModuleType) -> None:
    tariff = cost.Tariff.of(_read("prices.json"))
    counted = {
        "events": 1_000,
        "parts": {
            "api": {
                "http_api_requests": 1_000,
                "lambda_requests": 1_000,
                "lambda_cpu_ms": 2_000,
                "lambda_waits": 3_000,
                "dynamodb_writes": 2_000,
                "sqs_fifo": 1_000,
                "log_bytes": 0,
            },
            "processor": {
                "lambda_requests": 100,
                "lambda_cpu_ms": 200,
                "lambda_waits": 100,
                "sqs_fifo": 200,
                "sqs_standard": 100,
                "log_bytes": 0,
            },
            "landing": {"s3_puts": 2, "sqs_standard": 200, "sqs_empty_receives": 4},
        },
    }
    dollars = {line.what: line.usd(tariff) for line in cost.bill(counted, tariff)}
    assert dollars["API Gateway"] == pytest.approx(1.00)
    assert dollars["API: DynamoDB"] == pytest.approx(2 * 0.625)
    assert dollars["Ingest queue (SQS FIFO)"] == pytest.approx(1.2 * 0.50)
    assert dollars["The stream's queue (SQS)"] == pytest.approx(0.3 * 0.40 + 400 * 0.40e-6)
    assert dollars["Landing: S3, Glue, DynamoDB"] == pytest.approx(200 * 0.005e-3)
    milliseconds = 2 * 1769 / 1024 + 3 * 10
    gb_seconds = 1_000_000 * milliseconds / 1000
    assert dollars["API: Lambda"] == pytest.approx(0.20 + gb_seconds * 0.0000133334)


def test_an_idle_month_that_was_reckoned_by_hand(deployment: ModuleType, cost: ModuleType) -> None:
    tariff = cost.Tariff.of(_read("prices.json"))
    counts = {"endpoints": 12, "kafka.m7g.large": 3, "kafka_gb": 300, "keys": 5, "db.t4g.micro": 1}
    dollars = {line.what: line.usd(tariff) for line in deployment.idle(counts, tariff)}
    assert dollars["Interface endpoints, by zone"] == pytest.approx(12 * 730 * 0.01)
    assert dollars["Kafka: brokers"] == pytest.approx(3 * 730 * 0.204)
    assert dollars["Kafka: disks"] == pytest.approx(300 * 0.1)
    assert dollars["Keys"] == pytest.approx(5)
    assert dollars["Dagster: PostgreSQL"] == pytest.approx(730 * 0.016)
    assert dollars["VPC Lattice: services"] == 0


def test_a_rate_is_so_many_millions_a_month(deployment: ModuleType, cost: ModuleType) -> None:
    tariff = cost.Tariff.of(_read("prices.json"))
    way = _read("cost_counts.json")["ways"]["product-100-10"]
    million = {line.what: line.usd(tariff) for line in cost.bill(way, tariff)}
    month = {line.what: line.usd(tariff) for line in deployment.at_rate(way, tariff, 1_000)}
    assert million.keys() <= month.keys()
    for what, usd in million.items():
        assert month[what] == pytest.approx(usd * 1_000 * 3600 * 730 / 1_000_000)


def test_every_unit_that_is_counted_has_a_price_and_a_name(cost: ModuleType) -> None:
    tariff = cost.Tariff.of(_read("prices.json"))
    for found in _read("deployment_counts.json").values():
        assert found.keys() <= cost._COUNTED.keys()
        cost.together(cost.idle(found, tariff), tariff)


def test_what_was_counted_is_still_so(cost: ModuleType) -> None:
    streams = load_registry().streams.values()
    assert _read("cost_counts.json")["streams"] == {
        stream.name: {"bus": stream.bus, "partitions": stream.partitions} for stream in streams
    }
    assumed = cost.Tariff.of(_read("prices.json")).assumed
    assert assumed["kafka_days"] * 24 * 3600 == RETENTION_SECONDS


@pytest.mark.parametrize(
    ("operation", "params", "units"),
    [
        ("PutItem", {"Item": {"a": {"S": "x" * 1023}}}, (1, 0)),
        ("PutItem", {"Item": {"a": {"S": "x" * 1024}}}, (2, 0)),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"Item": {"a": {"S": "1"}}}}] * 3},
            (6, 0),
        ),
        (
            "BatchWriteItem",
            {"RequestItems": {"t": [{"PutRequest": {"Item": {"a": {"S": "1"}}}}] * 25}},
            (25, 0),
        ),
        ("GetItem", {"ConsistentRead": True}, (0, 1)),
        ("GetItem", {}, (0, 0.5)),
    ],
)
def test_request_units(
    sample: ModuleType, operation: str, params: dict[str, Any], units: tuple[float, float]
) -> None:
    assert sample._request_units(operation, params) == units


@pytest.mark.parametrize(
    ("queue", "size", "counted"),
    [
        ("https://sqs/1/in.fifo", 0, {"sqs_fifo": 1}),
        ("https://sqs/1/in.fifo", 64 * 1024, {"sqs_fifo": 1}),
        ("https://sqs/1/in", 64 * 1024 + 1, {"sqs_standard": 2}),
    ],
)
def test_sqs_counts_by_64_kilobytes(
    sample: ModuleType, queue: str, size: int, counted: dict[str, int]
) -> None:
    meter = sample.Meter()
    meter._sqs({"QueueUrl": queue}, size)
    assert meter.counts["setup"] == counted
