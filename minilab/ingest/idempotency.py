"""Which events were given to the API before: the table ``idempotency``.

An event is claimed by a conditional write before it is sent, and marked as accepted after SQS has
taken it. A claim is a lease: if its holder dies, another may take the same event (the same bytes)
up when the lease is over.

    event        <tenant>#<hash of source and id>: tenants never meet
    state        pending | accepted
    fingerprint  hash of stream, type and bytes
    received_at  when it was first given: what a duplicate is answered with
    owner        the attempt that claimed it
    lease_until  second since 1970 (pending only)
    expires_at   second since 1970; an item that is older is absent, deleted or not

Sources: DynamoDB API Reference, PutItem, TransactWriteItems (cancellation reasons), BatchWriteItem.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from minilab import dynamodb
from minilab.dynamodb import Item
from minilab.ingest.parallel import Parallel
from minilab.settings import Settings

LEASE_SECONDS = 10
REMEMBER_SECONDS = 24 * 3600
_TRANSACTION_ITEMS = 100
_BATCH_ITEMS = 25
_TRIES = 4
"""Of a transaction whose items others hold, and of a batch that was taken in part."""
_PAUSE_SECONDS = 0.05

_CONDITION = (
    "attribute_not_exists(#event) OR #expires_at <= :now "
    "OR (#state = :pending AND #lease_until <= :now AND #fingerprint = :fingerprint)"
)
_NAMES = {
    "#event": "event",
    "#expires_at": "expires_at",
    "#state": "state",
    "#lease_until": "lease_until",
    "#fingerprint": "fingerprint",
}


def event_key(tenant: str, source: str, id: str) -> str:
    """What an event is known by: within its tenant, its source and id together."""
    digest = blake2b(f"{source}\n{id}".encode(), digest_size=16).hexdigest()
    return f"{tenant}#{digest}"


def fingerprint_of(stream: str, kind: str, body: bytes) -> str:
    """What tells two events of one key apart."""
    return blake2b(b"\n".join((stream.encode(), kind.encode(), body)), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """An event to be claimed."""

    key: str
    fingerprint: str


@dataclass(frozen=True)
class Attempt:
    """One request's try to have events accepted."""

    owner: str
    received_at: str
    now: float
    """Second since 1970."""


@dataclass(frozen=True)
class Won:
    """The event is ours to send, until the lease is over."""


@dataclass(frozen=True)
class Duplicate:
    """The same event was accepted before."""

    received_at: str


@dataclass(frozen=True)
class Conflict:
    """Another event has its key."""


@dataclass(frozen=True)
class InProgress:
    """Another attempt holds it; ``retry_after`` seconds from now, its lease is over."""

    retry_after: int


@dataclass(frozen=True)
class Unknown:
    """It could not be claimed now."""

    why: str


Claimed = Won | Duplicate | Conflict | InProgress | Unknown


