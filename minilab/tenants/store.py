"""The table ``tenants``: reading, making and changing tenants and their keys.

A tenant and its keys change together or not at all (DynamoDB, "Transactions"). The tenant's item
lists its keys, and each change is conditional on that list, so of two rotations at once one fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from minilab import aws, dynamodb
from minilab.dynamodb import Item
from minilab.settings import Settings
from minilab.tenants.errors import TenantError
from minilab.tenants.items import (
    KEY_PREFIX,
    TENANT_PREFIX,
    key_ids_of,
    key_item,
    key_of,
    tenant_attributes,
    tenant_item,
    tenant_of,
)
from minilab.tenants.model import ApiKey, Tenant

_LOST = ("ConditionalCheckFailed", "TransactionConflict")


class Tenants:
    """The tenants of one deployment. Safe to share between threads.

    ``client`` makes the DynamoDB client at the first call (None: the deployment's own).
    """

    def __init__(self, settings: Settings, client: Callable[[], Any] | None = None) -> None:
        self._client = client or (lambda: aws.client("dynamodb", settings))
        self._table = dynamodb.tables()[dynamodb.TENANTS].address(settings)

    def tenant(self, name: str) -> Tenant | None:
        """Raises AwsError where the table cannot be read."""
        item = self._get(TENANT_PREFIX + name)
        return None if item is None else tenant_of(item)

    def key(self, key_id: str) -> ApiKey | None:
        """Raises AwsError where the table cannot be read."""
        item = self._get(KEY_PREFIX + key_id)
        return None if item is None else key_of(item)

    def all(self) -> list[Tenant]:
        """Every tenant, by name.

        Raises:
            TenantError, AwsError: there is no table, or it cannot be read.
        """
        return sorted(map(tenant_of, self._scan()), key=lambda tenant: tenant.name)

    def create(self, tenant: Tenant, key: ApiKey) -> None:
        """Store a new tenant with its first key.

        Raises:
            TenantError: there is one of that name.
            AwsError: the table cannot be written.
        """
        done = self._change(
            self._put(
                item,
                ConditionExpression="attribute_not_exists(#item)",
                ExpressionAttributeNames={"#item": "item"},
            )
            for item in (tenant_item(tenant, [key.id]), key_item(key))
        )
        if not done:
            raise TenantError(
                f"There is a tenant {tenant.name!r} already.",
                hint=f"A new key for it: minilab tenants rotate {tenant.name}",
            )

    def rotate(self, name: str, key: ApiKey, *, now: int, old_until: int) -> list[ApiKey]:
        """Add a key; older ones expire at ``old_until`` at the latest, expired ones are removed.

        ``now`` and ``old_until`` are seconds since 1970. Returns the older keys that are still
        valid for a while.

        Raises:
            TenantError: there is no such tenant, or another changed its keys just now.
            AwsError: the table cannot be read or written.
        """
        item = self._existing(name)
        before = key_ids_of(item)
        kept = [
            replace(old, expires_at=min(old_until, old.expires_at or old_until))
            for old in map(self.key, before)
            if old is not None and old_until > now and not old.is_expired(now)
        ]
        gone = set(before) - {old.id for old in kept}
        keys = [*kept, key]
        changed = self._change(
            [
                self._replace_keys(item, [each.id for each in keys]),
                *(self._put(key_item(each)) for each in keys),
                *(self._delete(KEY_PREFIX + key_id) for key_id in sorted(gone)),
            ]
        )
        if not changed:
            raise TenantError(
                f"The keys of {name!r} were changed by another at the same time.",
                hint="Look at them with `minilab tenants list`, then try again.",
            )
        return kept

    def change(self, name: str, **changes: Any) -> None:
        """Change fields of :class:`Tenant` other than its name, such as ``status="suspended"``.

        Raises:
            TenantError: there is no such tenant.
            AwsError: the table cannot be written.
        """
        attributes = tenant_attributes(changes)
        with self._errors(f"Changing tenant {name}"):
            try:
                self._client().update_item(
                    TableName=self._table,
                    Key={"item": {"S": TENANT_PREFIX + name}},
                    UpdateExpression="SET "
                    + ", ".join(f"#{attribute} = :{attribute}" for attribute in attributes),
                    ConditionExpression="attribute_exists(#item)",
                    ExpressionAttributeNames={
                        **{f"#{attribute}": attribute for attribute in attributes},
                        "#item": "item",
                    },
                    ExpressionAttributeValues={
                        f":{attribute}": value for attribute, value in attributes.items()
                    },
                )
            except ClientError as error:
                if _code(error) == "ConditionalCheckFailedException":
                    raise _no_such(name) from None
                raise

    def _existing(self, name: str) -> Item:
        item = self._get(TENANT_PREFIX + name)
        if item is None:
            raise _no_such(name)
        return item

    def _get(self, item: str) -> Item | None:
        with self._errors(f"Reading table {self._table}"):
            answer: dict[str, Any] = self._client().get_item(
                TableName=self._table, Key={"item": {"S": item}}, ConsistentRead=True
            )
        return answer.get("Item")

    def _scan(self) -> Iterator[Item]:
        with self._errors(f"Reading table {self._table}"):
            pages = (
                self._client()
                .get_paginator("scan")
                .paginate(
                    TableName=self._table,
                    FilterExpression="begins_with(#item, :prefix)",
                    ExpressionAttributeNames={"#item": "item"},
                    ExpressionAttributeValues={":prefix": {"S": TENANT_PREFIX}},
                    ConsistentRead=True,
                )
            )
            for page in pages:
                yield from page["Items"]

    def _put(self, item: Item, **condition: Any) -> dict[str, Any]:
        return {"Put": {"TableName": self._table, "Item": item, **condition}}

    def _delete(self, item: str) -> dict[str, Any]:
        return {"Delete": {"TableName": self._table, "Key": {"item": {"S": item}}}}

    def _replace_keys(self, tenant: Item, key_ids: list[str]) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"item": tenant["item"]},
                "UpdateExpression": "SET #keys = :after",
                "ConditionExpression": "#keys = :before",
                "ExpressionAttributeNames": {"#keys": "keys"},
                "ExpressionAttributeValues": {
                    ":before": tenant["keys"],
                    ":after": {"L": [{"S": key_id} for key_id in key_ids]},
                },
            }
        }

    def _change(self, items: Iterable[dict[str, Any]]) -> bool:
        """Write all of it, or nothing and return False where a condition does not hold."""
        with self._errors(f"Writing table {self._table}"):
            try:
                self._client().transact_write_items(TransactItems=list(items))
            except ClientError as error:
                reasons = error.response.get("CancellationReasons", ())
                if any(reason.get("Code") in _LOST for reason in reasons):
                    return False
                raise
        return True

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        with aws.readable_errors(doing):
            try:
                yield
            except ClientError as error:
                if _code(error) != "ResourceNotFoundException":
                    raise
                raise TenantError(
                    f"There is no table {self._table}.", hint="Create it with: minilab provision"
                ) from error


def _no_such(name: str) -> TenantError:
    return TenantError(
        f"There is no tenant {name!r}.", hint="minilab tenants list shows those there are."
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
