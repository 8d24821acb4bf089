"""What ingestion costs on AWS: counted requests, list prices, and a bill for a million events.

    python bench/cost.py                 # the tables, from cost_counts.json and prices.json
    python bench/cost.py --measure       # count anew first (some minutes), and keep the counts
    python bench/cost.py --write-docs    # put the tables into docs/cost.md

``cost_sample.py`` counts. What it cannot count is in ``prices.json`` under ``assumptions``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
PRICES, COUNTS = _HERE / "prices.json", _HERE / "cost_counts.json"
PAGE = _HERE.parent / "docs" / "cost.md"
MILLION = 1_000_000
GB = 1024**3

_SCALED_BY_EVENTS = frozenset({"sqs_standard", "kafka_bytes"})
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
    hours = tariff.assumed["hours_a_month"]
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
    read = of_landing("kafka_bytes")["kafka_bytes"] / GB
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
            "The stream's topic (Kafka)",
            {
                "kafka_gb_in": written,
                "kafka_gb_out": read,
                "kafka_gb_months": written * tariff.assumed["kafka_days"] * 24 / hours,
            },
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


def fixed(tariff: Tariff, partitions: int) -> list[Line]:
    """What a month costs in which nothing is sent."""
    hours = tariff.assumed["hours_a_month"]
    polls = tariff.assumed["idle_pollers"] * hours * 3600 / 20
    return [
        Line("MSK Serverless: the cluster", {"kafka_cluster_hours": hours}),
        Line(
            f"MSK Serverless: {partitions} partitions",
            {"kafka_partition_hours": partitions * hours},
        ),
        Line("CloudWatch: custom metrics", {"metric_months": tariff.assumed["metrics"]}),
        Line("Lambda's polls of the empty ingest queue", {"sqs_fifo": polls}),
        Line("API Gateway, functions, DynamoDB, SQS, S3", {}),
    ]


# As Markdown ------------------------------------------------------------------------------------


def tables(counts: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Everything that docs/cost.md has between its marks."""
    tariff = Tariff.of(document)
    ways = list(counts["ways"].values())
    bills = [bill(way, tariff) for way in ways]
    partitions = sum(
        stream["partitions"] for stream in counts["streams"].values() if stream["bus"] == "kafka"
    )
    blocks = [
        f"Prices of {tariff.region}, read on {tariff.read_on}; counted on {counts['counted_on']}"
        f" (load {counts['load_average']}) with `python bench/cost.py --measure --write-docs`.",
        f"**About the prices**: {document['how']}",
        "### US dollars for a million events",
        _table(
            ["", *map(_title, ways)],
            [
                *(
                    [lines[0].what, *(_money(line.usd(tariff)) for line in lines)]
                    for lines in zip(*bills, strict=True)
                ),
                ["**together**", *(f"**{_money(_sum(some, tariff))}**" for some in bills)],
            ],
        ),
        "\n\n".join(
            _pie(_title(way), lines, tariff)
            for way, lines in zip(ways, bills, strict=True)
            if way["stream"] == "product" and way["messages_an_invocation"] > 1
        ),
        "### What is counted in a million events",
        _amounts(ways, bills, tariff),
        "### Calls that AWS was asked, for 1,000 events",
        _calls(ways),
        "### US dollars for a month in which nothing is sent",
        _table(
            ["", "a month"],
            [[line.what, _money(line.usd(tariff))] for line in fixed(tariff, partitions)],
        ),
        "### Prices",
        _table(
            ["US dollars", "for", "read at"],
            [
                [
                    f"{entry['usd']:.10f}".rstrip("0").rstrip("."),
                    f"{entry['per']:,} {entry['unit']}" if entry["per"] > 1 else entry["unit"],
                    entry["source"],
                ]
                for entry in document["prices"].values()
            ],
            "rll",
        ),
        "### Assumed, because it cannot be counted here",
        _table(
            ["", "taken as", "because"],
            [
                [name.replace("_", " "), f"{entry['value']:,}", entry["why"]]
                for name, entry in document["assumptions"].items()
            ],
            "lrl",
        ),
    ]
    return "\n\n".join(blocks)


def _title(way: Mapping[str, Any]) -> str:
    bus = "Kafka" if way["stream"] == "product" else "SQS"
    alone = ", one by one" if way["messages_an_invocation"] == 1 else ""
    return f"{bus}, batch {way['batch']}{alone}"


def _sum(lines: Sequence[Line], tariff: Tariff) -> float:
    return sum(line.usd(tariff) for line in lines)


def _money(usd: float) -> str:
    """Cents, and what is less as such."""
    return f"{usd:,.2f}" if usd >= 0.005 or usd == 0 else "< 0.01"


