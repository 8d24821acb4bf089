"""Is what was acknowledged in the lake? Pure comparisons, apart from Dagster and from AWS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

_OFFSETS = re.compile(r"kafka-(?P<log>.+)-(?P<first>\d{20})-(?P<last>\d{20})")


@dataclass(frozen=True)
class Batch:
    """What Athena sees of one landing batch."""

    batch_id: str
    shard: str
    events: int
    failed: int


@dataclass(frozen=True)
class Landing:
    """What one landing told its bus to forget, as its materialization recorded it."""

    batch_ids: frozenset[str]
    events: int
    failed: int


def shortfalls(landings: Iterable[Landing], batches: Mapping[str, Batch]) -> list[str]:
    """Every way in which Athena sees other rows than the landings recorded."""
    found = []
    for landing in landings:
        there = [batches[name] for name in landing.batch_ids if name in batches]
        for what, recorded, seen in (
            ("events", landing.events, sum(batch.events for batch in there)),
            ("failed events", landing.failed, sum(batch.failed for batch in there)),
        ):
            if recorded != seen:
                found.append(
                    f"{recorded:,} {what} were landed in {_named(landing.batch_ids)},"
                    f" but {seen:,} are in the lake"
                )
    return found


def gaps(batches: Iterable[Batch], next_offsets: Mapping[str, int | None]) -> list[str]:
    """Kafka offsets that the ledger holds for landed and that no batch covers.

    A batch's name says which offsets it covers; the batches of a shard must follow one upon the
    other up to the ledger's ``next_offset`` (None: nothing was ever landed).
    """
    ranges: dict[str, list[tuple[str, int, int]]] = {}
    for batch in batches:
        if match := _OFFSETS.fullmatch(batch.batch_id):
            covered = (match["log"], int(match["first"]), int(match["last"]))
            ranges.setdefault(batch.shard, []).append(covered)
    found = []
    for shard, covered in sorted(ranges.items()):
        covered.sort()
        for (log, _, last), (following_log, first, _) in pairwise(covered):
            # Another log is the topic made anew; its offsets begin again.
            if log == following_log and first > last + 1:
                found.append(f"{shard}: no batch holds offsets {last + 1} to {first - 1}")
        landed_until = next_offsets.get(shard)
        last = covered[-1][2]
        if landed_until is not None and last + 1 < landed_until:
            found.append(f"{shard}: no batch holds offsets {last + 1} to {landed_until - 1}")
    return found


def _named(batch_ids: frozenset[str], shown: int = 3) -> str:
    names = sorted(batch_ids)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
