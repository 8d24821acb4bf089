"""Whether events may come in: what landing asks of them, and what the API asks besides.

Landing's rules (``events.validation``) decide what an event must be. The API adds who may send it:
the tenant is the one that was authenticated, the stream is one of its own, and attributes that the
platform sets are left to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from minilab.bus.ingest_queue import MAX_INLINE_BYTES
from minilab.events.envelope import PLATFORM_ATTRIBUTES
from minilab.events.failures import Reason, Violation
from minilab.events.formats import MAX_ENRICHMENT_BYTES, MAX_EVENT_BYTES, duplicate_keys
from minilab.events.registry import UNROUTED, Registry, Stream
from minilab.events.validation import StreamRules
from minilab.tenants.model import Tenant

MAX_ENVELOPE_BYTES = 64 * 1024
"""An event without its payload: that much must fit into a message, whatever is claimed."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An event that may come in."""

    index: int
    stream: str
    id: str
    source: str
    type: str
    original: bytes
    """As it came."""
    body: bytes
    """As it travels: with its tenant."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that may not."""

    index: int
    stream: str
    """What it was meant for, or ``UNROUTED``."""
    reason: str
    violations: tuple[Violation, ...]
    original: bytes
    id: str | None = None
    source: str | None = None
    type: str | None = None


@dataclass(frozen=True)
class Judged:
    ready: tuple[Ready, ...]
    rejected: tuple[Rejected, ...]


class _Peek(msgspec.Struct, gc=False):
    """What is looked at before an event is judged; nothing here is trusted to be right."""

    type: Any = None
    tenant: Any | UnsetType = UNSET
    dataref: Any = None
    receivedat: Any | UnsetType = UNSET
    tenantplan: Any | UnsetType = UNSET
    tenantregion: Any | UnsetType = UNSET
    useragent: Any | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class _Routed:
    """An event on its way to the rules of a stream, with what the API has against it."""

    index: int
    stream: str
    original: bytes
    body: bytes
    reason: Reason | None = None
    violations: tuple[Violation, ...] = ()


_peek = msgspec.json.Decoder(_Peek).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode

_MAX_WITH_TENANT = MAX_EVENT_BYTES + MAX_ENRICHMENT_BYTES
_GRAVEST_FIRST = (Reason.WRONG_TENANT, Reason.FORBIDDEN_STREAM, *Reason)
_UNROUTED_RULES = StreamRules(
    Registry({UNROUTED: Stream(UNROUTED, "sqs", "", "any", "")}, {}),
    UNROUTED,
    max_bytes=_MAX_WITH_TENANT,
)
"""The envelope's rules alone, for events of which no stream is known."""


