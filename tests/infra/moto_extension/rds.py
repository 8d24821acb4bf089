"""RDS: a parameter tells that a user set it, and an instance has the authority that AWS gives it.

Terraform finds a parameter by the one, and changes an instance at once for lack of the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.rds.models import DBInstance, DBParameterGroup, RDSBackend
from moto.rds.responses import RDSResponse

from .registry import mended

_AUTHORITY = "rds-ca-rsa2048-g1"
"""The default in every region since 2024."""

mended(RDSResponse, "CreateDBInstance", "an instance has AWS's certificate authority")
mended(RDSResponse, "DescribeDBParameters", "a parameter that was set has a user as its source")

_create_instance = RDSBackend.create_db_instance
_update_parameters = DBParameterGroup.update_parameters


def _create_instance_with_authority(self: RDSBackend, db_kwargs: dict[str, Any]) -> DBInstance:
    return _create_instance(self, {"ca_certificate_identifier": _AUTHORITY, **db_kwargs})


def _update_parameters_of_user(
    self: DBParameterGroup, new_parameters: Iterable[dict[str, Any]]
) -> None:
    _update_parameters(self, [{**each, "Source": "user"} for each in new_parameters])


DBParameterGroup.update_parameters = (  # type: ignore[method-assign]
    _update_parameters_of_user
)
RDSBackend.create_db_instance = (  # type: ignore[method-assign]
    _create_instance_with_authority
)
