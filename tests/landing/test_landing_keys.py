"""The fast count of keys against the plain one, and against the truth."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from minilab.events import validation
from minilab.landing.keys import count_keys

TEXT = st.text('a":\\ \n{', max_size=6)
JSON = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def members(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(members, value.values()))
    return sum(map(members, value)) if isinstance(value, list) else 0


@given(st.lists(JSON, max_size=3), st.sampled_from([":", " :", ": ", "\n:", "\t : "]))
@settings(max_examples=300, deadline=None)
def test_no_counter_counts_too_few(values: list[Any], colon: str) -> None:
    text = b"".join(json.dumps(value, separators=(",", colon)).encode() for value in values)
    for counter in (count_keys, validation.count_keys):
        assert counter(text) >= sum(map(members, values))


def test_both_counters_are_exact_where_no_string_looks_like_a_key() -> None:
    value = {"a": {"b": "c:d", "e": [{"f": "x : "}, {}]}, "g": 'say "x"'}
    for colon in (":", ": ", " : ", "\n:"):
        text = json.dumps(value, separators=(",", colon)).encode() * 3
        assert count_keys(text) == validation.count_keys(text) == 15
    assert count_keys(b"") == validation.count_keys(b"") == 0
