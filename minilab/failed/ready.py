"""A failed event made ready to be sent again: which way it goes, and what travels.

What failed at landing goes to its stream's bus, with its original bytes. What failed before goes
through the ingest queue, as if the API had just accepted it: so it belongs to who was
authenticated when it came, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Raw

from minilab.bus.ingest_queue import MAX_INLINE_BYTES, size_in_message
from minilab.errors import MinilabError
from minilab.events.envelope import is_tenant
from minilab.events.failures import Reason
from minilab.events.formats import duplicate_keys
from minilab.events.registry import Registry
from minilab.failed.events import FailedEvent
from minilab.ingest.claim_check import split
from minilab.ingest.judge import MAX_ENVELOPE_BYTES
from minilab.lake.claims import Claims
from minilab.settings import Settings
from minilab.tenants.directory import Directory
from minilab.tenants.store import Tenants

Way = Literal["ingest", "bus"]
"""Through the ingest queue, or straight to the stream's bus."""


_HOPELESS: Mapping[str, str] = {
    Reason.RESERVED_ATTRIBUTE: "It has an attribute that only the platform sets.",
    Reason.CONFLICT: "Another event of its source and id was accepted; it needs an id of its own.",
}
"""What the processor and landing do not ask again, and what no change of ours can mend."""


class CannotReplay(MinilabError):
    """This event cannot go round again; the message says why."""


@dataclass(frozen=True)
class Ready:
    """A failed event on its way."""

    event: FailedEvent
    way: Way
    stream: str
    body: bytes


_members = msgspec.json.Decoder(dict[str, Raw]).decode
_value = msgspec.json.Decoder().decode
_encode = msgspec.json.encode


class Preparation:
    """Makes failed events ready, one after the other."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._failed_queue = settings.failed_queue
        self._registry = registry
        self._claims = Claims(settings)
        self._tenants = Directory(Tenants(settings))

    def ready(self, event: FailedEvent) -> Ready:
        """Choose the event's way, and claim what no message carries.

        Raises:
            CannotReplay: it cannot go round.
            AwsError: a payload could not be claimed, or a tenant not be looked up, now.
        """
        if event.reason == Reason.CLAIM_LOST and not event.body:
            raise CannotReplay("Its original bytes are lost.")
        if event.stage == "landing":
            if event.shard == self._failed_queue:
                raise CannotReplay("It is no event, but a message of the failed queue.")
            stream = _stream_of(event, self._registry)
            return Ready(event, "bus", stream, _for_bus(event, self._claims))
        if event.tenant is None or not is_tenant(event.tenant):
            raise CannotReplay("It has no tenant: nobody was authenticated who could have sent it.")
        if event.reason in _HOPELESS:
            raise CannotReplay(_HOPELESS[event.reason])
        stream = _stream_of(event, self._registry)
        if event.stage == "ingest":
            self._check_allowed(event.tenant, stream)
        return Ready(event, "ingest", stream, _for_ingest(event.body, event.tenant, self._claims))

    def _check_allowed(self, name: str, stream: str) -> None:
        """As the API does; what it accepted once stays accepted."""
        tenant = self._tenants.tenant(name)
        if tenant is None or not tenant.may_use(stream):
            raise CannotReplay(f"The tenant {name} may not send to the stream {stream}.")


def _stream_of(event: FailedEvent, registry: Registry) -> str:
    if event.stream in registry.streams:
        return event.stream
    contract = registry.contracts.get(event.type or "")
    if contract is not None:
        return contract.stream
    raise CannotReplay(
        f"It is of no stream, and no contract of its type ({event.type or 'unknown'}) tells one.",
        hint="Add contracts/<type>.json, then replay it.",
    )


def _for_bus(event: FailedEvent, claims: Claims) -> bytes:
    """The original bytes. Large ones are claimed where that can be; the bus judges the others."""
    if len(event.body) <= MAX_INLINE_BYTES or event.tenant is None:
        return event.body
    try:
        return _claimed(event.body, event.tenant, claims)
    except CannotReplay:
        return event.body


def _for_ingest(body: bytes, tenant: str, claims: Claims) -> bytes:
    body = _with_tenant(body, tenant)
    return body if size_in_message(body) <= MAX_INLINE_BYTES else _claimed(body, tenant, claims)


def _with_tenant(body: bytes, tenant: str) -> bytes:
    """The event with the tenant that it lacks, as the API sets it; what is no event as it is.

    Raises:
        CannotReplay: it says that it is another tenant's.
    """
    members = _members_of(body)
    if members is None:
        return body
    try:
        said = _value(members.get("tenant", b"null"))
    except msgspec.DecodeError:  # such as a number that nothing holds
        said = bytes(members["tenant"]).decode()
    if said is None:
        return _encode(members | {"tenant": Raw(_encode(tenant))})
    if said != tenant:
        raise CannotReplay(f"Its tenant is {str(said)[:64]!r}, but {tenant!r} sent it.")
    return body


def _claimed(body: bytes, tenant: str, claims: Claims) -> bytes:
    """The event without its payload, which is stored apart (CloudEvents extension "Dataref").

    Raises:
        CannotReplay: it is too large, and not because of a payload.
    """
    members = _members_of(body)
    if members is None or "dataref" in members or not is_tenant(tenant):
        raise _too_large(body)
    if ("data" in members) is ("data_base64" in members):
        raise _too_large(body)
    try:
        large = split(body)
    except (msgspec.MsgspecError, ValueError):  # data_base64 is no text
        raise _too_large(body) from None
    if len(_encode(large.envelope)) > MAX_ENVELOPE_BYTES:
        raise _too_large(body)
    return large.claimed_as(claims.put(tenant, large.payload, large.kind))


def _members_of(body: bytes) -> dict[str, Raw] | None:
    """The event's members, undecoded; None where it is none, or has one twice."""
    try:
        members = _members(body)
        return None if duplicate_keys(body, whole=False) else members
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _too_large(body: bytes) -> CannotReplay:
    return CannotReplay(f"It has {len(body):,} bytes; no message holds them, and no claim.")
