"""What a deployment costs a month whether it is used or not, and at a steady rate of events.

    python bench/cost_deployment.py PLANS     count anew into deployment_counts.json

``PLANS`` holds a folder of plans (JSON, by stack) for each environment, as ``make infra-test``
leaves them in ``.minilab/sizes``. The counts are of everything that is billed by the hour or the
month; what is billed by use comes from ``cost_counts.json``, through :func:`cost_bill.bill`.
``cost.py`` prints both.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cost_bill import GB, MILLION, Line, Tariff, bill

from infra.tools.plan_json import Resource, resources

COUNTS = Path(__file__).parent / "deployment_counts.json"
ENVIRONMENTS = ("dev", "prod")
SECONDS_AN_HOUR = 3600

Counts = Mapping[str, float]


def count(plans: Iterable[dict[str, Any]]) -> dict[str, float]:
    """How many of each unit that costs by the hour or the month the plans hold.

    A container service without an image to run is counted as the task that it will be.
    """
    made = [resource for plan in plans for resource in resources(plan)]
    subnets = Counter(r.provider for r in made if r.type == "aws_subnet")
    tasks = {r.values["family"]: r.values for r in made if r.type == "aws_ecs_task_definition"}
    total: Counter[str] = Counter()
    for resource in made:
        total.update(_billed(resource, subnets, tasks))
    return dict(sorted(total.items()))


def _billed(
    resource: Resource, subnets: Mapping[str, int], tasks: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    values = resource.values
    match resource.type:
        case "aws_vpc_endpoint" if values["vpc_endpoint_type"] == "Interface":
            return {"endpoints": subnets[resource.provider]}
        case "aws_msk_cluster":
            (node,) = values["broker_node_group_info"]
            (storage,) = node["storage_info"][0]["ebs_storage_info"]
            brokers = values["number_of_broker_nodes"]
            return {node["instance_type"]: brokers, "kafka_gb": brokers * storage["volume_size"]}
        case "aws_msk_vpc_connection":
            return {"kafka_connections": 1}
        case "aws_db_instance":
            copies = 2 if values["multi_az"] else 1
            return {
                values["instance_class"]: copies,
                "database_gb": copies * values["allocated_storage"],
                "secrets": int(bool(values["manage_master_user_password"])),
            }
        case "aws_ecs_service":
            task, number = tasks[values["name"]], max(1, values["desired_count"] or 0)
            return {
                "task_cpus": number * int(task["cpu"]) / 1024,
                "task_gb": number * int(task["memory"]) / 1024,
                "container_services": 1,
            }
        case "aws_cloudwatch_metric_alarm":
            metrics = [query for query in values.get("metric_query") or [] if query.get("metric")]
            return {"alarm_metrics": max(1, len(metrics))}
        case kind if kind in _ONE:
            return {_ONE[kind]: 1}
    return {}


_ONE = {
    "aws_cloudwatch_composite_alarm": "composite_alarms",
    "aws_cloudwatch_dashboard": "dashboards",
    "aws_kms_key": "keys",
    "aws_service_discovery_private_dns_namespace": "hosted_zones",
    "aws_vpclattice_service": "lattice_services",
}


# A bill ------------------------------------------------------------------------------------------


def idle(counts: Counts, tariff: Tariff) -> list[Line]:
    """A month in which nothing is sent."""
    hours, assumed = tariff.assumed["hours_a_month"], tariff.assumed

    def hourly(*units: str) -> dict[str, float]:
        return {f"{unit}_hours": counts.get(unit, 0) * hours for unit in units}

    def of_class(prefix: str) -> dict[str, float]:
        return {
            f"{unit}_hours": number * hours
            for unit, number in counts.items()
            if unit.startswith(prefix)
        }

    insights = assumed["insights_metrics_a_service"] * counts.get("container_services", 0)
    polls = assumed["idle_pollers"] * hours * SECONDS_AN_HOUR / 20
    return [
        Line("Interface endpoints, by zone", hourly("endpoints")),
        Line(
            "Kafka: brokers",
            of_class("kafka.") | hourly("kafka_connections"),
        ),
        Line("Kafka: disks", {"kafka_gb_months": counts.get("kafka_gb", 0)}),
        Line("Dagster: services on Fargate", hourly("task_cpus", "task_gb")),
        Line("Dagster: daily runs on Fargate", _runs(assumed["run_hours_idle"], tariff)),
        Line(
            "Dagster: PostgreSQL",
            of_class("db.")
            | {
                "database_gb_months": counts.get("database_gb", 0),
                "secret_months": counts.get("secrets", 0),
            },
        ),
        Line("Keys", {"key_months": counts.get("keys", 0)}),
        Line("VPC Lattice: services", hourly("lattice_services")),
        Line(
            "CloudWatch: metrics, alarms, dashboards",
            {
                "metric_months": assumed["metrics"] + insights,
                "alarm_metric_months": counts.get("alarm_metrics", 0),
                "composite_alarm_months": counts.get("composite_alarms", 0),
                "dashboard_months": counts.get("dashboards", 0),
            },
        ),
        Line(
            "Names, polls of the empty queue",
            {"hosted_zone_months": counts.get("hosted_zones", 0), "sqs_fifo": polls},
        ),
    ]


def _runs(hours: float, tariff: Tariff) -> dict[str, float]:
    return {
        "task_cpus_hours": hours * tariff.assumed["run_cpus"],
        "task_gb_hours": hours * tariff.assumed["run_gb"],
    }


def at_rate(counted: Mapping[str, Any], tariff: Tariff, events_a_second: float) -> list[Line]:
    """What comes on top in a month of so many events a second, going the way that was counted."""
    assumed = tariff.assumed
    millions = events_a_second * SECONDS_AN_HOUR * assumed["hours_a_month"] / MILLION
    lines = [
        Line(line.what, {unit: millions * amount for unit, amount in line.amounts.items()})
        for line in bill(counted, tariff)
    ]
    factor = millions * MILLION / counted["events"]
    requests = factor * counted["parts"]["api"]["http_api_requests"]
    invocations = requests + factor * counted["parts"]["processor"]["lambda_requests"]
    lake_gb = millions * MILLION * assumed["lake_bytes_an_event"] / GB
    event_gb = factor * counted["parts"]["processor"]["kafka_bytes"] / GB
    return [
        *lines,
        Line("Interface endpoints, by GB", {"endpoint_gb": event_gb * assumed["endpoint_passes"]}),
        Line("API Gateway: access log", {"log_gb": requests * assumed["access_log_bytes"] / GB}),
        Line("X-Ray: sampled traces", {"traces": invocations * assumed["traced"]}),
        Line("Dagster: landing and dbt on Fargate", _runs(assumed["run_hours_busy"], tariff)),
        Line("Athena: what dbt scans", {"athena_tb": lake_gb * assumed["scans_of_a_byte"] / 1024}),
        Line("S3: a month's events, raw and staged", {"s3_gb_months": 2 * lake_gb}),
    ]


def disk_share(counted: Mapping[str, Any], counts: Counts, tariff: Tariff, rate: float) -> float:
    """Of Kafka's disks, the part that a topic's messages fill after its retention at a rate."""
    a_message = counted["parts"]["processor"]["kafka_bytes"] / counted["events"]
    kept = a_message * rate * 24 * SECONDS_AN_HOUR * tariff.assumed["kafka_days"]
    return kept * tariff.assumed["kafka_replicas"] / GB / counts["kafka_gb"]


def together(lines: Sequence[Line], tariff: Tariff) -> float:
    return sum(line.usd(tariff) for line in lines)


def main(arguments: Sequence[str]) -> int:
    (folder,) = arguments
    COUNTS.write_text(document({name: read(Path(folder) / name) for name in ENVIRONMENTS}))
    print(f"written: {COUNTS}")
    return 0


def read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def document(plans: Mapping[str, Iterable[dict[str, Any]]]) -> str:
    """The text of ``deployment_counts.json``, from the plans by environment."""
    return json.dumps({name: count(found) for name, found in plans.items()}, indent=1) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
