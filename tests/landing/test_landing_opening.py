"""How many messages are opened at a time, and what of them may claim a payload."""

from __future__ import annotations

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from minilab.events.formats import MAX_EVENT_BYTES
from minilab.landing.model import Messages
from minilab.landing.opening import Opened, open_messages

CLAIMS = "s3://lake/claims/"
CLAIMING = b'{"dataref":"s3://lake/claims/t/x"}'
PLAIN = b'{"dataref":"s3://elsewhere/claims/t/x"}'


def opened(*bodies: bytes, most_bytes: int = 1 << 40) -> Opened:
    messages = Messages(
        bodies, range(len(bodies)), [0] * len(bodies), lambda index: {"n": str(index)}
    )
    return open_messages(messages, CLAIMS, most_bytes)


def packed(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


def test_claiming_events_are_found_wherever_they_stand() -> None:
    zipped = gzip.compress(packed(PLAIN, CLAIMING))
    result = opened(PLAIN, CLAIMING, packed(CLAIMING, PLAIN, CLAIMING), b"nonsense", zipped, PLAIN)
    assert [result.events[index] for index in result.claiming] == [CLAIMING] * 4
    assert [result.place_of(index) for index in result.claiming] == [(1, 0), (2, 0), (2, 2), (4, 1)]
    assert opened(PLAIN, CLAIMING).claiming == [1]
    many = [CLAIMING if n in (0, 255, 256, 700) else PLAIN for n in range(1000)]
    assert opened(*many).claiming == [0, 255, 256, 700]


def test_no_more_is_opened_than_may_be_held() -> None:
    three_claims = 3 * (MAX_EVENT_BYTES + len(CLAIMING))
    assert len(opened(*[CLAIMING] * 9, most_bytes=three_claims).messages) == 3
    both = packed(CLAIMING, CLAIMING)
    assert len(opened(both, PLAIN, both, PLAIN, most_bytes=three_claims).messages) == 2
    bombs = [gzip.compress(packed(b'{"a":"%s"}' % (b"x" * 1_000_000)))] * 9
    assert len(opened(*bombs, most_bytes=4_500_000).messages) == 4


def test_one_message_is_opened_however_much_it_is() -> None:
    result = opened(packed(CLAIMING, CLAIMING), CLAIMING, most_bytes=1)
    assert (len(result.messages), len(result.events), result.claiming) == (1, 2, [0, 1])
    assert len(opened(b"nonsense", CLAIMING, CLAIMING, most_bytes=1).messages) == 1
    assert len(opened().messages) == 0


def test_what_is_opened_keeps_its_places_and_headers() -> None:
    result = opened(PLAIN, packed(PLAIN, CLAIMING), CLAIMING, most_bytes=MAX_EVENT_BYTES + 1000)
    assert (len(result.messages), result.claiming) == (2, [2])
    assert list(result.messages.positions) == [0, 1]
    rest = Messages([b"a", b"b", b"c"], [7, 8, 9], [1, 2, 3], lambda index: {"n": str(index)})
    assert (rest.after(1).positions, rest.after(1).headers_of(1)) == ([8, 9], {"n": "2"})
    assert rest.first(2).published_ms == [1, 2] and rest.first(3) is rest


@given(
    st.lists(
        st.sampled_from([PLAIN, CLAIMING, packed(PLAIN), packed(CLAIMING, PLAIN), b"", b"[", b"7"]),
        max_size=12,
    ),
    st.integers(0, 4),
)
@settings(max_examples=200, deadline=None)
def test_batches_that_were_cut_hold_together_what_the_whole_one_holds(
    bodies: list[bytes], claims: int
) -> None:
    whole = opened(*bodies)
    events: list[bytes] = []
    failed: list[bytes] = []
    done = 0
    while done < len(bodies):
        part = opened(*bodies[done:], most_bytes=claims * (MAX_EVENT_BYTES + 1000))
        assert len(part.claiming) <= max(claims, 1)
        events += part.events
        failed += [failure.body for failure in part.failures]
        done += len(part.messages)
    assert events == list(whole.events)
    assert failed == [failure.body for failure in whole.failures]
