"""Claims redeemed: what did not fit into a message takes its place in the event again.

The ingestion API stores a large payload on S3 and sends ``dataref`` in its stead
(``minilab.lake.claims``). Here the payload is fetched, and from now on the event is as it was
before. Only a ``dataref`` into our own claims counts, and only into those of the event's own
tenant; any other one is an extension attribute like others.

S3 deletes a claim long after a bus has forgotten its message (``layout.CLAIMS_DAYS``), and its name
says what its bytes are. So the same messages give the same events, also in a replay. (A claim that
was lost and is put back between a crash and its replay lands; its failed event stays beside it.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import msgspec
from msgspec import Raw

from minilab.events.failures import Reason, Violation
from minilab.events.formats import MAX_MESSAGE_BYTES, duplicate_keys
from minilab.events.validation import Rejection
from minilab.lake.claims import ClaimError, Kind
from minilab.landing.opening import Failure, Opened
from minilab.landing.ports import ClaimsPort

_FETCHES = 8
"""Payloads on their way at once: at most so many are held beyond those that are in their place."""

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str | None).decode
_any_json = msgspec.json.Decoder(Raw).decode
_json = msgspec.json.encode


def redeem(opened: Opened, claims: ClaimsPort) -> Opened:
    """The same events, those that claim a payload whole.

    A claim that never will be had makes its event a failed one (``claim_lost``), with its bytes as
    they came. So does one with which its message would be larger than any message (``too_large``).

    Raises:
        AwsError: a claim cannot be read now.
    """
    claiming = list(_claims_in(opened, claims.uri_prefix))
    if not claiming:
        return opened
    events = list(opened.events)
    lost: dict[int, Failure] = {}
    sizes: dict[int, int] = {}
    for claim, payload in _fetched(claiming, claims):
        message, _ = opened.place_of(claim.event)
        try:
            whole = _whole(claim, payload)
        except ClaimError as error:
            lost[claim.event] = _failure(opened, claim, Reason.CLAIM_LOST, error.message)
            continue
        size = sizes.get(message, 0) + len(whole)
        if size > MAX_MESSAGE_BYTES:
            why = f"With this one, its message claims more than {MAX_MESSAGE_BYTES} bytes."
            lost[claim.event] = _failure(opened, claim, Reason.TOO_LARGE, why)
            continue
        sizes[message] = size
        events[claim.event] = whole
    return _without(replace(opened, events=events, claiming=()), lost)


@dataclass(frozen=True)
class _Claim:
    """An event that claims its payload."""

    event: int
    members: dict[str, Raw]
    """All of it, in order, undecoded."""
    tenant: str | None
    uri: str


def _claims_in(opened: Opened, uri_prefix: str) -> Iterator[_Claim]:
    for event in opened.claiming:
        claim = _claim_in(event, opened.events[event], uri_prefix)
        if claim is not None:
            yield claim


def _claim_in(event: int, body: bytes, uri_prefix: str) -> _Claim | None:
    """None where this is no event that claims: then it is judged as it is."""
    try:
        members = _members(body)
        uri = _text(members["dataref"]) or ""
        tenant = _text(members["tenant"]) if "tenant" in members else None
        unclear = duplicate_keys(body, whole=False)
    except (msgspec.MsgspecError, KeyError, ValueError, RecursionError):
        return None
    if unclear or "data" in members or "data_base64" in members:
        return None
    return _Claim(event, members, tenant, uri) if uri.startswith(uri_prefix) else None


_Payload = tuple[Kind, bytes] | ClaimError


def _fetched(claiming: Sequence[_Claim], claims: ClaimsPort) -> Iterator[tuple[_Claim, _Payload]]:
    """Each with its payload, or why it never will be had: in order, several fetched at once."""

    def fetch(claim: _Claim) -> _Payload:
        if claim.tenant is None:
            return ClaimError("An event without a tenant has no claims.")
        try:
            return claims.get(claim.tenant, claim.uri)
        except ClaimError as error:
            return error

    with ThreadPoolExecutor(_FETCHES, thread_name_prefix="claims") as pool:
        waiting = iter(claiming)
        fetches: deque[tuple[_Claim, Future[_Payload]]] = deque()
        try:
            while True:
                for claim in islice(waiting, _FETCHES - len(fetches)):
                    fetches.append((claim, pool.submit(fetch, claim)))
                if not fetches:
                    return
                claim, future = fetches.popleft()
                yield claim, future.result()
        finally:
            for _, future in fetches:
                future.cancel()


def _whole(claim: _Claim, payload: _Payload) -> bytes:
    """The event with its payload. Raises ClaimError where that is none."""
    if isinstance(payload, ClaimError):
        raise payload
    kind, content = payload
    try:
        match kind:
            case "json":
                name, value = "data", _any_json(content)
            case "base64":
                name, value = "data_base64", Raw(_json(content.decode("ascii")))
            case _:
                raise ClaimError(f"{claim.uri} is no event's payload.")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ClaimError(f"{claim.uri} is no {kind} text.") from None
    return _json(
        {
            name if member == "dataref" else member: value if member == "dataref" else raw
            for member, raw in claim.members.items()
        }
    )


def _failure(opened: Opened, claim: _Claim, reason: Reason, why: str) -> Failure:
    def known(name: str) -> str | None:
        try:
            text: str | None = _text(claim.members[name])
        except (KeyError, msgspec.MsgspecError):
            return None
        return text

    violation = Violation("/dataref", "claim", why)
    return opened.failure(
        claim.event,
        Rejection(reason, (violation,), known("id"), known("source"), known("type"), claim.tenant),
    )


def _without(opened: Opened, lost: dict[int, Failure]) -> Opened:
    """The events but these, which failed."""
    if not lost:
        return opened
    left = [index for index in range(len(opened.events)) if index not in lost]
    places = [opened.place_of(index) for index in left]
    return replace(
        opened,
        events=[opened.events[index] for index in left],
        message_of=[message for message, _ in places],
        item_of=[item for _, item in places],
        failures=[*opened.failures, *lost.values()],
    )
