"""From events to rows: validate, and lay out as columns. No effects, no pandas.

Payloads stay the JSON text that came. A column is one comprehension; the payload column is built
from its bytes and lengths alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from minilab.events.failures import Violation
from minilab.events.validation import Accepted, StreamRules
from minilab.lake.tables import EVENTS, FAILED_EVENTS
from minilab.landing.garbage import no_collection
from minilab.landing.keys import count_keys
from minilab.landing.model import BatchName, Decoded, Messages
from minilab.landing.opening import Failure, Opened

_STAGE = "landing"


def decode(name: BatchName, opened: Opened, rules: StreamRules) -> Decoded:
    """Turn one batch of opened messages into rows of ``events`` and ``failed_events``.

    Deterministic: the same messages under the same name give the same rows in the same order.
    Every message ends as at least one row. Never raises because of what a message contains.
    """
    messages = opened.messages
    with no_collection():
        verdicts = rules.sort(opened.events, count_keys)
        failures = [
            *opened.failures,
            *(
                opened.failure(index, rejection)
                for index, rejection in zip(verdicts.rejected_at, verdicts.rejected, strict=True)
            ),
        ]
        failures.sort(key=lambda failure: (failure.message, failure.item))
        by_reason: dict[str, int] = {}
        for failure in failures:
            reason = failure.rejection.reason
            by_reason[reason] = by_reason.get(reason, 0) + 1
        return Decoded(
            name=name,
            events=_events_table(name, opened, verdicts.accepted, verdicts.accepted_at),
            failed=_failed_table(name, messages, failures),
            failed_by_reason=by_reason,
            messages=len(messages),
            size=messages.size,
        )


def _events_table(
    name: BatchName,
    opened: Opened,
    accepted: Accepted,
    accepted_at: Sequence[int],
) -> pa.Table:
    rows = len(accepted_at)
    where = _WhereFrom(opened.messages, opened.message_of, opened.item_of)
    return pa.table(
        [
            _strings(accepted.ids),
            _strings(accepted.sources),
            _strings(accepted.types),
            _constant("1.0", rows),
            _instants(accepted.times),
            _strings(accepted.subjects),
            _strings(accepted.tenants),
            _strings(accepted.datacontenttypes),
            _strings(accepted.dataschemas),
            _strings(accepted.extensions),
            _json_texts(accepted.data),
            _strings(accepted.data_base64),
            *where.columns(name, accepted_at),
        ],
        schema=EVENTS.arrow_schema,
    )


def _failed_table(name: BatchName, messages: Messages, failures: Sequence[Failure]) -> pa.Table:
    message_of = [failure.message for failure in failures]
    item_of = [failure.item for failure in failures]
    where = _WhereFrom(messages, message_of, item_of)
    rejections = [failure.rejection for failure in failures]
    shard = name.shard
    return pa.table(
        [
            _strings(
                [
                    failed_id(shard.bus, shard.name, messages.positions[f.message], f.item)
                    for f in failures
                ]
            ),
            _constant(_STAGE, len(failures)),
            _strings([str(r.reason) for r in rejections]),
            _strings([detail_of(r.violations) for r in rejections]),
            pa.array([f.body for f in failures], pa.binary()),
            _strings([msgspec.json.encode(f.headers, order="sorted").decode() for f in failures]),
            _strings([r.id for r in rejections]),
            _strings([r.source for r in rejections]),
            _strings([r.type for r in rejections]),
            _strings([r.tenant for r in rejections]),
            *where.columns(name, range(len(failures))),
        ],
        schema=FAILED_EVENTS.arrow_schema,
    )


def failed_id(bus: str, shard: str, position: int | str, item: int) -> str:
    """32 hexadecimal digits that name one failed event, however often it is landed."""
    text = "\n".join((bus, shard, str(position), str(item)))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def detail_of(violations: Sequence[Violation]) -> str:
    """Every broken rule as the JSON text of the column ``detail``."""
    return msgspec.json.encode([v._asdict() for v in violations]).decode()


@dataclass(frozen=True)
class _WhereFrom:
    """The columns that say where a row came from, for both raw tables alike."""

    messages: Messages
    message_of: Sequence[int] | None
    item_of: Sequence[int] | None

    def columns(self, name: BatchName, at: Sequence[int]) -> list[pa.Array]:
        """``bus``, ``shard``, ``position``, ``item``, ``published_at``, ``landed_at``, ``batch_id``
        of the events at these indexes."""
        events = np.fromiter(at, np.int64, len(at))
        rows = len(events)
        if self.message_of is None or self.item_of is None:
            messages, items = events, np.zeros(rows, np.int32)
        else:
            messages = np.asarray(self.message_of, np.int64)[events] if rows else events
            items = np.asarray(self.item_of, np.int32)[events] if rows else np.zeros(0, np.int32)
        positions = pa.array(self.messages.positions)
        if len(positions) == 0:
            positions = pa.array([], pa.string())
        published = pa.array(self.messages.published_ms, pa.int64())
        if rows != len(positions) or self.message_of is not None:
            positions, published = positions.take(messages), published.take(messages)
        landed_at = name.landed_at.astimezone(UTC).replace(tzinfo=None)
        return [
            _constant(name.shard.bus, rows),
            _constant(name.shard.name, rows),
            positions.cast(pa.string()),
            pa.array(items, pa.int32()),
            published.cast(pa.timestamp("ms")).cast(pa.timestamp("us")),
            _constant(pa.scalar(landed_at, pa.timestamp("us")), rows),
            _constant(name.batch_id, rows),
        ]


def _strings(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def _constant(value: Any, rows: int) -> pa.Array:
    return pa.repeat(value, rows)


def _instants(times: Sequence[str | None]) -> pa.Array:
    """RFC 3339 texts, all valid by now, as UTC timestamps without a zone."""
    zoned = pc.cast(_strings(times), pa.timestamp("us", "UTC"))
    return zoned.cast(pa.timestamp("us"))


def _json_texts(raws: Sequence[Raw]) -> pa.Array:
    """JSON texts as one string column; an empty text is null. The bytes are known to be UTF-8."""
    lengths = np.fromiter(map(len, raws), np.int64, len(raws))
    offsets = np.zeros(len(raws) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = (pa.py_buffer(offsets), pa.py_buffer(b"".join(raws)))
    empty = lengths == 0
    if not empty.any():
        return pa.StringArray.from_buffers(len(raws), *buffers)
    valid = pa.py_buffer(np.packbits(~empty, bitorder="little"))
    return pa.StringArray.from_buffers(len(raws), *buffers, valid, int(empty.sum()))


def headers_as_dict(pairs: Sequence[tuple[str, bytes | None]] | None) -> Mapping[str, str]:
    """Kafka headers as text; bytes that are not UTF-8 become U+FFFD."""
    return {key: (value or b"").decode(errors="replace") for key, value in pairs or ()}
