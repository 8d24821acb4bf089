"""What a deployment is said to cost is counted from its plans."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from deployment import ENVIRONMENT, Deployment
from terraform import INFRA
from test_diagram import plan

SIZES = INFRA.parent / ".minilab" / "sizes"
SIZED = ("shared-services", "orchestration")
"""The stacks of which an environment's variables change what is billed by the hour."""


@pytest.fixture(scope="module")
def cost() -> Iterator[ModuleType]:
    """The benchmarks are programs beside each other, no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(INFRA.parent / "bench"))
        yield importlib.import_module("cost_deployment")


def test_what_is_billed_by_the_hour(cost: ModuleType) -> None:
    ebs = [{"ebs_storage_info": [{"volume_size": 100}]}]
    found = plan(
        ("aws.a", "subnet", "one", {}),
        ("aws.a", "subnet", "two", {}),
        ("aws.b", "subnet", "other", {}),
        ("aws.a", "vpc_endpoint", "kms", {"vpc_endpoint_type": "Interface"}),
        ("aws.a", "vpc_endpoint", "s3", {"vpc_endpoint_type": "Gateway"}),
        (
            *("aws.a", "msk_cluster", "it"),
            {
                "number_of_broker_nodes": 3,
                "broker_node_group_info": [{"instance_type": "kafka.x", "storage_info": ebs}],
            },
        ),
        (
            *("aws.a", "db_instance", "it"),
            {
                "instance_class": "db.x",
                "multi_az": True,
                "allocated_storage": 20,
                "manage_master_user_password": True,
            },
        ),
        ("aws.a", "ecs_task_definition", "it", {"family": "web", "cpu": "512", "memory": "2048"}),
        ("aws.a", "ecs_task_definition", "run", {"family": "run", "cpu": "512", "memory": "2048"}),
        ("aws.a", "ecs_service", "it", {"name": "web", "desired_count": 0}),
        (
            *("aws.a", "cloudwatch_metric_alarm", "share"),
            {"metric_query": [{"metric": [{}]}, {"metric": [{}]}, {"expression": "a/b"}]},
        ),
        ("aws.a", "cloudwatch_metric_alarm", "plain", {"metric_query": []}),
        ("aws.a", "kms_key", "it", {}),
    )
    assert cost.count([found]) == {
        "alarm_metrics": 3,
        "container_services": 1,
        "database_gb": 40,
        "db.x": 2,
        "endpoints": 2,
        "kafka.x": 3,
        "kafka_gb": 300,
        "keys": 1,
        "secrets": 1,
        "task_cpus": 0.5,
        "task_gb": 2,
    }


def test_environments_differ_in_no_other_variable_that_is_billed() -> None:
    """Networks are the same but for names and ranges, so endpoints are counted once."""
    dev, prod = (
        (INFRA / "environments" / name / "network.tfvars").read_text() for name in ("dev", "prod")
    )
    assert re.sub("minilab-prod", "minilab-dev", re.sub(r"10\.64\.", "10.32.", prod)) == dev


@pytest.mark.parametrize("stack", ["ingestion", "events"])
def test_functions_are_billed_with_the_memory_that_they_have(stack: str) -> None:
    prices = json.loads((INFRA.parent / "bench" / "prices.json").read_text())
    memory = prices["assumptions"]["lambda_memory_mb"]["value"]
    variables = (INFRA / "stacks" / stack / "variables.tf").read_text()
    assert re.findall(r'"memory_mb" \{[^}]*default += (\d+)', variables) == [str(memory)]


@pytest.mark.timeout(1200)
def test_the_counts_are_those_of_the_plans(cost: ModuleType, deployment: Deployment) -> None:
    plans = {name: _sized(deployment, name) for name in cost.ENVIRONMENTS}
    for name, found in plans.items():
        (SIZES / name).mkdir(parents=True, exist_ok=True)
        for stack, one in found.items():
            (SIZES / name / f"{stack}.json").write_text(json.dumps(one))
    counted = cost.document({name: found.values() for name, found in plans.items()})
    assert cost.COUNTS.read_text() == counted, (
        "run: python bench/cost_deployment.py .minilab/sizes && python bench/cost.py --write-docs"
    )


def _sized(deployment: Deployment, environment: str) -> dict[str, Any]:
    """The applied plans; of stacks that differ in size, those with an environment's variables."""
    plans = dict(deployment.settled)
    for stack in SIZED if environment != ENVIRONMENT else ():
        variables = Path("../../environments") / environment / f"{stack}.tfvars"
        deployment.run(stack, "plan", "-out=sized", f"-var-file={variables}")
        plans[stack] = deployment.terraform.json(f"stacks/{stack}", "show", "-json", "sized")
    return plans
