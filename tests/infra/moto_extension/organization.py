"""Organizations: a policy needs an organization."""

from __future__ import annotations

from moto.organizations.exceptions import AWSOrganizationsNotInUseException
from moto.organizations.responses import OrganizationsResponse

from .registry import stub

_create_policy = OrganizationsResponse.create_policy


@stub(OrganizationsResponse, "CreatePolicy", "is refused where there is no organization")
def create_policy(self: OrganizationsResponse) -> str:
    if self.organizations_backend.org is None:
        raise AWSOrganizationsNotInUseException
    return _create_policy(self)
