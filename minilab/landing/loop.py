"""The landing loop: what is done with a batch, in the order that keeps every promise.

Kafka, one contiguous range of one partition's offsets:
    open the messages     as many as may be held; the others are the next range
    redeem claims         large payloads take their places in their events again
    decode, encode        no effect yet
    open the intent       conditional: now only this range, under this name, can be landed next
    put the files         again and again if need be: always the same rows under the same names
    register the hour     so that what is durable can be seen
    close the intent      conditional: the next offset moves, the loser of two landers ends here
    acknowledge           the broker's group offset follows, for those who watch it

SQS, messages as they were received:
    set aside             what an earlier batch landed and could not delete
    open, redeem, decode, encode    as above
    put the files, then the manifest of message ids
    register the hour
    delete the messages   only now: everything they said is durable
    remove the manifest   once nothing of it can come again
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar
from uuid import uuid4

from minilab.errors import MinilabError
from minilab.events.registry import Stream
from minilab.events.validation import StreamRules
from minilab.lake.layout import failed_prefix, raw_prefix, sqs_file_name
from minilab.landing.decode import decode
from minilab.landing.environment import Environment
from minilab.landing.errors import Fenced
from minilab.landing.garbage import no_collection
from minilab.landing.kafka import OffsetBatch
from minilab.landing.ledger import Intent, ShardState, batch_id_of
from minilab.landing.manifests import Manifest, OpenManifests, manifest_key, to_bytes
from minilab.landing.model import (
    BatchName,
    Decoded,
    Decoder,
    LakeFile,
    Landed,
    Limits,
    LostRange,
    Messages,
    Shard,
)
from minilab.landing.opening import open_messages
from minilab.landing.ports import KafkaPort, SqsPort
from minilab.landing.redeem import redeem
from minilab.landing.sqs import ReceivedBatch
from minilab.landing.summary import Progress, StreamSummary
from minilab.landing.write import encode

_Batch = TypeVar("_Batch")


def land_stream(
    env: Environment, stream: Stream, rules: StreamRules, limits: Limits, tell: Progress
) -> StreamSummary:
    """Drain what is on a stream's bus into the lake.

    Never raises for what it meets on the way: ``StreamSummary.error`` says why it ended early.
    """
    started = time.monotonic()
    drain = _drain_kafka if stream.bus == "kafka" else _drain_sqs
    work = attempt(Work(stream.name, tell), lambda work: drain(env, stream, rules, limits, work))
    return StreamSummary.of(
        stream.name,
        stream.bus,
        work.landed,
        lost=work.lost,
        fenced=work.fenced,
        seconds=time.monotonic() - started,
        error=work.error,
    )


# Kafka ---------------------------------------------------------------------------------------


def land_offsets(
    env: Environment,
    rules: StreamRules,
    limits: Limits,
    batch: OffsetBatch,
    shard: Shard,
    state: ShardState,
) -> Iterator[tuple[Landed, ShardState]]:
    """Land a range of offsets exactly once, as the fewest ranges that may be held.

    Where ``state`` has an intent, the batch is a replay of it, whole and under the name it has.

    Raises:
        Fenced: another lander works on this partition.
        AwsError: a step could not be done. What is done stays; the intent is replayed next time.
    """
    done = 0
    rest: OffsetBatch | None = batch
    while rest is not None:
        landed, state = _land_first_offsets(env, rules, limits, rest, shard, state)
        yield landed, state
        done += landed.messages
        rest = batch.after(done)


def _land_first_offsets(
    env: Environment,
    rules: StreamRules,
    limits: Limits,
    batch: OffsetBatch,
    shard: Shard,
    state: ShardState,
) -> tuple[Landed, ShardState]:
    """Land what may be held at once."""
    most_bytes = limits.opened_bytes if state.intent is None else sys.maxsize
    opened = open_messages(batch.messages, env.claims.uri_prefix, most_bytes)
    intent = state.intent or _intent(env, shard, batch.before(len(opened.messages)), state)
    decoded = decode(intent.name, redeem(opened, env.claims), rules)
    files = encode(decoded)
    if state.intent is None:
        env.ledger.open(intent, state)
    for file in files:
        env.store.put(file.key, file.content)
    if files:
        env.register(intent.name.partition)
    following = env.ledger.close(intent)
    return _landed(decoded, files, first=intent.first, last=intent.last), following


def _intent(env: Environment, shard: Shard, batch: OffsetBatch, state: ShardState) -> Intent:
    batch_id = batch_id_of(shard, batch.first, batch.last, state.epoch)
    return Intent(shard, batch.first, batch.last, env.now(), batch_id)


def _drain_kafka(
    env: Environment, stream: Stream, rules: StreamRules, limits: Limits, work: Work
) -> None:
    with env.open_kafka(stream, limits) as source:
        shards = source.shards()
        states = {p: env.ledger.read(shard) for p, shard in shards.items()}
        for partition, shard in shards.items():
            states[partition] = _within_log(env, source, partition, shard, states[partition], work)
        while states:
            _read_and_land(env, source, rules, limits, shards, states, work)
            beyond = source.out_of_range
            states = {
                p: _begin_anew(env, shards[p], states[p], log.start, log.end, work)
                for p, log in beyond.items()
            }


def _read_and_land(
    env: Environment,
    source: KafkaPort,
    rules: StreamRules,
    limits: Limits,
    shards: dict[int, Shard],
    states: dict[int, ShardState],
    work: Work,
) -> None:
    """One pass: from what the ledger says to what was the logs' end when it began."""
    source.start(
        {p: s.next_offset if s.intent is None else s.intent.first for p, s in states.items()},
        {p: s.intent.last for p, s in states.items() if s.intent is not None},
    )

    def land(batch: OffsetBatch) -> Iterator[tuple[int, Landed | Fenced]]:
        # Batches of one partition come here one after the other: each sees the state of the last.
        partition = batch.partition
        try:
            for landed, state in land_offsets(
                env, rules, limits, batch, shards[partition], states[partition]
            ):
                states[partition] = state
                yield partition, landed
        except Fenced as loss:
            yield partition, loss

    fenced: set[int] = set()
    batches = (batch for batch in source.batches() if batch.partition not in fenced)
    with _Lanes(land, limits.workers) as lanes:
        for partition, outcome in lanes.run(batches, lane_of=lambda batch: batch.partition):
            if isinstance(outcome, Fenced):
                fenced.add(partition)
                source.leave(partition)
                work.fenced.add(shards[partition].name)
            else:
                work.done(outcome)
                if outcome.last is not None:
                    source.acknowledge(partition, outcome.last + 1)


