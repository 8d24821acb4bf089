"""Why an event cannot be accepted: the reason codes that failed events carry everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """One code per kind of failure. The first that applies, in this order, is an event's reason.

    Those of the first group lie in the event itself, and every stage finds the same. Those of the
    others are one stage's own.
    """

    EMPTY_MESSAGE = "empty_message"
    BAD_COMPRESSION = "bad_compression"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    TOO_DEEP = "too_deep"  # decided from the brackets alone, before anything is parsed
    NOT_JSON = "not_json"  # also NaN and Infinity, which JSON does not have
    DUPLICATE_KEY = "duplicate_key"  # readers disagree which one counts (RFC 8259, section 4)
    NOT_AN_EVENT = "not_an_event"  # JSON, but neither an object nor an array of objects
    EMPTY_BATCH = "empty_batch"
    UNSUPPORTED_SPECVERSION = "unsupported_specversion"
    MISSING_ATTRIBUTE = "missing_attribute"
    INVALID_ATTRIBUTE = "invalid_attribute"
    UNKNOWN_TYPE = "unknown_type"  # the stream wants a contract and there is none
    WRONG_STREAM = "wrong_stream"  # the type's contract belongs to another stream
    CONTRACT_VIOLATION = "contract_violation"

    # Ingest: the event and who brought it.
    WRONG_TENANT = "wrong_tenant"  # its tenant is not the authenticated one; processing asks too
    FORBIDDEN_STREAM = "forbidden_stream"  # the tenant may not send to this stream
    RESERVED_ATTRIBUTE = "reserved_attribute"  # an attribute that only the platform sets
    CONFLICT = "conflict"  # another event has this source and id

    # Processing and landing.
    UNDELIVERABLE = "undeliverable"  # every try failed, or the worker died on it
    CLAIM_LOST = "claim_lost"  # the claimed payload is gone, damaged, or another tenant's


class Violation(NamedTuple):
    """One broken rule."""

    path: str
    """JSON Pointer (RFC 6901) to the place in the event, such as ``/data/seats``."""
    rule: str
    """The rule's name: a JSON Schema keyword, or a word of the CloudEvents specification."""
    message: str
    """A sentence for people."""
