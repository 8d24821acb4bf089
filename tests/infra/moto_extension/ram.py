"""Resource Access Manager: changing a share's members, and who sees what is shared."""

from __future__ import annotations

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import unix_time
from moto.iam.models import iam_backends
from moto.organizations.models import OrganizationsBackend, organizations_backends
from moto.ram import urls
from moto.ram.exceptions import UnknownResourceException
from moto.ram.models import ResourceShare, ram_backends
from moto.ram.responses import ResourceAccessManagerResponse

from .registry import mended, stub

ResourceShare.SHAREABLE_RESOURCES = [*ResourceShare.SHAREABLE_RESOURCES, "servicenetwork"]

for _path in (
    "associateresourceshare",
    "disassociateresourceshare",
    "listresourcesharepermissions",
):
    urls.url_paths[f"{{0}}/{_path}$"] = ResourceAccessManagerResponse.dispatch


def _organization_of(account: str) -> OrganizationsBackend:
    """The organization that an account belongs to: its management account's, where there is one."""
    for regions in organizations_backends.values():
        backend = regions["aws"]
        if backend.org and any(member.id == account for member in backend.accounts):
            return backend
    return organizations_backends[account]["aws"]


# A member may share with units of its organization; moto looks for them in the member itself.
ResourceShare.organizations_backend = property(  # type: ignore[assignment]
    lambda share: _organization_of(share.account_id)
)

mended(ResourceAccessManagerResponse, "GetResourceShares", "tells the tags of a share")

_init, _describe = ResourceShare.__init__, ResourceShare.describe


def _init_with_tags(self: ResourceShare, account_id: str, region: str, **kwargs: Any) -> None:
    _init(self, account_id, region, **kwargs)
    self.tags = kwargs.get("tags", [])


def _describe_with_tags(self: ResourceShare) -> dict[str, Any]:
    return {**_describe(self), "tags": self.tags}


ResourceShare.__init__ = _init_with_tags  # type: ignore[method-assign]
ResourceShare.describe = _describe_with_tags  # type: ignore[method-assign]


def is_shared_with(account: str, owner: str, region: str, resource_arn: str) -> bool:
    """Whether an active share of ``owner`` shows a resource to ``account``."""
    shares = ram_backends[owner][region].resource_shares
    return any(
        share.status == "ACTIVE"
        and resource_arn in share.resource_arns
        and any(_is_member(account, principal) for principal in share.principals)
        for share in shares
    )


def _is_member(account: str, principal: str) -> bool:
    """Whether a principal is this account, or a unit or organization above it."""
    if principal == account:
        return True
    above = re.fullmatch(
        r"arn:aws:organizations::(\d{12}):(?:ou/o-\w+/(ou-[\w-]+)|organization/o-\w+)", principal
    )
    if above is None:
        return False
    management, unit = above.groups()
    organization = _organization_of(account)
    return organization is organizations_backends[management]["aws"] and any(
        member.id == account and unit in (None, member.parent_id)
        for member in organization.accounts
    )


def _share(self: ResourceAccessManagerResponse) -> ResourceShare:
    arn = self._get_param("resourceShareArn")
    for share in self.ram_backend.resource_shares:
        if share.arn == arn and share.status == "ACTIVE":
            return share
    raise UnknownResourceException(f"ResourceShare {arn} could not be found.")


def _associations(share: ResourceShare, kind: str, members: list[str], status: str) -> list[Any]:
    return [
        {
            "resourceShareArn": share.arn,
            "resourceShareName": share.name,
            "associatedEntity": member,
            "associationType": kind,
            "status": status,
            "creationTime": unix_time(share.creation_time),
            "lastUpdatedTime": unix_time(share.last_updated_time),
            "external": False,
        }
        for member in members
    ]


@stub(ResourceAccessManagerResponse, "AssociateResourceShare", "missing in moto")
def associate_resource_share(self: ResourceAccessManagerResponse) -> ActionResult:
    share = _share(self)
    principals = self._get_param("principals") or []
    resources = self._get_param("resourceArns") or []
    share.add_principals(principals)
    share.add_resources(resources)
    return ActionResult(
        {
            "resourceShareAssociations": [
                *_associations(share, "PRINCIPAL", principals, "ASSOCIATED"),
                *_associations(share, "RESOURCE", resources, "ASSOCIATED"),
            ]
        }
    )


@stub(ResourceAccessManagerResponse, "DisassociateResourceShare", "missing in moto")
def disassociate_resource_share(self: ResourceAccessManagerResponse) -> ActionResult:
    share = _share(self)
    principals = self._get_param("principals") or []
    resources = self._get_param("resourceArns") or []
    share.principals = [each for each in share.principals if each not in principals]
    share.resource_arns = [each for each in share.resource_arns if each not in resources]
    return ActionResult(
        {
            "resourceShareAssociations": [
                *_associations(share, "PRINCIPAL", principals, "DISASSOCIATED"),
                *_associations(share, "RESOURCE", resources, "DISASSOCIATED"),
            ]
        }
    )


@stub(ResourceAccessManagerResponse, "ListResourceSharePermissions", "missing in moto")
def list_resource_share_permissions(self: ResourceAccessManagerResponse) -> ActionResult:
    _share(self)
    return ActionResult({"permissions": []})


@stub(
    ResourceAccessManagerResponse,
    "EnableSharingWithAwsOrganization",
    "also makes RAM's service-linked role, which the provider looks for",
)
def enable_sharing_with_aws_organization(self: ResourceAccessManagerResponse) -> ActionResult:
    result = self.ram_backend.enable_sharing_with_aws_organization()
    iam = iam_backends[self.current_account]["aws"]
    if not any(role.name == "AWSServiceRoleForResourceAccessManager" for role in iam.get_roles()):
        role = iam.create_service_linked_role("ram.amazonaws.com", "", "")
        role.name = "AWSServiceRoleForResourceAccessManager"
    return ActionResult(result)