def _within_log(
    env: Environment,
    source: KafkaPort,
    partition: int,
    shard: Shard,
    state: ShardState,
    work: Work,
) -> ShardState:
    """Move a position that the broker has deleted up to where its log begins, and say so."""
    position = state.next_offset if state.intent is None else state.intent.first
    if position is None or (start := source.log_start(partition)) <= position:
        return state
    if state.intent is not None:
        if not _is_durable(env, state.intent):
            work.lose(LostRange(shard.name, position, min(start - 1, state.intent.last)))
            if start <= state.intent.last:
                return state  # what is left of it is replayed under its name
        return _within_log(env, source, partition, shard, env.ledger.close(state.intent), work)
    lost = LostRange(shard.name, position, start - 1)
    work.lose(lost)
    return env.ledger.skip(shard, state, start, lost, anew=False)


def _is_durable(env: Environment, intent: Intent) -> bool:
    """Whether a file of this intent was put. (Events come first, and failed events last.)"""
    name = f"{intent.batch_id}.parquet"
    partition = intent.name.partition
    return env.store.exists(failed_prefix(partition) + name) or env.store.exists(
        raw_prefix(partition) + name
    )


def _begin_anew(
    env: Environment, shard: Shard, state: ShardState, start: int, end: int, work: Work
) -> ShardState:
    """The position is not in the log at all: behind its end, the topic was made anew."""
    if state.intent is not None:
        if not _is_durable(env, state.intent):
            work.lose(LostRange(shard.name, state.intent.first, state.intent.last))
        state = env.ledger.close(state.intent)
    position = state.next_offset or 0
    if position <= end:
        lost = LostRange(shard.name, position, start - 1) if start > position else None
        if lost is not None:
            work.lose(lost)
        return env.ledger.skip(shard, state, max(start, position), lost, anew=False)
    work.tell(
        f"{shard.name}: the ledger is at offset {position:,}, but the log ends at {end:,}: "
        "the topic was made anew. Landing it from its start."
    )
    return env.ledger.skip(shard, state, start, None, anew=True)


