"""What ingestion costs on AWS: counted requests, list prices, and a bill for a million events.

    python bench/cost.py                 # the tables, from cost_counts.json and prices.json
    python bench/cost.py --measure       # count anew first (some minutes), and keep the counts
    python bench/cost.py --write-docs    # put the tables into docs/cost.md

``cost_sample.py`` counts requests, ``cost_deployment.py`` what costs by the hour. What neither can
count is in ``prices.json`` under ``assumptions``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from cost_bill import Line, Tariff, bill, milliseconds
from cost_deployment import COUNTS as DEPLOYMENT
from cost_deployment import at_rate, disk_share, idle, together

_HERE = Path(__file__).parent
PRICES, COUNTS = _HERE / "prices.json", _HERE / "cost_counts.json"
PAGE = _HERE.parent / "docs" / "cost.md"
# As Markdown ------------------------------------------------------------------------------------


RATE = 1_000
"""Events a second of the deployment that is in use."""


def tables(
    counts: Mapping[str, Any], deployed: Mapping[str, Any], document: Mapping[str, Any]
) -> str:
    """Everything that docs/cost.md has between its marks.

    ``deployed`` is what ``cost_deployment.py`` counted, by environment.
    """
    tariff = Tariff.of(document)
    ways = list(counts["ways"].values())
    bills = [bill(way, tariff) for way in ways]
    blocks = [
        f"Prices of {tariff.region}, read on {tariff.read_on}; counted on {counts['counted_on']}"
        f" (load {counts['load_average']}) with `python bench/cost.py --measure --write-docs`.",
        f"**About the prices**: {document['how']}",
        "### US dollars for a month",
        _deployments(counts["ways"], deployed, tariff),
        "### What the plans hold",
        _table(
            ["", *deployed],
            [
                [_COUNTED[unit], *(f"{found.get(unit, 0):,g}" for found in deployed.values())]
                for unit in sorted({unit for found in deployed.values() for unit in found})
            ],
        ),
        "### US dollars for a million events",
        _table(
            ["", *map(_title, ways)],
            [
                *(
                    [lines[0].what, *(_money(line.usd(tariff)) for line in lines)]
                    for lines in zip(*bills, strict=True)
                ),
                ["**together**", *(f"**{_money(together(some, tariff))}**" for some in bills)],
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


def _deployments(
    ways: Mapping[str, Any], deployed: Mapping[str, Mapping[str, float]], tariff: Tariff
) -> str:
    """Bills side by side: each environment idle, and prod at a rate by the batch."""
    bills = {f"{name}, idle": idle(found, tariff) for name, found in deployed.items()}
    for batch in (100, 1):
        title = f"prod, {RATE:,} events/s, batch {batch}"
        bills[title] = [
            *idle(deployed["prod"], tariff),
            *at_rate(ways[f"product-{batch}-10"], tariff, RATE),
        ]
    usd = {title: {line.what: line.usd(tariff) for line in lines} for title, lines in bills.items()}
    names = dict.fromkeys(name for lines in usd.values() for name in lines)
    full = {
        name: disk_share(ways["product-100-10"], found, tariff, RATE)
        for name, found in deployed.items()
        if found.get("kafka_gb")
    }
    disks = ", ".join(f"{share:.0%} of {name}'s" for name, share in full.items())
    kept = f"{tariff.assumed['kafka_days']:.0f} days of {RATE:,} events/s"
    return "\n\n".join(
        [
            _table(
                ["", *usd],
                [
                    *(
                        [name, *(_money(lines.get(name, 0)) for lines in usd.values())]
                        for name in names
                        if any(lines.get(name, 0) >= 0.005 for lines in usd.values())
                    ),
                    [
                        "**together**",
                        *(f"**{_money(together(lines, tariff))}**" for lines in bills.values()),
                    ],
                ],
            ),
            *(
                [f"Kafka's disks: {kept} fill {disks}, before the producer compresses."]
                if full
                else []
            ),
        ]
    )


_COUNTED = {
    "alarm_metrics": "Metrics that alarms look at",
    "composite_alarms": "Composite alarms",
    "container_services": "Services on Fargate",
    "dashboards": "Dashboards",
    "database_gb": "PostgreSQL: GB of disk",
    "db.t4g.medium": "PostgreSQL: db.t4g.medium",
    "db.t4g.micro": "PostgreSQL: db.t4g.micro",
    "endpoints": "Interface endpoints, one for each zone",
    "hosted_zones": "Private hosted zones",
    "kafka.m7g.large": "Kafka: brokers kafka.m7g.large",
    "kafka_connections": "Kafka: connections from other accounts",
    "kafka_gb": "Kafka: GB of disk",
    "keys": "KMS keys",
    "lattice_services": "VPC Lattice services",
    "secrets": "Secrets",
    "task_cpus": "Fargate: vCPUs of the services",
    "task_gb": "Fargate: GB of the services",
}


def _title(way: Mapping[str, Any]) -> str:
    bus = "Kafka" if way["stream"] == "product" else "SQS"
    alone = ", one by one" if way["messages_an_invocation"] == 1 else ""
    return f"{bus}, batch {way['batch']}{alone}"


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
    "kafka_connection_gb": ("Kafka: GB written", 2),
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
    text = tables(*(json.loads(path.read_text()) for path in (COUNTS, DEPLOYMENT, PRICES)))
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
