"""Enrichment is the same event and a few attributes, whatever the event is."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilab.events.envelope import PLATFORM_ATTRIBUTES as NAMES
from minilab.processing.enrich import enrich, look_at, members

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.dictionaries(TEXT | st.sampled_from(NAMES), JSON, max_size=6)
ATTRIBUTES = st.fixed_dictionaries({name: st.none() | TEXT for name in NAMES})
SPACE = st.text(" \t\r\n", max_size=3)


def set_attributes(event: bytes, attributes: dict[str, str | None]) -> bytes:
    return enrich(event, look_at(event), attributes, members(attributes))


def pairs(event: bytes) -> list[tuple[str, Any]]:
    """The members of the outermost object, duplicates too."""
    found: list[tuple[str, Any]] = []

    def keep(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found[:] = members  # the outermost object ends last
        return dict(members)

    json.loads(event, object_pairs_hook=keep)
    return found


@given(EVENTS, ATTRIBUTES, SPACE, st.booleans())
def test_it_is_the_same_event_with_the_attributes_that_it_did_not_have(
    event: dict[str, Any], attributes: dict[str, str | None], space: str, is_ascii: bool
) -> None:
    text = (space + json.dumps(event, ensure_ascii=is_ascii) + space).encode()
    enriched = set_attributes(text, attributes)
    new = {name: value for name, value in attributes.items() if value and name not in event}
    assert json.loads(enriched) == event | new
    assert Counter(dict(pairs(enriched)).keys()) == Counter(name for name, _ in pairs(enriched))
    inner = text.lstrip()[1:]
    assert enriched.endswith(inner), "what came stays byte for byte"


@given(EVENTS, ATTRIBUTES, ATTRIBUTES)
def test_a_second_time_changes_nothing_that_is_set(
    event: dict[str, Any], first: dict[str, str | None], second: dict[str, str | None]
) -> None:
    once = set_attributes(json.dumps(event).encode(), first)
    twice = set_attributes(once, second)
    assert json.loads(once).items() <= json.loads(twice).items()
    assert set_attributes(once, first) == once


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_written_with_escapes_is_seen(name: str) -> None:
    escaped = "".join(f"\\u{ord(c):04x}" for c in name)
    event = f'{{"id":"1","{escaped}":"mine"}}'.encode()
    assert set_attributes(event, dict.fromkeys(NAMES, "ours")).count(b"ours") == len(NAMES) - 1


def test_a_name_in_the_data_is_another_one() -> None:
    event = b'{"id":"1","data":{"receivedat":"theirs"}}'
    enriched = set_attributes(event, {"receivedat": "now"})
    assert enriched == b'{"receivedat":"now","id":"1","data":{"receivedat":"theirs"}}'


def test_an_empty_object_and_an_empty_value() -> None:
    assert set_attributes(b" { } ", {"receivedat": "now"}) == b'{"receivedat":"now" } '
    assert set_attributes(b"{}", {"useragent": "", "tenantplan": None}) == b"{}"
