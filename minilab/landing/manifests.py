"""Manifests: which SQS messages a file holds, kept until the queue has forgotten them.

A manifest is put after its file and before its messages are deleted, and removed when all of them
are. So what is left of them are the messages that may come again. After a crash amid deleting,
some of them never do; a manifest goes at the latest when no queue can remember them.
"""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import msgspec

from minilab.lake.layout import MANIFEST_PREFIX
from minilab.landing.ports import StorePort


def manifest_prefix(queue: str) -> str:
    return f"{MANIFEST_PREFIX}{queue}/"


def manifest_key(queue: str, batch_id: str) -> str:
    return f"{manifest_prefix(queue)}{batch_id}.json.gz"


_LONGEST_RETENTION = timedelta(days=14)
"""The longest that SQS keeps a message (SetQueueAttributes, MessageRetentionPeriod)."""


class Manifest(msgspec.Struct, frozen=True):
    """The messages of one landed batch."""

    batch_id: str
    landed_at: datetime
    files: tuple[str, ...]
    message_ids: tuple[str, ...]

    def of_messages(self, message_ids: tuple[str, ...]) -> Manifest:
        return msgspec.structs.replace(self, message_ids=message_ids)


def to_bytes(manifest: Manifest) -> bytes:
    return gzip.compress(msgspec.json.encode(manifest), 1, mtime=0)


class OpenManifests:
    """The manifests of one queue that are still there, each read once."""

    def __init__(self, store: StorePort, queue: str) -> None:
        self._store = store
        self._prefix = manifest_prefix(queue)
        self._known: dict[str, Manifest] = {}

    def landed_among(self, message_ids: Iterable[str], now: datetime) -> set[str]:
        """Which of these messages an earlier batch has landed."""
        self._refresh(now)
        asked = set(message_ids)
        return {
            i for manifest in self._known.values() for i in asked.intersection(manifest.message_ids)
        }

    def _refresh(self, now: datetime) -> None:
        there = [stored.key for stored in self._store.list(self._prefix)]
        for key in there:
            if key not in self._known and (content := self._store.get(key)) is not None:
                manifest = msgspec.json.decode(gzip.decompress(content), type=Manifest)
                if now - manifest.landed_at > _LONGEST_RETENTION:
                    self._store.delete([key])
                    continue
                self._known[key] = manifest
        for key in self._known.keys() - set(there):
            del self._known[key]

    def forget(self, deleted: Collection[str]) -> None:
        """These messages are gone from the queue: take them out of their manifests."""
        gone = frozenset(deleted)
        for key, manifest in list(self._known.items()):
            left = tuple(i for i in manifest.message_ids if i not in gone)
            if not left:
                self._store.delete([key])
                del self._known[key]
            elif len(left) < len(manifest.message_ids):
                self._known[key] = manifest.of_messages(left)
                self._store.put(key, to_bytes(self._known[key]))
