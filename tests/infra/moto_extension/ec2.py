"""EC2: the account-wide block of internet gateways, and the descriptions of rules."""

from __future__ import annotations

from inspect import signature
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models import EC2Backend
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.responses import EC2Response

from .registry import mended, stub


def _options(backend: EC2Backend, mode: str | None = None) -> dict[str, Any]:
    """The account's options in a region, kept with moto's own state."""
    kept: dict[str, Any] = backend.__dict__.setdefault(
        "vpc_block_public_access_options",
        {
            "AwsAccountId": backend.account_id,
            "AwsRegion": backend.region_name,
            "State": "default-state",
            "InternetGatewayBlockMode": "off",
            "ManagedBy": "account",
            "ExclusionsAllowed": "allowed",
        },
    )
    if mode is not None:
        kept.update(InternetGatewayBlockMode=mode, State="update-complete")
    return kept


@stub(EC2Response, "DescribeVpcBlockPublicAccessOptions", "missing in moto")
def describe_vpc_block_public_access_options(self: EC2Response) -> ActionResult:
    return ActionResult({"VpcBlockPublicAccessOptions": _options(self.ec2_backend)})


@stub(EC2Response, "ModifyVpcBlockPublicAccessOptions", "missing in moto")
def modify_vpc_block_public_access_options(self: EC2Response) -> ActionResult:
    mode = self._get_param("InternetGatewayBlockMode")
    return ActionResult({"VpcBlockPublicAccessOptions": _options(self.ec2_backend, mode)})


mended(EC2Response, "DescribeSecurityGroupRules", "describes rules by group and by prefix list")

_init = SecurityGroupRule.__init__
_parameters = signature(_init)


def _init_with_prefix_list(self: SecurityGroupRule, *args: Any, **kwargs: Any) -> None:
    given = _parameters.bind(self, *args, **kwargs).arguments
    _init(self, *args, **kwargs)
    self.prefix_list_description = (given.get("prefix_list_id") or {}).get("Description")


def _description(self: SecurityGroupRule) -> str | None:
    """Whichever end of the rule has one: a range, a group or a prefix list."""
    ends = (self.ip_range.get("Description"), self.source_group.get("Description"))
    return next((each for each in ends if each), self.prefix_list_description)


SecurityGroupRule.__init__ = _init_with_prefix_list  # type: ignore[method-assign]
SecurityGroupRule.description = property(_description)  # type: ignore[assignment]
