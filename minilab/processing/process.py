"""Processing one batch of messages: the steps, in the order that loses nothing.

    prepare     open a message, enrich its events, route them; keep poison apart
    deliver     and wait until the buses have acknowledged it
    put aside   poison of what was delivered becomes failed events, durable in their queue
    judge       done is what is durable elsewhere and has nothing before it that is not;
                what failed on its last try is given up to the dead letters, with its reason
    count       what is done, by tenant and stream, and what became of the rest

Nothing here deletes from the ingest queue: who called does, and only what is done. Until then all
of it can be done again; after a crash at any point events come twice at worst, and staging keeps
one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from minilab.bus.failed_queue import FailedRecord
from minilab.bus.ingest_queue import Origin
from minilab.errors import MinilabError
from minilab.processing.deliver import Trouble
from minilab.processing.enrich import enrich, members
from minilab.processing.environment import Environment
from minilab.processing.opening import open_record
from minilab.processing.records import Record
from minilab.processing.route import Delivery, route

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Processed:
    """What became of a batch's messages: each is in one of the first three."""

    done: tuple[Record, ...]
    """To be deleted: all that they hold is durable elsewhere."""
    failed: tuple[Record, ...]
    """To be tried again later; or they wait behind such a one of their group."""
    waiting: tuple[Record, ...]
    """A bus is away, or they wait behind such a one; to be held until it is back."""
    troubles: Mapping[str, Trouble]
    """Why, by message id; without those that only wait behind another."""
    events: int
    """Events of what is done that went to their stream."""
    failed_events: int
    """Events of what is done that became failed events."""
    given_up: tuple[Record, ...]
    """Of what is done, messages that went to the dead letters."""


def process(env: Environment, records: Sequence[Record]) -> Processed:
    """Process messages; those of one group are in their order.

    Never raises because of what a message holds, or because a bus fails.
    """
    prepared, troubles = _prepare_all(env, records)
    troubles |= env.carriers.deliver(d for p in prepared.values() for d in p.deliveries)
    troubles |= _put_aside(env, [p for i, p in prepared.items() if i not in troubles])
    verdict = _judge(env, records, troubles)
    done = [prepared[record.message_id] for record in verdict.done]
    _count(env, done)
    processed = Processed(
        done=(*verdict.done, *verdict.given_up),
        failed=tuple(verdict.failed),
        waiting=tuple(verdict.waiting),
        troubles=troubles,
        events=sum(p.events for p in done),
        failed_events=sum(len(p.poison) for p in done),
        given_up=tuple(verdict.given_up),
    )
    env.metrics.count(processed)
    return processed


@dataclass(frozen=True)
class _Prepared:
    """One message, ready to be delivered."""

    record: Record
    deliveries: list[Delivery]
    poison: list[FailedRecord]
    origin: Origin | None = None
    events: int = 0
    size: int = 0
    """Of its events, in bytes, as they were accepted."""


def _prepare_all(
    env: Environment, records: Sequence[Record]
) -> tuple[dict[str, _Prepared], dict[str, Trouble]]:
    """Each message is in one of the answers: prepared, or in trouble."""
    prepared: dict[str, _Prepared] = {}
    troubles: dict[str, Trouble] = {}
    away: dict[str, Trouble] = {}
    """Groups of whose tenant the facts cannot be had now."""
    env.tenants.fetch(record.group for record in records)  # the group is the tenant
    for record in records:
        if record.group in away:
            troubles[record.message_id] = away[record.group]
            continue
        try:
            prepared[record.message_id] = _prepare(env, record)
        except MinilabError as error:
            trouble = Trouble(error.message, away=True)
            troubles[record.message_id] = away[record.group] = trouble
        except Exception as error:  # a mistake of ours must not stop everybody's events
            _log.exception("Message %s could not be prepared", record.message_id)
            troubles[record.message_id] = Trouble(repr(error), away=False)
    return prepared, troubles


def _prepare(env: Environment, record: Record) -> _Prepared:
    """Raises MinilabError where a tenant's facts cannot be had now."""
    opened = open_record(record, env.registry, env.source.name)
    if opened.addressed is None:
        return _Prepared(record, [], opened.poison)
    origin, stream, found = (
        opened.addressed.origin,
        opened.addressed.stream,
        opened.addressed.events,
    )
    attributes = {
        "receivedat": origin.received_at,
        **env.tenants.attributes(origin.tenant),
        "useragent": origin.user_agent,
    }
    added = members(attributes)
    events = [enrich(text, known, attributes, added) for text, known in found]
    return _Prepared(
        record=record,
        deliveries=list(route(record.message_id, stream, origin.tenant, events)),
        poison=opened.poison,
        origin=origin,
        events=len(events),
        size=sum(len(text) for text, _ in found),
    )


def _put_aside(env: Environment, prepared: Iterable[_Prepared]) -> dict[str, Trouble]:
    """Store poison; a message whose poison cannot be stored is in trouble."""
    poison = [(p.record.message_id, failed) for p in prepared for failed in p.poison]
    if not poison:
        return {}
    answers = env.failed.send([failed for _, failed in poison])
    return {
        message_id: Trouble(f"A failed event could not be stored: {why}", away=False)
        for (message_id, _), why in zip(poison, answers, strict=True)
        if why is not None
    }


@dataclass
class _Verdict:
    done: list[Record] = field(default_factory=list)
    failed: list[Record] = field(default_factory=list)
    waiting: list[Record] = field(default_factory=list)
    given_up: list[Record] = field(default_factory=list)


def _judge(
    env: Environment, records: Sequence[Record], troubles: Mapping[str, Trouble]
) -> _Verdict:
    verdict = _Verdict()
    behind: dict[str, list[Record]] = {}
    """Groups that are held back, and where their messages go."""
    for record in records:
        trouble = troubles.get(record.message_id)
        if record.group in behind:
            behind[record.group].append(record)
        elif trouble is None:
            verdict.done.append(record)
        elif trouble.away:
            behind[record.group] = verdict.waiting
            verdict.waiting.append(record)
        elif _give_up(env, record, trouble):
            verdict.given_up.append(record)
        else:
            behind[record.group] = verdict.failed
            verdict.failed.append(record)
    return verdict


def _give_up(env: Environment, record: Record, trouble: Trouble) -> bool:
    """Send it to the dead letters if this was its last try; where that fails too, SQS does it."""
    if record.times_received < env.source.facts().max_receives:
        return False
    why = env.source.give_up(record, trouble.why)
    if why is not None:
        _log.warning("Message %s could not be given up: %s", record.message_id, why)
    return why is None


def _count(env: Environment, done: Iterable[_Prepared]) -> None:
    for message in done:
        if (origin := message.origin) is not None:
            env.usage.count(
                origin.tenant, origin.stream, origin.received_at, message.events, message.size
            )