# SQS -----------------------------------------------------------------------------------------


def land_received(
    env: Environment,
    source: SqsPort,
    decoder: Decoder,
    manifests: OpenManifests,
    batch: ReceivedBatch,
) -> Iterator[Landed]:
    """Land received messages, then delete them; as many batches as ``decoder`` makes of them.

    Raises:
        AwsError: a step could not be done. Nothing of that batch is deleted then, nor what comes
            after it: those messages come again.
    """
    rest: ReceivedBatch | None = batch
    while rest is not None:
        landed, rest = _land_first(env, source, decoder, manifests, rest)
        yield landed


def _land_first(
    env: Environment,
    source: SqsPort,
    decoder: Decoder,
    manifests: OpenManifests,
    batch: ReceivedBatch,
) -> tuple[Landed, ReceivedBatch | None]:
    """Land what the decoder takes at once; what is left comes back."""
    landed_at = env.now()
    batch_id = sqs_file_name(
        source.queue, f"{landed_at:%Y%m%dT%H%M%S%fZ}-{uuid4().hex[:12]}"
    ).removesuffix(".parquet")
    name = BatchName(batch.shard, batch_id, landed_at)

    known: set[str] = set()
    if batch.redelivered:
        known = manifests.landed_among(batch.message_ids, landed_at)
    decoded = decoder(name, batch.without(known).messages())
    files = encode(decoded)
    if time.monotonic() - batch.received_at > source.visibility_seconds / 2:
        source.extend(batch)
        batch = replace(batch, received_at=time.monotonic())
    fresh, rest = batch.without(known).split(decoded.messages)
    batch = batch.without(set(rest.message_ids))
    for file in files:
        env.store.put(file.key, file.content)
    manifest = Manifest(
        batch_id, landed_at, tuple(file.key for file in files), tuple(fresh.message_ids)
    )
    key = manifest_key(source.queue, batch_id)
    if files:
        env.store.put(key, to_bytes(manifest))
        env.register(name.partition)
    undeleted = set(source.delete(batch))
    if files and not undeleted.intersection(manifest.message_ids):
        env.store.delete([key])
    elif files:
        left = tuple(i for i in manifest.message_ids if i in undeleted)
        env.store.put(key, to_bytes(manifest.of_messages(left)))
    manifests.forget(known - undeleted)
    landed = replace(_landed(decoded, files), repeated=len(known), undeleted=len(undeleted))
    return landed, rest if rest.received else None


def _drain_sqs(
    env: Environment, stream: Stream, rules: StreamRules, limits: Limits, work: Work
) -> None:
    def decoder(name: BatchName, messages: Messages) -> Decoded:
        opened = open_messages(messages, env.claims.uri_prefix, limits.opened_bytes)
        return decode(name, redeem(opened, env.claims), rules)

    with env.open_sqs(stream, limits) as source:
        drain_queue(env, source, decoder, work)


def drain_queue(env: Environment, source: SqsPort, decoder: Decoder, work: Work) -> None:
    """Land what can be received from a queue.

    Raises:
        MinilabError: the queue could not be drained. What is landed stays.
    """
    manifests = OpenManifests(env.store, source.queue)

    def land(batch: ReceivedBatch) -> Iterator[Landed]:
        return land_received(env, source, decoder, manifests, batch)

    # One lane: a batch sees the manifests of the one before it. Receiving goes on meanwhile.
    with _Lanes(land, 1) as lanes:
        for landed in lanes.run(source.batches(), lane_of=lambda batch: 0):
            work.done(landed)


