"""Whether events are acceptable on a stream: the envelope's rules and the contract's together.

Two roads, one verdict. ``judge`` looks at one event with care and names every broken rule; it is
the truth. ``accept`` looks at many at once and either accepts them all, exactly as ``judge``
would, or says that at least one wants a careful look. ``sort`` takes the fast road and goes down to
the careful one only where it must: that is what the ingestion API and landing call, for one event
as for a hundred thousand. Nothing here needs more than msgspec and jsonschema-rs, so that a Lambda
function can carry it.

Decisions that the specifications leave open:

- **Duplicate keys**, in the envelope or (where there is a contract) in the payload, are refused:
  parsers disagree which one counts, so what was validated would not be what is queried.
- **NaN, Infinity**, lone surrogates and comments are not JSON.
- **Depth** of more than 100 and **events** of more than 5 MiB are refused unparsed.
- **Payloads in ``data_base64``** break a contract, which describes JSON in ``data``.
- **Members that a contract does not name** are as the schema says (``additionalProperties``).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from minilab.events.contracts import CompiledContract
from minilab.events.envelope import (
    ATTRIBUTES,
    PLATFORM_ATTRIBUTES,
    REQUIRED,
    Envelope,
    are_plain_times,
    attribute_violations,
    canonical_time,
    has_control_characters,
    is_dataschema,
    is_media_type,
    is_source,
    is_tenant,
)
from minilab.events.failures import Reason, Violation
from minilab.events.formats import (
    MAX_EVENT_BYTES,
    Refused,
    check_depth,
    check_utf8,
    duplicate_keys,
    refused,
)
from minilab.events.registry import Registry

_CHUNKS = (1024, 64, 1)
"""How many events are looked at together, before and after one of them gave doubt."""

_NO_DATA = Raw()
_WHITE_SPACE = b" \t\r\n"

_decode = msgspec.json.Decoder(Envelope).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_value = msgspec.json.Decoder().decode
_json = msgspec.json.encode

_Platform = msgspec.defstruct(
    "_Platform", [(name, str | None, None) for name in PLATFORM_ATTRIBUTES], omit_defaults=True
)
_PlatformValues = tuple[str | None, str | None, str | None, str | None]
_NOT_ENRICHED: _PlatformValues = (None, None, None, None)


class Doubt(Exception):
    """At least one of these events wants a careful look."""


class Rejection(NamedTuple):
    """An event that cannot be accepted, and what could be read of it."""

    reason: Reason
    violations: tuple[Violation, ...]
    id: str | None = None
    source: str | None = None
    type: str | None = None
    tenant: str | None = None


class Accepted(NamedTuple):
    """Accepted events as columns of equal length, in their order.

    ``times`` are RFC 3339 texts of at most microseconds, ``data`` are JSON texts, empty if absent.
    ``extensions`` are JSON objects of all other attributes, by name.
    """

    ids: list[str]
    sources: list[str]
    types: list[str]
    times: list[str | None]
    subjects: list[str | None]
    tenants: list[str | None]
    datacontenttypes: list[str | None]
    dataschemas: list[str | None]
    extensions: list[str | None]
    data: list[Raw]
    data_base64: list[str | None]

    @classmethod
    def none(cls) -> Accepted:
        return cls(*([] for _ in cls._fields))

    def append(self, more: Accepted) -> None:
        columns: list[Any] = list(self)
        for column, values in zip(columns, list[Any](more), strict=True):
            column.extend(values)


class Sorted(NamedTuple):
    """The verdict on a sequence of events. The two lists of indexes point into it, ascending."""

    accepted: Accepted
    accepted_at: list[int]
    rejected: list[Rejection]
    rejected_at: list[int]


KeyCounter = Callable[[bytes], int]
"""Says how many keys JSON texts have: exactly that many, or more; never less."""


def count_keys(text: bytes) -> int:
    """How many keys these JSON texts have, or more where strings look like one.

    Without white space, the bytes ``":`` stand once after each key. Inside a string they may stand
    too, which only raises the count. So, summed over many events, it equals the number of members
    decoded only where no event has a key twice.
    """
    return text.translate(None, _WHITE_SPACE).count(b'":')


class StreamRules:
    """What one stream accepts."""

    def __init__(
        self, registry: Registry, stream: str, *, max_bytes: int = MAX_EVENT_BYTES
    ) -> None:
        """``max_bytes`` is the size of the largest event.

        Raises:
            RegistryError: there is no such stream, or a contract cannot be used.
        """
        self._max_bytes = max_bytes
        self.stream = registry.stream(stream)
        self._streams_by_type = {c.type: c.stream for c in registry.contracts.values()}
        self._foreign_types = {t for t, home in self._streams_by_type.items() if home != stream}
        self._required = self.stream.contract == "required"
        self._contracts = (
            {c.type: CompiledContract(c) for c in registry.contracts_of(stream)}
            if self._required
            else {}
        )
        self._payload_decoders = {
            name: contract.decode_fast
            for name, contract in self._contracts.items()
            if contract.decode_fast is not None
        }

        self._flat = all(c.count_members is len for c in self._contracts.values())

    def sort(self, bodies: Sequence[bytes], count_keys: KeyCounter = count_keys) -> Sorted:
        """Tell acceptable events from others; every event ends on one side."""
        result = Sorted(Accepted.none(), [], [], [])
        self._sort(bodies, 0, _CHUNKS, count_keys, result)
        return result

    def _sort(
        self,
        bodies: Sequence[bytes],
        start: int,
        sizes: tuple[int, ...],
        count_keys: KeyCounter,
        into: Sorted,
    ) -> None:
        size, *smaller = sizes
        for offset in range(0, len(bodies), size):
            chunk = bodies[offset : offset + size]
            first = start + offset
            try:
                into.accepted.append(self.accept(chunk, count_keys))
                into.accepted_at.extend(range(first, first + len(chunk)))
            except (Doubt, msgspec.MsgspecError, UnicodeError, KeyError, RecursionError):
                if smaller:
                    self._sort(chunk, first, tuple(smaller), count_keys, into)
                    continue
                verdict = self.judge(chunk[0])
                if isinstance(verdict, Rejection):
                    into.rejected.append(verdict)
                    into.rejected_at.append(first)
                else:
                    into.accepted.append(verdict)
                    into.accepted_at.append(first)

    # The fast road -------------------------------------------------------------------------

    def accept(self, bodies: Sequence[bytes], count_keys: KeyCounter = count_keys) -> Accepted:
        """Accept all of these events, each the bytes of one.

        Raises:
            Doubt, MsgspecError, UnicodeError, KeyError or RecursionError: not all, or not surely.
        """
        if max(map(len, bodies)) > self._max_bytes:
            raise Doubt
        events = [_decode(body) for body in bodies]
        extensions, extensions_set = _platform_extensions(events)
        columns = Accepted(
            [e.id for e in events],
            [e.source for e in events],
            [e.type for e in events],
            [e.time for e in events],
            [e.subject for e in events],
            [e.tenant for e in events],
            [e.datacontenttype for e in events],
            [e.dataschema for e in events],
            extensions,
            [e.data for e in events],
            [e.data_base64 for e in events],
        )
        _check_attributes(columns, tenant_required=self._required)
        if self._required:
            texts, members = bodies, self._members_of_payloads(columns)
        else:
            texts, members = self._envelopes(bodies, columns), 0
        with_data = len(events) - columns.data.count(_NO_DATA)
        text = b"".join(texts)
        if not text.isascii():
            text.decode()
        attributes = _attributes_set(columns) + extensions_set
        if count_keys(text) != attributes + with_data + members:
            raise Doubt
        return columns

    def _members_of_payloads(self, columns: Accepted) -> int:
        """How many members these payloads have together; raises unless each keeps its contract."""
        if columns.data_base64.count(None) != len(columns.data_base64):
            raise Doubt
        decoders = self._payload_decoders
        payloads = [
            decoders[kind](data) for kind, data in zip(columns.types, columns.data, strict=True)
        ]
        if self._flat:
            return sum(map(len, payloads))
        contracts = self._contracts
        return sum(
            contracts[kind].count_members(payload)
            for kind, payload in zip(columns.types, payloads, strict=True)
        )

    def _envelopes(self, bodies: Sequence[bytes], columns: Accepted) -> list[bytes]:
        """The texts of these events without their payloads, which may be any JSON."""
        if not self._foreign_types.isdisjoint(columns.types):
            raise Doubt
        for body in bodies:
            _check_utf8_and_depth(body)
        payloads = list(map(bytes, columns.data))
        if columns.data_base64.count(None) != len(bodies):
            _check_base64(columns.data_base64, payloads)
        # Objects and arrays stand nowhere else in an envelope whose attributes are all strings;
        # other payloads have no keys, and stay.
        return [
            body.replace(data, b"", 1) if data[:1] in (b"{", b"[") else body
            for body, data in zip(bodies, payloads, strict=True)
        ]

    # The careful road ----------------------------------------------------------------------

    def judge(self, body: bytes) -> Accepted | Rejection:
        """Look at one event: an ``Accepted`` of length 1, or all that is wrong with it."""
        try:
            members = read_members(body, self._max_bytes)
        except Refused as error:
            return Rejection(error.reason, error.violations)
        data = members.pop("data", None)
        attributes = {name: _read_value(raw) for name, raw in members.items()}
        known = {
            name: value if isinstance(value := attributes.get(name), str) else None
            for name in ("id", "source", "type", "tenant")
        }
        try:
            found = [
                *self._duplicates(body),
                *attribute_violations(attributes, tenant_required=self._required),
                *_data_violations(data, attributes),
                *self._type_violations(known["type"]),
                *self._contract_violations(known["type"], data),
            ]
        except Refused as error:
            return Rejection(error.reason, error.violations, **known)
        if found:
            reason = min((_reason_of(v) for v in found), key=list(Reason).index)
            return Rejection(reason, tuple(found), **known)
        return _accepted_one(attributes, members, data)

    def _duplicates(self, body: bytes) -> list[Violation]:
        names = duplicate_keys(body, whole=self._required)
        return [
            Violation("", "duplicate-key", f"The key {name[:200]!r} stands twice in one object.")
            for name in names[:20]
        ]

    def _type_violations(self, kind: str | None) -> Iterable[Violation]:
        if not kind or kind in self._contracts:
            return
        if kind in self._foreign_types:
            home = self._streams_by_type[kind]
            yield Violation(
                "/type",
                "wrong-stream",
                f"{kind} belongs to the stream {home}, not to {self.stream.name}.",
            )
        elif self._required:
            yield Violation(
                "/type",
                "unknown-type",
                f"There is no contract {kind[:200]!r}; the stream {self.stream.name} has "
                f"{', '.join(sorted(self._contracts))}.",
            )

    def _contract_violations(self, kind: str | None, data: Raw | None) -> Iterable[Violation]:
        contract = self._contracts.get(kind) if kind else None
        if contract is None:
            return
        if data is None:
            yield Violation("/data", "required", "The event has no data; its contract wants some.")
            return
        try:
            payload = _value(data)
        except msgspec.DecodeError as error:
            yield Violation("/data", "number", f"A number that no reader can hold: {error}")
            return
        yield from contract.violations(payload)


def _check_attributes(columns: Accepted, *, tenant_required: bool) -> None:
    """Raises Doubt unless every attribute surely keeps the rules of ``envelope``."""
    tenants = set(columns.tenants)
    if not tenant_required:
        tenants.discard(None)
    if None in tenants or not _all(is_tenant, tenants):
        raise Doubt
    if not (
        _all(is_source, set(columns.sources))
        and _all(is_dataschema, set(columns.dataschemas) - {None})
        and _all(is_media_type, set(columns.datacontenttypes) - {None})
    ):
        raise Doubt
    if (
        has_control_characters(columns.ids)
        or has_control_characters(set(columns.types))
        or has_control_characters(s for s in columns.subjects if s is not None)
    ):
        raise Doubt
    if not are_plain_times([time for time in columns.times if time is not None]):
        raise Doubt


def _all(rule: Callable[[str], bool], values: Iterable[str | None]) -> bool:
    return all(value is not None and rule(value) for value in values)


def _platform_extensions(events: Sequence[Envelope]) -> tuple[list[str | None], int]:
    """The extensions column of these events, and how many attributes stand in it.

    Raises Doubt where one of them has a control character.
    """
    values = [(e.receivedat, e.tenantplan, e.tenantregion, e.useragent) for e in events]
    distinct = set(values)
    if distinct == {_NOT_ENRICHED}:
        return [None] * len(events), 0
    if has_control_characters(v for some in distinct for v in some if v is not None):
        raise Doubt
    texts: dict[_PlatformValues, str | None] = {
        some: _json(_Platform(*some)).decode() for some in distinct
    }
    texts[_NOT_ENRICHED] = None
    unset = sum(some.count(None) for some in values)
    return [texts[some] for some in values], len(PLATFORM_ATTRIBUTES) * len(events) - unset


def _attributes_set(columns: Accepted) -> int:
    """How many attributes (without ``data`` and extensions) these events have together."""
    size = len(columns.ids)
    optional = (
        columns.times,
        columns.subjects,
        columns.tenants,
        columns.datacontenttypes,
        columns.dataschemas,
        columns.data_base64,
    )
    return len(REQUIRED) * size + sum(size - values.count(None) for values in optional)


def _check_base64(encoded: Sequence[str | None], data: Sequence[bytes]) -> None:
    """Raises Doubt unless each is base64, and the event's only payload."""
    for text, other in zip(encoded, data, strict=True):
        if text is not None and (other or not _is_base64(text)):
            raise Doubt


