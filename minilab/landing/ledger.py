"""The ledger: which Kafka offsets are landed, and which are being landed right now.

One DynamoDB item per shard, changed only by conditional writes (DynamoDB, "Condition
expressions"), so that of two landers on one partition exactly one goes on:

    shard        "kafka:<topic>/<partition>"
    next_offset  first offset that is not landed
    intent       the batch being landed: first, last, landed_at, batch_id, lander; absent if none
    epoch        how often the topic was made anew (0 at first); part of file names from 1 on
    lost         ranges that the broker deleted before they were landed
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from minilab import aws, dynamodb
from minilab.lake.layout import kafka_file_name
from minilab.landing.errors import Fenced, LandingError
from minilab.landing.model import BatchName, LostRange, Shard
from minilab.settings import Settings


@dataclass(frozen=True)
class Intent:
    """A batch that is about to be landed: an inclusive range of offsets, and what it is called."""

    shard: Shard
    first: int
    last: int
    landed_at: datetime
    batch_id: str

    @property
    def name(self) -> BatchName:
        return BatchName(self.shard, self.batch_id, self.landed_at)


@dataclass(frozen=True)
class ShardState:
    """What the ledger knows of a shard."""

    next_offset: int | None = None
    """None where nothing was ever landed."""
    intent: Intent | None = None
    epoch: int = 0


def batch_id_of(shard: Shard, first: int, last: int, epoch: int) -> str:
    """The name that whoever lands this range gives it."""
    topic, _, partition = shard.name.rpartition("/")
    if epoch:
        topic = f"{topic}.e{epoch}"
    return kafka_file_name(topic, int(partition), first, last).removesuffix(".parquet")


class Ledger:
    """The ledger table of one deployment. ``lander`` tells two landers apart."""

    def __init__(self, settings: Settings, lander: str | None = None) -> None:
        self._dynamodb = aws.client("dynamodb", settings)
        self._table = dynamodb.tables()[dynamodb.LEDGER].address(settings)
        self.lander = lander or uuid4().hex

    def read(self, shard: Shard) -> ShardState:
        """The shard's state, strongly consistent.

        Raises:
            AwsError, LandingError: the ledger cannot be reached or does not exist.
        """
        item = self._get(shard)
        intent = item.get("intent", {}).get("M")
        return ShardState(
            next_offset=int(item["next_offset"]["N"]) if "next_offset" in item else None,
            intent=_intent(shard, intent) if intent else None,
            epoch=int(item["epoch"]["N"]) if "epoch" in item else 0,
        )

    def open(self, intent: Intent, expected: ShardState) -> None:
        """Record an intent, if the shard is as ``expected`` says and has none.

        Raises:
            Fenced: another lander was here.
        """
        if expected.next_offset is None:
            condition, values = "attribute_not_exists(next_offset)", {}
        else:
            condition = "next_offset = :expected"
            values = {":expected": {"N": str(expected.next_offset)}}
        self._update(
            intent.shard,
            "SET intent = :intent",
            f"attribute_not_exists(intent) AND {condition}",
            {**values, ":intent": {"M": _plain(intent, self.lander)}},
            done=lambda item: _is_ours(item, intent, self.lander),
        )

    def close(self, intent: Intent) -> ShardState:
        """Strike the intent out and move ``next_offset`` behind it; return the new state.

        Raises:
            Fenced: the intent is not there, and its range is not what was landed last either.
        """
        following = {"N": str(intent.last + 1)}
        item = self._update(
            intent.shard,
            "SET next_offset = :next REMOVE intent",
            "intent.batch_id = :batch_id",
            {":next": following, ":batch_id": {"S": intent.batch_id}},
            # Another lander that replayed this very intent has done the same for us.
            done=lambda item: "intent" not in item and item.get("next_offset") == following,
        )
        return ShardState(intent.last + 1, None, int(item.get("epoch", {"N": "0"})["N"]))

    def skip(
        self, shard: Shard, expected: ShardState, to: int, lost: LostRange | None, *, anew: bool
    ) -> ShardState:
        """Go on at offset ``to`` although what lies between was not landed; remember the loss.

        ``anew`` says that the topic was made anew: file names must not meet older ones.

        Raises:
            Fenced: another lander was here.
        """
        epoch = expected.epoch + anew
        ranges: list[dict[str, Any]] = []
        if lost is not None:
            text = f"{lost.first}-{lost.last} at {datetime.now(UTC).isoformat()}"
            ranges.append({"S": text})
        values: dict[str, Any] = {
            ":next": {"N": str(to)},
            ":epoch": {"N": str(epoch)},
            ":none": {"L": []},
            ":lost": {"L": ranges},
            ":expected": {"N": str(expected.next_offset)},
        }
        self._update(
            shard,
            "SET next_offset = :next, epoch = :epoch, "
            "lost = list_append(if_not_exists(lost, :none), :lost)",
            "next_offset = :expected AND attribute_not_exists(intent)",
            values,
            done=lambda item: False,
        )
        return ShardState(to, None, epoch)

    def _get(self, shard: Shard) -> dict[str, Any]:
        with aws.readable_errors(f"Reading the landing ledger {self._table}"):
            try:
                answer = self._dynamodb.get_item(
                    TableName=self._table, Key=_key(shard), ConsistentRead=True
                )
            except self._dynamodb.exceptions.ResourceNotFoundException as error:
                raise LandingError(
                    f"There is no landing ledger {self._table}.",
                    hint="Create it with: minilab provision",
                ) from error
        item: dict[str, Any] = answer.get("Item", {})
        return item

    def _update(
        self, shard: Shard, change: str, condition: str, values: dict[str, Any], *, done: Any
    ) -> dict[str, Any]:
        with aws.readable_errors(f"Writing the landing ledger {self._table}"):
            try:
                answer = self._dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(shard),
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                # The client retries: the first try may have been carried out, its answer lost.
                item = self._get(shard)
                if done(item):
                    return item
                raise Fenced(f"Another lander works on {shard.name}.") from None
        changed: dict[str, Any] = answer["Attributes"]
        return changed


def _key(shard: Shard) -> dict[str, Any]:
    return {"shard": {"S": f"{shard.bus}:{shard.name}"}}


def _plain(intent: Intent, lander: str) -> dict[str, Any]:
    return {
        "first": {"N": str(intent.first)},
        "last": {"N": str(intent.last)},
        "landed_at": {"S": intent.landed_at.isoformat()},
        "batch_id": {"S": intent.batch_id},
        "lander": {"S": lander},
    }


def _intent(shard: Shard, item: dict[str, Any]) -> Intent:
    return Intent(
        shard=shard,
        first=int(item["first"]["N"]),
        last=int(item["last"]["N"]),
        landed_at=datetime.fromisoformat(item["landed_at"]["S"]),
        batch_id=item["batch_id"]["S"],
    )


def _is_ours(item: dict[str, Any], intent: Intent, lander: str) -> bool:
    found = item.get("intent", {}).get("M")
    return bool(found == _plain(intent, lander))
