"""Opening messages: single, batch, gzip, and everything hostile."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilab.events import formats
from minilab.events.failures import Reason
from minilab.events.formats import Refused, check_depth, duplicate_keys, open_message


def refusal(body: bytes) -> Reason:
    with pytest.raises(Refused) as caught:
        open_message(body)
    assert caught.value.violations
    return caught.value.reason


def test_one_event() -> None:
    assert open_message(b' {"id":"a"}').events == [b' {"id":"a"}']


def test_a_batch_is_split_into_the_texts_that_came() -> None:
    opened = open_message(b' [ {"a": 1.0} ,\n"x", [2] ]')
    assert opened.events == [b'{"a": 1.0}', b'"x"', b"[2]"]
    assert not opened.decompressed


@pytest.mark.parametrize("pack", [gzip.compress, lambda b: base64.b64encode(gzip.compress(b))])
def test_gzip_single_and_batch(pack) -> None:  # type: ignore[no-untyped-def]
    opened = open_message(pack(b'{"id":"a"}'))
    assert opened.events == [b'{"id":"a"}'] and opened.decompressed
    assert open_message(pack(b"[1,2]")).events == [b"1", b"2"]


def test_gzip_of_several_members() -> None:
    assert open_message(gzip.compress(b"[1,") + gzip.compress(b"2]")).events == [b"1", b"2"]


def test_hostile_messages_have_their_reasons() -> None:
    whole = gzip.compress(b'{"id":"a"}' * 100)
    assert refusal(b"") is Reason.EMPTY_MESSAGE
    assert refusal(b"\n\n") is Reason.EMPTY_MESSAGE
    assert refusal(gzip.compress(b"")) is Reason.EMPTY_MESSAGE
    assert refusal(whole[:20]) is Reason.BAD_COMPRESSION
    assert refusal(whole[:-1]) is Reason.BAD_COMPRESSION
    assert refusal(whole[:-6] + b"\0" * 6) is Reason.BAD_COMPRESSION
    assert refusal(b"\x1f\x8b") is Reason.BAD_COMPRESSION
    assert refusal(whole + b"garbage") is Reason.BAD_COMPRESSION
    assert refusal(b"H4sI!!!") is Reason.BAD_COMPRESSION
    assert refusal(b"[]") is Reason.EMPTY_BATCH
    assert refusal(gzip.compress(b" [ ] ")) is Reason.EMPTY_BATCH
    assert refusal(b'[{"a":1}') is Reason.NOT_JSON
    assert refusal(b"[NaN]") is Reason.NOT_JSON
    assert refusal(b'["\xff"]') is Reason.NOT_UTF8
    assert refusal(b"[" * 1000 + b"]" * 1000) is Reason.TOO_DEEP
    assert refusal(b"[" * 1_000_000) in (Reason.NOT_JSON, Reason.TOO_DEEP)


def test_a_gzip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terabyte of spaces would be as harmless: unpacking stops at the limit."""
    monkeypatch.setattr(formats, "MAX_MESSAGE_BYTES", 1_000_000)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * 1_000_000) for _ in range(50)) + packer.flush()
    assert len(bomb) < 60_000
    assert refusal(bomb) is Reason.TOO_LARGE
    assert refusal(bomb * 3) is Reason.TOO_LARGE
    assert refusal(gzip.compress(b" " * 999_999) * 40) is Reason.TOO_LARGE


def test_depth_is_exact() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":[' * (depth // 2) + b"1" + b"]}" * (depth // 2)

    check_depth(nested(100))
    with pytest.raises(Refused):
        check_depth(nested(102))
    check_depth(b"[" + b"{}," * 5000 + b"1]")
    check_depth(b'["' + b"[" * 5000 + b'"]')
    check_depth(b'["' + b'\\"[' * 5000 + b'"]')


@given(
    st.recursive(
        st.none() | st.text('[]{}\\"a', max_size=4),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=40,
    ),
    st.integers(1, 6),
)
@settings(max_examples=300, deadline=None)
def test_depth_is_what_a_parser_sees(value: object, limit: int) -> None:
    def depth(node: object) -> int:
        if isinstance(node, dict):
            return 1 + max(map(depth, node.values()), default=0)
        return 1 + max(map(depth, node), default=0) if isinstance(node, list) else 0

    text = json.dumps(value).encode()
    if depth(value) > limit:
        with pytest.raises(Refused):
            check_depth(text, limit)
    else:
        check_depth(text, limit)


def test_duplicate_keys() -> None:
    assert duplicate_keys(b'{"a":1,"b":{"a":2}}') == []
    assert duplicate_keys(b'{"a":1,"\\u0061":2}') == ["a"]
    assert duplicate_keys(b'{"x":[{"b":1,"b":1}]}') == ["b"]
    assert duplicate_keys(b'{"x":[{"b":1,"b":1}]}', whole=False) == []
    assert duplicate_keys(b'{"x":{"b":1,"b":1},"x":1}', whole=False) == ["x"]
