"""Least privilege, held against what the code was seen to do.

The platform's tests and its main job are run and their AWS calls recorded
(``tests.support.aws_calls``); a role may do exactly that. Where it is rightly otherwise is written
in role_exceptions.toml. That the comparison notices each single permission is shown on the real
policies: any of them taken away is told, and so is any that is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import botocore.session
import pytest
from deployment import Deployment
from roles import (
    PARTS,
    calls_of,
    encrypted,
    exceptions_of,
    is_of_ecs,
    let_in,
    passed,
    permissions_of,
    reaching_out,
    roles,
)

from minilab_local.iam.actions import PREFIXES, actions
from tests.support.aws_calls.compare import Difference, Permission, compare, needs
from tests.support.aws_calls.recording import Call

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROLES = (*PARTS, *(f"{role}-start" for role in PARTS if role.startswith("dagster-")))


@dataclass(frozen=True)
class Held:
    """One role beside what its part did."""

    needs: frozenset[Permission]
    allowed: frozenset[Permission]
    unseen: Mapping[Permission, str]
    withheld: Mapping[Permission, str]

    def compared(self, allowed: frozenset[Permission] | None = None) -> Difference:
        given = self.allowed if allowed is None else allowed
        return compare(self.needs, given, self.unseen, self.withheld)


@pytest.fixture(scope="module", params=ROLES)
def held(
    request: pytest.FixtureRequest, deployment: Deployment, recording: Future[list[Call]]
) -> Held:
    role, plans = request.param, deployment.settled
    exceptions = exceptions_of(role)
    return Held(
        needs(calls_of(recording.result(), role), encrypted(plans), passed(plans)),
        permissions_of(plans, role),
        exceptions.unseen,
        exceptions.withheld,
    )


def test_every_role_that_code_or_people_take_is_held_against_something(
    deployment: Deployment,
) -> None:
    assert set(roles(deployment.settled)) == set(ROLES)
    assert {role for role in ROLES if is_of_ecs(role)} == set(ROLES) - PARTS.keys()


def test_a_role_may_do_what_its_code_does_and_no_more(held: Held) -> None:
    difference = held.compared()
    assert not difference, str(difference)


@pytest.mark.parametrize("role", PARTS)
def test_other_accounts_let_a_role_in_as_far_as_it_may_reach_out(
    deployment: Deployment, role: str
) -> None:
    """Between accounts both sides decide: the role's policies, and the owner's."""
    assert let_in(deployment.settled, role) == reaching_out(deployment.settled, role)


def test_each_permission_that_is_taken_away_is_told(held: Held) -> None:
    untold = [
        permission
        for permission in held.allowed
        if not held.compared(held.allowed - {permission}).missing
        and not held.compared(held.allowed - {permission}).idle
    ]
    assert held.allowed and untold == []


def test_each_permission_that_is_added_is_told(held: Held) -> None:
    """Every action of the services that we know, and every permission of ours on another thing."""
    more = {(action, "*") for action in _known_actions()} | {
        (action, f"{resource.removesuffix('*')}other") for action, resource in held.allowed
    }
    more -= held.allowed
    assert set(held.compared(held.allowed | more).unused) == more


def _known_actions() -> set[str]:
    session = botocore.session.get_session()
    return {
        action
        for service in PREFIXES
        if service in session.get_available_services()
        for operation in session.get_service_model(service).operation_names
        for action in actions(service, operation)
    }
