"""RDS: a parameter tells that a user set it, by which Terraform finds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.rds.models import DBParameterGroup
from moto.rds.responses import RDSResponse

from .registry import mended

mended(RDSResponse, "DescribeDBParameters", "a parameter that was set has a user as its source")

_update_parameters = DBParameterGroup.update_parameters


def _update_parameters_of_user(
    self: DBParameterGroup, new_parameters: Iterable[dict[str, Any]]
) -> None:
    _update_parameters(self, [{**each, "Source": "user"} for each in new_parameters])


DBParameterGroup.update_parameters = (  # type: ignore[method-assign]
    _update_parameters_of_user
)
