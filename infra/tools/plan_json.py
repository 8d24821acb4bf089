"""Reading ``terraform show -json`` of a plan: resources with their values and their provider."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resource:
    """One planned resource with the provider (``aws`` or ``aws.<alias>``) that makes it."""

    address: str
    type: str
    values: dict[str, Any]
    provider: str


def resources(plan: dict[str, Any]) -> list[Resource]:
    """All managed resources of a plan, with the values that they will have."""
    providers = _providers(plan)
    return [
        Resource(
            found["address"], found["type"], found.get("values", {}), providers[found["address"]]
        )
        for found in _walk(plan["planned_values"]["root_module"])
        if found["mode"] == "managed"
    ]


def of_type(plan: dict[str, Any], kind: str) -> list[Resource]:
    return [resource for resource in resources(plan) if resource.type == kind]


def policies(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every attribute of a resource that holds a policy, parsed."""
    for name, value in resource.values.items():
        if isinstance(value, str) and value.startswith("{") and '"Statement"' in value:
            yield name, json.loads(value)


def listed(value: Any) -> list[Any]:
    """A policy's element, which may be one thing or a list of them."""
    return value if isinstance(value, list) else [value]


def _walk(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _walk(child)


def _providers(plan: dict[str, Any]) -> dict[str, str]:
    """The provider of each resource, by its address."""
    configured = dict(_configured(plan["configuration"]["root_module"], ""))
    return {
        found["address"]: configured[_INDEX.sub("", found["address"])]
        for found in _walk(plan["planned_values"]["root_module"])
    }


_INDEX = re.compile(r'\["?[^]]*?"?\]')


def _configured(module: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Provider keys as Terraform resolved them, by address without any index."""
    for resource in module.get("resources", []):
        yield prefix + resource["address"], resource["provider_config_key"]
    for name, call in module.get("module_calls", {}).items():
        yield from _configured(call["module"], f"{prefix}module.{name}.")
