"""Enrichment: what the platform knows of an event, set as CloudEvents extension attributes.

The API refuses their names (``events.envelope.PLATFORM_ATTRIBUTES``) from clients, so what an
event has of them the platform set: one that was replayed keeps its own. They are put into the
event's bytes behind its opening brace; everything else stays byte for byte as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

_WHITE_SPACE = b" \t\r\n"


class Known(msgspec.Struct, gc=False):
    """Of an event's JSON, what the processor looks at."""

    tenant: Any = None
    receivedat: Raw | UnsetType = UNSET
    tenantplan: Raw | UnsetType = UNSET
    tenantregion: Raw | UnsetType = UNSET
    useragent: Raw | UnsetType = UNSET

    @property
    def is_enriched(self) -> bool:
        """Whether it has any of our attributes, a null too."""
        return not (
            self.receivedat is UNSET
            and self.tenantplan is UNSET
            and self.tenantregion is UNSET
            and self.useragent is UNSET
        )


look_at = msgspec.json.Decoder(Known).decode
"""What the processor looks at in an event. Raises msgspec.MsgspecError: it is no JSON object."""


def members(attributes: Mapping[str, str | None]) -> bytes:
    """Attributes as JSON members, each with a comma behind it; without those that are empty."""
    return b"".join(
        msgspec.json.encode(name) + b":" + msgspec.json.encode(value) + b","
        for name, value in attributes.items()
        if value
    )


def enrich(event: bytes, known: Known, attributes: Mapping[str, str | None], added: bytes) -> bytes:
    """The event with those of ``attributes`` that it does not have.

    ``event`` is a JSON object, ``known`` what ``look_at`` says of it, and ``added`` the
    ``members`` of ``attributes``: one text for all events of a request.
    """
    if known.is_enriched:
        added = members({n: v for n, v in attributes.items() if getattr(known, n) is UNSET})
    inner = event[1:] if event.startswith(b"{") else event.lstrip(_WHITE_SPACE)[1:]
    if inner.lstrip(_WHITE_SPACE).startswith(b"}"):
        added = added[:-1]
    return b"{" + added + inner
