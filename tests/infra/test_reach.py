"""What ``reach.py`` finds in a plan, and what it does not take for a way."""

from __future__ import annotations

from typing import Any

import pytest
from reach import EGRESS, INGRESS, Network, Way

LIST = "pl-lattice"


def plan(*given: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """As ``terraform show -json`` tells it, of resources of one provider."""
    resources = [
        {"address": f"{kind}.{index}", "type": kind, "mode": "managed", "values": values}
        for index, (kind, values) in enumerate(given)
    ]
    configured = [
        {"address": resource["address"], "provider_config_key": "aws.team"}
        for resource in resources
    ]
    return {
        "planned_values": {"root_module": {"resources": resources}},
        "configuration": {"root_module": {"resources": configured}},
    }


def rule(kind: str, group: str, other: str, port: int) -> tuple[str, dict[str, Any]]:
    return kind, {
        "security_group_id": group,
        "referenced_security_group_id": other if other.startswith("sg-") else "",
        "prefix_list_id": "" if other.startswith("sg-") else other,
        "from_port": port,
        "to_port": port,
    }


FUNCTION_AND_DATABASE = (
    (
        "aws_lambda_function",
        {"function_name": "f", "vpc_config": [{"security_group_ids": ["sg-f"]}]},
    ),
    ("aws_db_instance", {"identifier": "d", "vpc_security_group_ids": ["sg-d"]}),
)
OUT, IN = rule(EGRESS, "sg-f", "sg-d", 5432), rule(INGRESS, "sg-d", "sg-f", 5432)


def test_a_connection_needs_to_be_let_out_and_in() -> None:
    found = Network([plan(*FUNCTION_AND_DATABASE, OUT), plan(IN)])
    assert found.ways() == {Way("aws.team", "f", "database d", "5432")}
    assert found.half_open() == set()


@pytest.mark.parametrize("half", [OUT, IN, (IN[0], {**IN[1], "from_port": 1, "to_port": 1})])
def test_one_half_is_no_way_and_is_told(half: tuple[str, dict[str, Any]]) -> None:
    found = Network([plan(*FUNCTION_AND_DATABASE, half)])
    assert found.ways() == set()
    assert len(found.half_open()) == 1


def test_lattice_is_reached_where_the_vpc_has_an_entry_that_lets_one_in() -> None:
    out = rule(EGRESS, "sg-f", LIST, 443)
    entry = (
        "aws_vpclattice_service_network_vpc_association",
        {"security_group_ids": ["sg-entry"]},
    )
    admitted = rule(INGRESS, "sg-entry", "sg-f", 443)
    assert Network([plan(*FUNCTION_AND_DATABASE, out, entry)]).ways() == set()
    found = Network([plan(*FUNCTION_AND_DATABASE, out, entry, admitted)])
    assert found.ways() == {Way("aws.team", "f", "VPC Lattice", "443")}
    assert found.half_open() == set()


def test_what_has_security_groups_and_is_not_known_is_told() -> None:
    with pytest.raises(AssertionError, match="aws_lb puts into a VPC"):
        Network([plan(("aws_lb", {"security_groups": ["sg-f"]}))])