class Judge:
    """Judges events of any stream. Safe to share between threads."""

    def __init__(self, registry: Registry, claims_prefix: str) -> None:
        """``claims_prefix`` begins the URI of every claimed payload.

        Raises:
            RegistryError: a contract cannot be used.
        """
        self._home = {contract.type: contract.stream for contract in registry.contracts.values()}
        self._rules = {
            name: StreamRules(registry, name, max_bytes=_MAX_WITH_TENANT)
            for name in registry.streams
        }
        self._rules[UNROUTED] = _UNROUTED_RULES
        self._any = [s.name for s in registry.streams.values() if s.contract == "any"]
        self._claims_prefix = claims_prefix

    def judge(self, tenant: Tenant, stream: str | None, events: Sequence[bytes]) -> Judged:
        """Tell acceptable events of a request from others; each ends on one side.

        ``stream`` is the one that the request names, or None: then a type tells it.
        """
        by_stream: dict[str, list[_Routed]] = {}
        for index, body in enumerate(events):
            routed = self._route(tenant, stream, index, body)
            by_stream.setdefault(routed.stream, []).append(routed)
        ready: list[Ready] = []
        rejected: list[Rejected] = []
        for name, group in by_stream.items():
            for verdict in self._verdicts(name, group):
                (ready if isinstance(verdict, Ready) else rejected).append(verdict)  # type: ignore[arg-type]
        by_index = lambda verdict: verdict.index  # noqa: E731
        return Judged(tuple(sorted(ready, key=by_index)), tuple(sorted(rejected, key=by_index)))

    def _route(self, tenant: Tenant, stream: str | None, index: int, body: bytes) -> _Routed:
        try:
            seen = _peek(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return _Routed(index, stream or UNROUTED, body, body)  # the rules will say what it is
        target = stream or (
            self._home.get(seen.type, UNROUTED) if isinstance(seen.type, str) else UNROUTED
        )
        found = [*self._broken(tenant, target, seen)]
        reason = found[0][0] if found else None
        violations = tuple(violation for _, violation in found)
        with_tenant = _with_tenant(body, seen.tenant, tenant.name)
        return _Routed(index, target, body, with_tenant, reason, violations)

    def _broken(
        self, tenant: Tenant, stream: str, seen: _Peek
    ) -> Iterator[tuple[Reason, Violation]]:
        """What the API has against an event: reasons and rules, the gravest first."""
        if seen.tenant is not UNSET and seen.tenant is not None and seen.tenant != tenant.name:
            message = f"The key is one of the tenant {tenant.name}; the event names another."
            yield Reason.WRONG_TENANT, Violation("/tenant", "tenant", message)
        if stream == UNROUTED:
            if isinstance(seen.type, str) and seen.type:
                yield Reason.UNKNOWN_TYPE, self._unknown_type(seen.type)
        elif not tenant.may_use(stream):
            message = f"The tenant {tenant.name} may not send to the stream {stream}."
            yield Reason.FORBIDDEN_STREAM, Violation("", "stream", message)
        for name in PLATFORM_ATTRIBUTES:
            if getattr(seen, name) is not UNSET:
                message = f"Only the platform sets {name}."
                yield Reason.RESERVED_ATTRIBUTE, Violation(f"/{name}", "reserved", message)
        if isinstance(seen.dataref, str) and seen.dataref.startswith(self._claims_prefix):
            message = "The platform's own claims cannot be referred to."
            yield Reason.RESERVED_ATTRIBUTE, Violation("/dataref", "reserved", message)

    def _unknown_type(self, kind: str) -> Violation:
        message = f"There is no contract {kind[:200]!r}."
        if self._any:
            paths = ", ".join(f"/v1/streams/{name}/events" for name in self._any)
            message += f" Events without a contract go to {paths}."
        return Violation("/type", "unknown-type", message)

    def _verdicts(self, stream: str, group: list[_Routed]) -> Iterator[Ready | Rejected]:
        verdict = self._rules[stream].sort([routed.body for routed in group])
        for at, rejection in zip(verdict.rejected_at, verdict.rejected, strict=True):
            yield _rejected(
                group[at],
                rejection.reason,
                rejection.violations,
                rejection.id,
                rejection.source,
                rejection.type,
            )
        columns = verdict.accepted
        for n, at in enumerate(verdict.accepted_at):
            routed = group[at]
            id, source, kind = columns.ids[n], columns.sources[n], columns.types[n]
            payload = len(bytes(columns.data[n])) + len(columns.data_base64[n] or "")
            if routed.reason is not None:
                yield _rejected(routed, None, (), id, source, kind)
            elif problem := _too_large(routed.original, routed.body, payload):
                yield _rejected(routed, problem[0], (problem[1],), id, source, kind)
            else:
                yield Ready(routed.index, stream, id, source, kind, routed.original, routed.body)


def _rejected(
    routed: _Routed,
    reason: Reason | None,
    violations: tuple[Violation, ...],
    id: str | None,
    source: str | None,
    kind: str | None,
) -> Rejected:
    """``reason`` and ``violations`` are what was found after the event was routed."""
    reasons = [each for each in (routed.reason, reason) if each is not None]
    return Rejected(
        routed.index,
        routed.stream,
        min(reasons, key=_GRAVEST_FIRST.index),
        (*routed.violations, *violations),
        routed.original,
        id,
        source,
        kind,
    )


def _too_large(original: bytes, body: bytes, payload: int) -> tuple[Reason, Violation] | None:
    """Why an acceptable event cannot travel, although its payload might be claimed."""
    if len(body) <= MAX_ENVELOPE_BYTES:
        return None
    if len(original) > MAX_EVENT_BYTES:
        message = f"{len(original)} bytes; an event has at most {MAX_EVENT_BYTES}."
        return Reason.TOO_LARGE, Violation("", "size", message)
    if len(body) - payload > MAX_ENVELOPE_BYTES:
        message = f"Without its data, an event has at most {MAX_ENVELOPE_BYTES} bytes."
        return Reason.TOO_LARGE, Violation("", "size", message)
    if len(body) > MAX_INLINE_BYTES and _peek(body).dataref is not None:
        message = f"Of more than {MAX_INLINE_BYTES} bytes, it can have no dataref of its own."
        return Reason.RESERVED_ATTRIBUTE, Violation("/dataref", "reserved", message)
    return None


def _with_tenant(body: bytes, said: Any, tenant: str) -> bytes:
    """The event with its tenant, where it has none; else as it is."""
    if said is UNSET:
        head, brace, rest = body.partition(b"{")
        comma = b"" if rest.lstrip(b" \t\r\n").startswith(b"}") else b","
        return b"".join((head, brace, b'"tenant":', _encode(tenant), comma, rest))
    if said is None and not duplicate_keys(body, whole=False):
        # A null member is an absent one (JSON Event Format, section 2.2).
        return _encode(_members(body) | {"tenant": Raw(_encode(tenant))})
    return body
