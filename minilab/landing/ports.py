"""What the landing loop asks of the world: the shapes that an ``Environment`` is filled with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from minilab.lake.claims import Kind
from minilab.landing.kafka import Log, OffsetBatch
from minilab.landing.ledger import Intent, ShardState
from minilab.landing.model import LostRange, Shard
from minilab.landing.sqs import ReceivedBatch
from minilab.landing.store import StoredObject


class LedgerPort(Protocol):
    """See :class:`minilab.landing.ledger.Ledger`."""

    def read(self, shard: Shard) -> ShardState: ...
    def open(self, intent: Intent, expected: ShardState) -> None: ...
    def close(self, intent: Intent) -> ShardState: ...
    def skip(
        self, shard: Shard, expected: ShardState, to: int, lost: LostRange | None, *, anew: bool
    ) -> ShardState: ...


class StorePort(Protocol):
    """See :class:`minilab.landing.store.LakeStore`."""

    def put(self, key: str, content: bytes | pa.Buffer) -> None: ...
    def get(self, key: str) -> bytes | None: ...
    def exists(self, key: str) -> bool: ...
    def list(self, prefix: str) -> Iterator[StoredObject]: ...
    def delete(self, keys: Sequence[str]) -> None: ...


class ClaimsPort(Protocol):
    """See :class:`minilab.lake.claims.Claims`."""

    uri_prefix: str

    def get(self, tenant: str, uri: str) -> tuple[Kind, bytes]: ...


class KafkaPort(Protocol):
    """See :class:`minilab.landing.kafka.KafkaSource`."""

    @property
    def out_of_range(self) -> Mapping[int, Log]: ...
    def shards(self) -> dict[int, Shard]: ...
    def log_start(self, partition: int) -> int: ...
    def start(self, positions: Mapping[int, int | None], ends: Mapping[int, int]) -> None: ...
    def batches(self) -> Iterator[OffsetBatch]: ...
    def leave(self, partition: int) -> None: ...
    def acknowledge(self, partition: int, next_offset: int) -> None: ...


class SqsPort(Protocol):
    """See :class:`minilab.landing.sqs.SqsSource`."""

    queue: str
    visibility_seconds: int

    def batches(self) -> Iterator[ReceivedBatch]: ...
    def delete(self, batch: ReceivedBatch) -> list[str]: ...
    def extend(self, batch: ReceivedBatch) -> None: ...