def _check_utf8_and_depth(body: bytes) -> None:
    """Raises Doubt where a text is not UTF-8 or too deep."""
    try:
        check_utf8(body)
        check_depth(body)
    except Refused:
        raise Doubt from None


def read_members(body: bytes, max_bytes: int = MAX_EVENT_BYTES) -> dict[str, Raw]:
    """The members of one event's JSON object, undecoded.

    Raises:
        Refused: too large, not UTF-8, too deep, not JSON, or not an object.
    """
    if len(body) > max_bytes:
        raise refused(
            Reason.TOO_LARGE, "size", f"{len(body)} bytes; an event has at most {max_bytes}."
        )
    if not body.strip(b" \t\r\n"):
        raise refused(Reason.EMPTY_MESSAGE, "message", "There are no bytes but white space.")
    check_utf8(body)
    check_depth(body)
    try:
        return _members(body)
    except msgspec.ValidationError as error:
        raise refused(Reason.NOT_AN_EVENT, "object", str(error)) from None
    except msgspec.DecodeError as error:
        raise refused(Reason.NOT_JSON, "json", str(error)) from None
    except RecursionError:
        raise refused(Reason.TOO_DEEP, "depth", "It nests too deep to be read.") from None


class _Unreadable:
    """Stands for a value that no Python value can hold, such as a number of 5,000 digits."""


