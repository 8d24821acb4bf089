"""The DynamoDB tables, described once for all who need them.

``dynamodb_tables.json`` beside this module is the description: code and tests read it here,
``minilab provision`` makes tables from it, and Terraform decodes the same file. Keys are strings;
every table is on demand, with point-in-time recovery where Terraform makes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from minilab.settings import Home, Settings

LEDGER = "landing-ledger"
TENANTS = "tenants"
IDEMPOTENCY = "idempotency"
COUNTERS = "stream-counters"

Item = dict[str, dict[str, Any]]
"""An item as DynamoDB's API has it: ``{"shard": {"S": "…"}}`` (AttributeValue)."""


@dataclass(frozen=True)
class DynamoTable:
    """One table; all key attributes are strings."""

    name: str
    """Without the deployment's prefix, such as ``tenants``."""
    purpose: str
    home: Home
    """Whose account it lives in."""
    partition_key: str
    sort_key: str | None = None
    time_to_live: str | None = None
    """Attribute with the second since 1970 after which DynamoDB may delete an item. It does so
    within days, so readers must treat an expired item as absent (Developer Guide, "TTL")."""

    def full_name(self, settings: Settings) -> str:
        return settings.table_name(self.name)

    def address(self, settings: Settings) -> str:
        """What calls take for TableName: see :meth:`Settings.table_address`."""
        return settings.table_address(self.name, self.home)

    @property
    def key_schema(self) -> list[dict[str, str]]:
        """As CreateTable wants it and DescribeTable gives it."""
        keys = [{"AttributeName": self.partition_key, "KeyType": "HASH"}]
        if self.sort_key is not None:
            keys.append({"AttributeName": self.sort_key, "KeyType": "RANGE"})
        return keys


@cache
def tables() -> dict[str, DynamoTable]:
    """Every table by its name, in the order of the file."""
    document = json.loads(Path(__file__).with_name("dynamodb_tables.json").read_text())
    return {name: DynamoTable(name=name, **entry) for name, entry in document.items()}