class Idempotency:
    """The table of one deployment. Safe to share between threads."""

    def __init__(self, settings: Settings, client: Callable[[], Any], parallel: Parallel) -> None:
        self._client = client
        self._parallel = parallel
        self._table = dynamodb.tables()[dynamodb.IDEMPOTENCY].address(settings)

    def claim(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[Claimed]:
        """Claim events (keys are distinct); say what became of each, in their order."""
        if len(wanted) == 1:
            return [self._claim_one(wanted[0], attempt)]
        chunks = list(_chunks(wanted, _TRANSACTION_ITEMS))
        results = self._parallel.map(lambda chunk: self._claim_chunk(chunk, attempt), chunks)
        return [claimed for result in results for claimed in result]

    def accept(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[str]:
        """Mark claimed events as accepted; say why of those that could not be.

        Where that happens nothing is lost: the lease ends, and a retry is sent once more.
        """
        items = [_accepted_item(each, attempt) for each in wanted]
        if len(items) == 1:
            with _caught() as why:
                self._client().put_item(TableName=self._table, Item=items[0])
            return why
        results = self._parallel.map(self._write, list(_chunks(items, _BATCH_ITEMS)))
        return [why for result in results for why in result]

    def release(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[str]:
        """Give claims back that were not used, if they are still ours; say why not.

        Where that fails the lease ends by itself.
        """
        results = self._parallel.map(
            lambda chunk: self._release_chunk(chunk, attempt),
            list(_chunks(wanted, _TRANSACTION_ITEMS)),
        )
        return [why for result in results for why in result]

    def _claim_one(self, wanted: Wanted, attempt: Attempt) -> Claimed:
        try:
            self._client().put_item(**self._put(wanted, attempt))
        except ClientError as error:
            if _code(error) == "ConditionalCheckFailedException":
                return _of_holder(error.response.get("Item"), wanted, attempt)
            return Unknown(str(error))
        except BotoCoreError as error:
            return Unknown(str(error))
        return Won()

    def _claim_chunk(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[Claimed]:
        """Claim up to 100: all that can be, in as many transactions as others make us try."""
        settled: dict[str, Claimed] = {}
        why = "Others were writing the same items."
        for number in range(_TRIES):
            left = [each for each in wanted if each.key not in settled]
            if not left:
                break
            time.sleep(_PAUSE_SECONDS * number)
            try:
                self._client().transact_write_items(
                    TransactItems=[{"Put": self._put(each, attempt)} for each in left]
                )
                settled |= {each.key: Won() for each in left}
            except ClientError as error:
                why = str(error)
                settled |= _losers(error, left, attempt)
            except BotoCoreError as error:
                why = str(error)
                break
        return [settled.get(each.key, Unknown(why)) for each in wanted]

    def _put(self, wanted: Wanted, attempt: Attempt) -> dict[str, Any]:
        now = {"N": str(int(attempt.now))}
        return {
            "TableName": self._table,
            "Item": _pending_item(wanted, attempt),
            "ConditionExpression": _CONDITION,
            "ExpressionAttributeNames": _NAMES,
            "ExpressionAttributeValues": {
                ":now": now,
                ":pending": {"S": "pending"},
                ":fingerprint": {"S": wanted.fingerprint},
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _write(self, items: Sequence[Item]) -> list[str]:
        requests: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
        with _caught() as why:
            for number in range(_TRIES):
                time.sleep(_PAUSE_SECONDS * number)
                answer = self._client().batch_write_item(RequestItems={self._table: requests})
                requests = answer.get("UnprocessedItems", {}).get(self._table, [])
                if not requests:
                    return []
            return [f"{len(requests)} items were not taken."]
        return why

    def _release_chunk(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[str]:
        with _caught() as why:
            self._client().transact_write_items(
                TransactItems=[
                    {
                        "Delete": {
                            "TableName": self._table,
                            "Key": {"event": {"S": each.key}},
                            "ConditionExpression": "#owner = :owner AND #state = :pending",
                            "ExpressionAttributeNames": {"#owner": "owner", "#state": "state"},
                            "ExpressionAttributeValues": {
                                ":owner": {"S": attempt.owner},
                                ":pending": {"S": "pending"},
                            },
                        }
                    }
                    for each in wanted
                ]
            )
        return why


def _pending_item(wanted: Wanted, attempt: Attempt) -> Item:
    now = int(attempt.now)
    return {
        "event": {"S": wanted.key},
        "state": {"S": "pending"},
        "fingerprint": {"S": wanted.fingerprint},
        "received_at": {"S": attempt.received_at},
        "owner": {"S": attempt.owner},
        "lease_until": {"N": str(now + LEASE_SECONDS)},
        "expires_at": {"N": str(now + REMEMBER_SECONDS)},
    }


def _accepted_item(wanted: Wanted, attempt: Attempt) -> Item:
    return {
        "event": {"S": wanted.key},
        "state": {"S": "accepted"},
        "fingerprint": {"S": wanted.fingerprint},
        "received_at": {"S": attempt.received_at},
        "owner": {"S": attempt.owner},
        "expires_at": {"N": str(int(attempt.now) + REMEMBER_SECONDS)},
    }


def _losers(error: ClientError, wanted: Sequence[Wanted], attempt: Attempt) -> dict[str, Claimed]:
    """Of a transaction that was cancelled: the events that others hold."""
    reasons: list[Any] = error.response.get("CancellationReasons", [])
    return {
        each.key: _of_holder(reason.get("Item"), each, attempt)
        for each, reason in zip(wanted, reasons, strict=False)
        if reason.get("Code") == "ConditionalCheckFailed"
    }


def _of_holder(item: Any, wanted: Wanted, attempt: Attempt) -> Claimed:
    """What it means that this item holds an event's key."""
    if not item:
        return Unknown("DynamoDB did not say who holds it.")
    if item["owner"]["S"] == attempt.owner:
        return Won()  # the client tried again after the answer to its first try was lost
    if item["fingerprint"]["S"] != wanted.fingerprint:
        return Conflict()
    if item["state"]["S"] == "accepted":
        return Duplicate(item["received_at"]["S"])
    left = int(item["lease_until"]["N"]) - attempt.now
    return InProgress(max(1, math.ceil(left)))


class _caught:
    """Turns an error of AWS into a list with its words: for what need not succeed."""

    def __enter__(self) -> list[str]:
        self._why: list[str] = []
        return self._why

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if isinstance(error, ClientError | BotoCoreError):
            self._why.append(str(error))
            return True
        return False


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
