"""What was replayed, so that it goes round once: items ``replay:<id>`` of the ledger table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from minilab import aws, dynamodb
from minilab.settings import Settings

_UNFINISHED_AFTER = timedelta(minutes=5)
"""A replay that began so long ago and was not recorded as done has died; it may be taken over."""


class ReplayRecords:
    """Each with ``state`` (sending or sent), ``at`` and ``times``."""

    def __init__(self, settings: Settings) -> None:
        self._dynamodb = aws.client("dynamodb", settings)
        self._table = dynamodb.tables()[dynamodb.LEDGER].address(settings)

    def begin(self, failed_id: str, *, again: bool) -> bool:
        """Record that it is being sent; False if it was, or is, by another call."""
        now = datetime.now(UTC)
        item = {"state": {"S": "sending"}, "at": {"S": now.isoformat()}}
        condition: dict[str, Any] = {}
        if not again:
            condition = {
                "ConditionExpression": "attribute_not_exists(#shard) OR (#state = :sending "
                "AND #at < :abandoned)",
                "ExpressionAttributeNames": {"#shard": "shard", "#state": "state", "#at": "at"},
                "ExpressionAttributeValues": {
                    ":sending": {"S": "sending"},
                    ":abandoned": {"S": (now - _UNFINISHED_AFTER).isoformat()},
                },
            }
        with aws.readable_errors(f"Writing the ledger {self._table}"):
            try:
                self._dynamodb.put_item(
                    TableName=self._table, Item=_key(failed_id) | item, **condition
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def done(self, failed_id: str) -> None:
        with aws.readable_errors(f"Writing the ledger {self._table}"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(failed_id),
                UpdateExpression="SET #state = :sent, #at = :now ADD times :one",
                ExpressionAttributeNames={"#state": "state", "#at": "at"},
                ExpressionAttributeValues={
                    ":sent": {"S": "sent"},
                    ":now": {"S": datetime.now(UTC).isoformat()},
                    ":one": {"N": "1"},
                },
            )

    def forget(self, failed_id: str) -> None:
        with aws.readable_errors(f"Writing the ledger {self._table}"):
            self._dynamodb.delete_item(TableName=self._table, Key=_key(failed_id))


def _key(failed_id: str) -> dict[str, Any]:
    return {"shard": {"S": f"replay:{failed_id}"}}
