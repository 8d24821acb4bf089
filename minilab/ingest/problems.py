"""What the API answers where it cannot accept: problem documents (RFC 9457).

One table says of every reason what it is called and which status it has; ``docs/api.md`` and the
OpenAPI document follow from the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from minilab.events.failures import Reason, Violation

MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    status: int
    title: str


# Reasons that an event is not to blame for. Those of events are `minilab.events.failures.Reason`.
UNAUTHENTICATED = "unauthenticated"
SUSPENDED = "suspended"
NOT_FOUND = "not_found"
METHOD_NOT_ALLOWED = "method_not_allowed"
MALFORMED_BINDING = "malformed_binding"
IN_PROGRESS = "in_progress"
UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
RATE_LIMITED = "rate_limited"
UNAVAILABLE = "unavailable"
INTERNAL = "internal"

KINDS: Mapping[str, Kind] = {
    Reason.EMPTY_MESSAGE: Kind(400, "The request has no event"),
    Reason.BAD_COMPRESSION: Kind(400, "The body cannot be unpacked"),
    Reason.NOT_UTF8: Kind(400, "The body is not UTF-8"),
    Reason.TOO_DEEP: Kind(400, "The event nests too deep"),
    Reason.NOT_JSON: Kind(400, "The body is not JSON"),
    Reason.NOT_AN_EVENT: Kind(400, "This is not a CloudEvent"),
    Reason.EMPTY_BATCH: Kind(400, "The batch has no events"),
    MALFORMED_BINDING: Kind(400, "The request does not follow the CloudEvents HTTP binding"),
    UNAUTHENTICATED: Kind(401, "A valid API key is needed"),
    SUSPENDED: Kind(403, "The tenant is suspended"),
    Reason.WRONG_TENANT: Kind(403, "The event names another tenant"),
    Reason.FORBIDDEN_STREAM: Kind(403, "The tenant may not send to this stream"),
    NOT_FOUND: Kind(404, "There is nothing here"),
    METHOD_NOT_ALLOWED: Kind(405, "The method is not allowed here"),
    IN_PROGRESS: Kind(409, "The event is being accepted"),
    Reason.CONFLICT: Kind(409, "Another event has this source and id"),
    Reason.TOO_LARGE: Kind(413, "The request or event is too large"),
    UNSUPPORTED_MEDIA_TYPE: Kind(415, "The media type is not supported"),
    Reason.DUPLICATE_KEY: Kind(422, "A key stands twice in one object"),
    Reason.UNSUPPORTED_SPECVERSION: Kind(422, "The version of CloudEvents is not supported"),
    Reason.MISSING_ATTRIBUTE: Kind(422, "A required attribute is missing"),
    Reason.INVALID_ATTRIBUTE: Kind(422, "An attribute is invalid"),
    Reason.RESERVED_ATTRIBUTE: Kind(422, "An attribute is the platform's own"),
    Reason.UNKNOWN_TYPE: Kind(422, "There is no contract for this type"),
    Reason.WRONG_STREAM: Kind(422, "The type belongs to another stream"),
    Reason.CONTRACT_VIOLATION: Kind(422, "The payload breaks its contract"),
    RATE_LIMITED: Kind(429, "The tenant sends more than its limit"),
    INTERNAL: Kind(500, "The API failed"),
    UNAVAILABLE: Kind(503, "The event cannot be accepted now"),
}
"""Every reason that an answer can have, by status."""


@dataclass(frozen=True)
class Problem:
    """Why something was not accepted."""

    reason: str
    """A key of ``KINDS``."""
    detail: str
    """A sentence for people."""
    violations: tuple[Violation, ...] = ()
    retry_after: int | None = None
    """Seconds after which the same request may succeed; None: it will not."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        return KINDS[self.reason]

    def document(self, instance: str) -> dict[str, Any]:
        """As RFC 9457, section 3, has it; ``instance`` is the request's id."""
        document = {
            "type": type_of(self.reason),
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": instance,
            "reason": str(self.reason),
        }
        if self.violations:
            document["violations"] = [violation._asdict() for violation in self.violations]
        return document


def type_of(reason: str) -> str:
    """The problem's type: a reference relative to the API."""
    return "/problems/" + reason.replace("_", "-")


class ProblemError(Exception):
    """The request as a whole is answered with a problem; ``events`` are how many it brought."""

    def __init__(self, problem: Problem, events: int = 1) -> None:
        super().__init__(problem.reason)
        self.problem = problem
        self.events = events


def unavailable(detail: str, retry_after: int) -> Problem:
    """Nothing is wrong with the event; it has to come again."""
    return Problem(UNAVAILABLE, detail, retry_after=retry_after)
