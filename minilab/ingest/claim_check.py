"""An event too large for a message, told apart into what travels and what is claimed."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import Raw

from minilab.lake.claims import Kind

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode


@dataclass(frozen=True)
class Split:
    """An acceptable event without its payload, and that payload."""

    envelope: dict[str, Raw]
    payload: bytes
    kind: Kind

    def claimed_as(self, uri: str) -> bytes:
        """The event as it travels: where its data was, it says where they lie."""
        return _encode(self.envelope | {"dataref": Raw(_encode(uri))})


def split(event: bytes) -> Split:
    """Take ``data`` or ``data_base64`` (as base64 text) out of an acceptable event that has one."""
    members = _members(event)
    data = members.pop("data", None)
    if data is not None:
        return Split(members, bytes(data), "json")
    return Split(members, _text(members.pop("data_base64")).encode(), "base64")