# Both ----------------------------------------------------------------------------------------


@dataclass
class Work:
    """What was done so far on a stream, or on a queue that is no stream's."""

    of: str
    tell: Progress
    landed: list[Landed] = field(default_factory=list)
    lost: list[LostRange] = field(default_factory=list)
    fenced: set[str] = field(default_factory=set)
    messages: int = 0
    error: str | None = None

    def done(self, landed: Landed) -> None:
        gc.collect(0)  # what little there is, while collecting is off
        self.landed.append(landed)
        self.messages += landed.messages
        self.tell(f"{self.of}: {self.messages:,} messages landed")

    def lose(self, gap: LostRange) -> None:
        self.lost.append(gap)
        self.tell(
            f"{gap.shard}: LOST offsets {gap.first:,} to {gap.last:,}: the broker deleted them "
            "before they were landed."
        )


def attempt(work: Work, drain: Callable[[Work], None]) -> Work:
    """Do it as far as it goes; ``Work.error`` says why it ended early."""
    try:
        with no_collection():
            drain(work)
    except MinilabError as problem:
        work.error = str(problem)
    return work


def _landed(
    decoded: Decoded,
    files: Iterable[LakeFile],
    *,
    first: int | None = None,
    last: int | None = None,
) -> Landed:
    return Landed(
        name=decoded.name,
        first=first,
        last=last,
        messages=decoded.messages,
        events=decoded.events.num_rows,
        failed_by_reason=decoded.failed_by_reason,
        size=decoded.size,
        files=tuple(file.key for file in files),
    )


_Outcome = TypeVar("_Outcome")


class _Lanes(Generic[_Batch, _Outcome]):
    """Does batches on a few threads: those of one lane in order, those of different lanes at once.

    Doing one has outcomes, one after the other. At most ``workers`` batches are taken from the
    iterator and not done: memory stays bounded.
    """

    def __init__(self, do: Callable[[_Batch], Iterator[_Outcome]], workers: int) -> None:
        self._do = do
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="land")

    def __enter__(self) -> _Lanes[_Batch, _Outcome]:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def run(
        self, batches: Iterator[_Batch], lane_of: Callable[[_Batch], int]
    ) -> Iterator[_Outcome]:
        """The outcomes of every batch, as they are done.

        Raises what doing one raised, when those that were being done are done too.
        """
        busy: dict[int, Future[_Done[_Outcome]]] = {}
        errors: list[BaseException] = []
        for batch in batches:
            lane = lane_of(batch)
            if lane in busy:
                yield from _results([busy.pop(lane)], errors)
            while len(busy) >= self._workers:
                yield from _results(_finished(busy), errors)
            if errors:
                break
            busy[lane] = self._pool.submit(self._all_of, batch)
        while busy:
            yield from _results(_finished(busy), errors)
        if errors:
            raise errors[0]

    def _all_of(self, batch: _Batch) -> _Done[_Outcome]:
        done = _Done[_Outcome]([])
        try:
            for outcome in self._do(batch):
                done.outcomes.append(outcome)
        except BaseException as error:  # it is raised again by whoever waits for this
            done.error = error
        return done


@dataclass
class _Done(Generic[_Outcome]):
    outcomes: list[_Outcome]
    error: BaseException | None = None
    """What ended it after these."""


def _finished(busy: dict[int, Future[_Done[_Outcome]]]) -> list[Future[_Done[_Outcome]]]:
    """Wait for at least one, and take those that are done out of ``busy``."""
    wait(busy.values(), return_when=FIRST_COMPLETED)
    return [busy.pop(lane) for lane in [lane for lane, future in busy.items() if future.done()]]


def _results(
    futures: Iterable[Future[_Done[_Outcome]]], errors: list[BaseException]
) -> Iterator[_Outcome]:
    for future in futures:
        done = future.result()
        if done.error is not None:
            errors.append(done.error)
        yield from done.outcomes
