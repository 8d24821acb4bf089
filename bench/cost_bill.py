"""A bill for a million events: counted requests by the price list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MILLION = 1_000_000
GB = 1024**3

_SCALED_BY_EVENTS = frozenset({"sqs_standard"})
"""Of landing: what grows with the events. All else comes once a landing."""


@dataclass(frozen=True)
class Tariff:
    """Prices in US dollars, and what is assumed where nothing was counted."""

    read_on: str
    region: str
    prices: Mapping[str, float]
    """Of one unit."""
    assumed: Mapping[str, float]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Tariff:
        return cls(
            document["read_on"],
            document["region"],
            {name: entry["usd"] / entry["per"] for name, entry in document["prices"].items()},
            {name: entry["value"] for name, entry in document["assumptions"].items()},
        )


@dataclass(frozen=True)
class Line:
    """One line of a bill for a million events."""

    what: str
    amounts: Mapping[str, float]
    """By unit of the price list."""

    def usd(self, tariff: Tariff) -> float:
        return sum(amount * tariff.prices[unit] for unit, amount in self.amounts.items())


def bill(counted: Mapping[str, Any], tariff: Tariff) -> list[Line]:
    """The lines for a million events that go the way that was counted."""
    events, parts = counted["events"], counted["parts"]
    factor = MILLION / events
    landings = MILLION / tariff.assumed["events_a_landing"]

    def of(part: str, *units: str) -> dict[str, float]:
        return {unit: factor * parts[part].get(unit, 0) for unit in units}

    def of_landing(*units: str) -> dict[str, float]:
        return {
            unit: (factor if unit in _SCALED_BY_EVENTS else landings)
            * parts["landing"].get(unit, 0)
            for unit in units
        }

    empty = landings * parts["landing"].get("sqs_empty_receives", 0)
    written = factor * parts["processor"].get("kafka_bytes", 0) / GB
    to_stream = of("processor", "sqs_standard")["sqs_standard"]
    from_stream = of_landing("sqs_standard")["sqs_standard"] + empty
    fifo = of("api", "sqs_fifo")["sqs_fifo"] + of("processor", "sqs_fifo")["sqs_fifo"]
    return [
        Line("API Gateway", of("api", "http_api_requests")),
        Line("API: Lambda", _function(parts["api"], factor, tariff)),
        Line("API: DynamoDB", of("api", "dynamodb_writes", "dynamodb_reads")),
        Line("Ingest queue (SQS FIFO)", {"sqs_fifo": fifo}),
        Line("Processor: Lambda", _function(parts["processor"], factor, tariff)),
        Line("Processor: DynamoDB", of("processor", "dynamodb_writes", "dynamodb_reads")),
        Line("The stream's queue (SQS)", {"sqs_standard": to_stream + from_stream}),
        Line(
            "The stream's topic (Kafka), through PrivateLink",
            {"kafka_connection_gb": written},
        ),
        Line(
            "Landing: S3, Glue, DynamoDB",
            of_landing("s3_puts", "s3_gets", "glue_requests", "dynamodb_writes", "dynamodb_reads"),
        ),
        Line("Logs of both functions", {"log_gb": _log_gb(parts, factor, tariff)}),
    ]


def _function(counted: Mapping[str, float], factor: float, tariff: Tariff) -> dict[str, float]:
    invocations = factor * counted["lambda_requests"]
    seconds = invocations * milliseconds(counted, tariff) / 1000
    gb = tariff.assumed["lambda_memory_mb"] / 1024
    return {"lambda_requests": invocations, "lambda_gb_seconds": seconds * gb}


def milliseconds(counted: Mapping[str, float], tariff: Tariff) -> float:
    """How long an invocation is taken to last: counted CPU, slowed as Lambda does, and waits."""
    assumed = tariff.assumed
    slower = max(1.0, assumed["lambda_full_cpu_mb"] / assumed["lambda_memory_mb"])
    waits = counted["lambda_waits"] * assumed["aws_wait_ms"]
    waits += counted.get("kafka_flushes", 0) * assumed["kafka_wait_ms"]
    return (counted["lambda_cpu_ms"] * slower + waits) / counted["lambda_requests"]


def _log_gb(parts: Mapping[str, Any], factor: float, tariff: Tariff) -> float:
    return sum(
        factor
        * (
            parts[part]["log_bytes"]
            + parts[part]["lambda_requests"] * tariff.assumed["lambda_log_bytes"]
        )
        / GB
        for part in ("api", "processor")
    )