def _pie(title: str, lines: Sequence[Line], tariff: Tariff) -> str:
    """Lines of a cent and more; the others are no more than a hair in a picture."""
    shares = [f'    "{line.what}" : {line.usd(tariff):.2f}' for line in lines]
    seen = [share for share in shares if not share.endswith(" 0.00")]
    return "\n".join(["```mermaid", f"pie showData title {title}: US dollars", *seen, "```"])


def _amounts(ways: Sequence[Any], bills: Sequence[Sequence[Line]], tariff: Tariff) -> str:
    totals: list[dict[str, float]] = []
    for lines in bills:
        total: dict[str, float] = defaultdict(float)
        for line in lines:
            for unit, amount in line.amounts.items():
                total[unit] += amount
        totals.append(total)
    units = [unit for unit in tariff.prices if any(total.get(unit) for total in totals)]
    rows: list[list[str]] = []
    for unit in units:
        name, decimals = _UNITS[unit]
        rows.append([name, *(f"{total.get(unit, 0):,.{decimals}f}" for total in totals)])
    for part, function in (("api", "API"), ("processor", "processor")):
        rows.append(
            [f"{function}: own CPU an invocation, ms, as measured"]
            + [
                f"{way['parts'][part]['lambda_cpu_ms'] / way['parts'][part]['lambda_requests']:.1f}"
                for way in ways
            ]
        )
        rows.append(
            [f"{function}: an invocation, ms, as billed (assumed)"]
            + [f"{milliseconds(way['parts'][part], tariff):.0f}" for way in ways]
        )
    return _table(["", *map(_title, ways)], rows)


_UNITS = {
    "http_api_requests": ("API Gateway: requests", 0),
    "lambda_requests": ("Lambda: invocations", 0),
    "lambda_gb_seconds": ("Lambda: GB-seconds", 0),
    "sqs_fifo": ("SQS FIFO: requests of 64 KB", 0),
    "sqs_standard": ("SQS standard: requests of 64 KB", 0),
    "dynamodb_writes": ("DynamoDB: write request units", 0),
    "dynamodb_reads": ("DynamoDB: read request units", 0),
    "kafka_gb_in": ("Kafka: GB written", 2),
    "kafka_gb_out": ("Kafka: GB read", 2),
    "kafka_gb_months": ("Kafka: GB kept, months", 2),
    "s3_puts": ("S3: PUT", 0),
    "s3_gets": ("S3: GET", 0),
    "glue_requests": ("Glue: requests", 0),
    "log_gb": ("CloudWatch Logs: GB", 2),
}


def _calls(ways: Sequence[Mapping[str, Any]]) -> str:
    names = sorted(
        {
            (part, unit.removeprefix("calls "))
            for way in ways
            for part, units in way["parts"].items()
            for unit in units
            if unit.startswith("calls ")
        },
        key=lambda pair: (("api", "processor", "landing").index(pair[0]), pair[1]),
    )
    rows = [
        [
            f"{part}: {call}",
            *(
                f"{1000 * way['parts'][part].get(f'calls {call}', 0) / way['events']:,.1f}"
                for way in ways
            ),
        ]
        for part, call in names
    ]
    return _table(["", *map(_title, ways)], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: str = "") -> str:
    """``numbers``: of each column r or l, to which side it goes; none: all but the first right."""
    sides = numbers or "l" + "r" * (len(head) - 1)
    lines = [head, ["---:" if side == "r" else "---" for side in sides], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


BEGIN, END = "<!-- bench/cost.py writes from here -->", "<!-- to here -->"


def with_tables(page: str, text: str) -> str:
    """The page with other tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


# The command ------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="count anew, and keep the counts")
    parser.add_argument("--write-docs", action="store_true", help="write docs/cost.md")
    options = parser.parse_args()
    if options.measure:
        counts = _count(lambda text: print(text, file=sys.stderr, flush=True))
        COUNTS.write_text(json.dumps(counts, indent=1) + "\n")
    text = tables(json.loads(COUNTS.read_text()), json.loads(PRICES.read_text()))
    if options.write_docs:
        PAGE.write_text(with_tables(PAGE.read_text(), text))
    else:
        print(text)


def _count(tell: Callable[[str], None]) -> dict[str, Any]:
    from cost_sample import measure

    from minilab.events.registry import load_registry

    busy = round(os.getloadavg()[0], 1)
    return {
        "counted_on": date.today().isoformat(),
        "load_average": busy,
        "streams": {
            stream.name: {"bus": stream.bus, "partitions": stream.partitions}
            for stream in load_registry().streams.values()
        },
        "ways": measure(tell),
    }


if __name__ == "__main__":
    main()