def _read_value(raw: Raw) -> Any:
    try:
        return _value(raw)
    except msgspec.DecodeError:
        return _Unreadable()


def _data_violations(data: Raw | None, attributes: dict[str, Any]) -> Iterable[Violation]:
    base64 = attributes.get("data_base64")
    if data is not None and base64 is not None:
        yield Violation("/data_base64", "one-payload", "data and data_base64 exclude each other.")
    if isinstance(base64, str) and not _is_base64(base64):
        yield Violation("/data_base64", "base64", "This is not base64 (RFC 4648, section 4).")


def _is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _reason_of(violation: Violation) -> Reason:
    match violation:
        case ("", "duplicate-key", _):
            return Reason.DUPLICATE_KEY
        case (_, "specversion", _):
            return Reason.UNSUPPORTED_SPECVERSION
        case ("/data", _, _):
            return Reason.CONTRACT_VIOLATION
        case (path, _, _) if path.startswith("/data/"):
            return Reason.CONTRACT_VIOLATION
        case (_, "required", _):
            return Reason.MISSING_ATTRIBUTE
        case ("/type", "unknown-type", _):
            return Reason.UNKNOWN_TYPE
        case ("/type", "wrong-stream", _):
            return Reason.WRONG_STREAM
        case _:
            return Reason.INVALID_ATTRIBUTE


def _accepted_one(
    attributes: dict[str, Any], members: dict[str, Raw], data: Raw | None
) -> Accepted:
    others = {
        name: _json(value) if isinstance(value, str) else bytes(members[name])
        for name, value in sorted(attributes.items())
        if name not in ATTRIBUTES and value is not None
    }
    text = ",".join(f'"{name}":{value.decode()}' for name, value in others.items())
    time = attributes.get("time")
    return Accepted(
        [attributes["id"]],
        [attributes["source"]],
        [attributes["type"]],
        [None if time is None else canonical_time(time)],
        [attributes.get("subject")],
        [attributes.get("tenant")],
        [attributes.get("datacontenttype")],
        [attributes.get("dataschema")],
        ["{" + text + "}" if others else None],
        [Raw() if data is None else data],
        [attributes.get("data_base64")],
    )
