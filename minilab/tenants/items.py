"""Tenants and keys as items of the table ``tenants``.

tenant#<name>   name, plan, region, status, streams, events_per_second, created_at,
                keys: ids of its keys
key#<key id>    tenant, secret_sha256, created_at, expires_at (absent: never)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from minilab.dynamodb import Item
from minilab.tenants.model import ApiKey, Tenant

TENANT_PREFIX = "tenant#"
KEY_PREFIX = "key#"


def tenant_item(tenant: Tenant, key_ids: Sequence[str]) -> Item:
    return {
        "item": {"S": TENANT_PREFIX + tenant.name},
        **tenant_attributes(asdict(tenant)),
        "keys": {"L": [{"S": key_id} for key_id in key_ids]},
    }


def tenant_attributes(fields: Mapping[str, Any]) -> Item:
    """Fields of a :class:`Tenant` as attributes; raises KeyError for what is none."""
    return {name: _ATTRIBUTE_OF[name](value) for name, value in fields.items()}


def _text(value: str) -> dict[str, Any]:
    return {"S": value}


_ATTRIBUTE_OF: dict[str, Callable[[Any], dict[str, Any]]] = {
    "name": _text,
    "plan": _text,
    "region": _text,
    "status": _text,
    "streams": lambda streams: {"L": [{"S": stream} for stream in streams]},
    "events_per_second": lambda rate: {"N": str(rate)},
    "created_at": _text,
}


def tenant_of(item: Item) -> Tenant:
    return Tenant(
        name=item["name"]["S"],
        plan=item["plan"]["S"],
        region=item["region"]["S"],
        status=item["status"]["S"],
        streams=tuple(stream["S"] for stream in item["streams"]["L"]),
        events_per_second=int(item["events_per_second"]["N"]),
        created_at=item["created_at"]["S"],
    )


def key_ids_of(item: Item) -> list[str]:
    return [key["S"] for key in item["keys"]["L"]]


def key_item(key: ApiKey) -> Item:
    item: Item = {
        "item": {"S": KEY_PREFIX + key.id},
        "tenant": {"S": key.tenant},
        "secret_sha256": {"S": key.secret_sha256},
        "created_at": {"S": key.created_at},
    }
    if key.expires_at is not None:
        item["expires_at"] = {"N": str(key.expires_at)}
    return item


def key_of(item: Item) -> ApiKey:
    return ApiKey(
        id=item["item"]["S"].removeprefix(KEY_PREFIX),
        tenant=item["tenant"]["S"],
        secret_sha256=item["secret_sha256"]["S"],
        created_at=item["created_at"]["S"],
        expires_at=int(item["expires_at"]["N"]) if "expires_at" in item else None,
    )
