"""Whatever comes in: the API judges as landing does, and never answers 5xx."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minilab.events.registry import UNROUTED, load_registry
from minilab.events.validation import Rejection, StreamRules
from minilab.ingest.binding import bind
from minilab.ingest.judge import Judge
from minilab.ingest.openapi import openapi_document
from minilab.tenants import Tenant
from tests.ingest.client import BATCHED, STRUCTURED, Client
from tests.ingest.memory import CREATED, Memory

some_examples = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

REGISTRY = load_registry()
TENANT = Tenant("acme", "team", "eu", "active", ("*",), 10**9, CREATED)
JUDGE = Judge(REGISTRY, "s3://lake/claims/")
RULES = {name: StreamRules(REGISTRY, name) for name in REGISTRY.streams}
EXAMPLES = [
    post["requestBody"]["content"][STRUCTURED]["example"]
    for path in openapi_document(REGISTRY)["paths"].values()
    if (post := path.get("post"))
]

memory = Memory()
client = Client(memory.handler(), memory.new_tenant("acme"))

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["1.0", "acme", "product.page_viewed.v1", "2026-01-31T12:00:00Z", "/a", ""])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "subject",
        "tenant",
        "datacontenttype",
        "dataschema",
        "data",
        "data_base64",
        "extension",
        "Wrong-Name",
    ]
)


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """A good event with some members, of it or its data, put in, changed or taken out; as text."""
    event: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(EXAMPLES))))
    event["tenant"] = "acme"
    for name, value in draw(st.dictionaries(NAMES, VALUES, max_size=2)).items():
        event[name] = value
    for name in draw(st.lists(NAMES, max_size=1)):
        event.pop(name, None)
    if isinstance(event.get("data"), dict):
        members = [*event["data"], "new"]
        for name in draw(st.lists(st.sampled_from(members), max_size=2)):
            event["data"][name] = draw(VALUES)
    text = json.dumps(event, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 9)) == 0:  # a key that stands twice
        text = text[:-1] + ',"id":"again"}'
    return text.encode("utf-8", "surrogatepass")


NOT_THE_API_S = {"wrong_tenant", "reserved_attribute", "forbidden_stream"}


@some_examples
@given(events(), st.sampled_from(list(RULES)))
def test_the_api_judges_as_landing_does(body: bytes, stream: str) -> None:
    verdict = RULES[stream].judge(body)
    judged = JUDGE.judge(TENANT, stream, [body])
    if isinstance(verdict, Rejection):
        # The API sets a tenant where there is none: landing would miss it.
        missed = {v for v in verdict.violations if v[:2] == ("/tenant", "required")}
        if judged.ready:
            assert set(verdict.violations) == missed
            return
        [rejected] = judged.rejected
        if rejected.reason in NOT_THE_API_S:
            return
        assert rejected.reason == str(verdict.reason) or missed
        assert set(rejected.violations) <= set(verdict.violations)
    elif judged.rejected:
        assert judged.rejected[0].reason in NOT_THE_API_S
    else:
        [ready] = judged.ready
        assert (ready.stream, ready.id, ready.source) == (
            stream,
            verdict.ids[0],
            verdict.sources[0],
        )


@some_examples
@given(st.lists(events(), min_size=1, max_size=4), st.none() | st.sampled_from(list(RULES)))
def test_what_is_ready_landing_accepts(bodies: list[bytes], stream: str | None) -> None:
    judged = JUDGE.judge(TENANT, stream, bodies)
    indexes = [e.index for e in judged.ready] + [e.index for e in judged.rejected]
    assert sorted(indexes) == list(range(len(bodies))), "each ends on one side"
    for event in judged.ready:
        verdict = RULES[event.stream].judge(event.body)
        assert not isinstance(verdict, Rejection)
        assert verdict.tenants == ["acme"]
        assert event.original == bodies[event.index]
    for event in judged.rejected:
        assert event.violations and event.original == bodies[event.index]
        assert event.stream in RULES or event.stream == UNROUTED


@some_examples
@given(
    st.sampled_from([STRUCTURED, BATCHED, "application/json", "text/plain", ""]) | st.text(),
    events()
    | st.lists(events(), max_size=3).map(lambda some: b"[" + b",".join(some) + b"]")
    | st.binary(max_size=60),
    st.dictionaries(st.text(max_size=8).map(lambda n: f"ce-{n}".lower()), st.text(), max_size=3),
    st.sampled_from(["/v1/events", *(f"/v1/streams/{name}/events" for name in RULES)])
    | st.text(max_size=20).map(lambda text: f"/v1/{text}"),
    st.sampled_from(["POST", "POST", "POST", "GET", "PUT"]),
)
def test_no_input_is_a_fault_of_the_api(
    content_type: str, body: bytes, headers: dict[str, str], path: str, method: str
) -> None:
    answer = client.request(method, path, headers | {"content-type": content_type}, body)
    assert answer.status < 500, answer.body
    document = answer.json()
    if answer.status >= 400 and "results" not in document:
        assert answer.problem["reason"] and answer.problem["detail"]


@some_examples
@given(st.lists(events(), min_size=1, max_size=5))
def test_every_event_of_a_batch_is_answered_and_kept(bodies: list[bytes]) -> None:
    memory.claims.clear()
    memory.sent.clear()
    memory.failed.clear()
    answer = client.post(b"[" + b",".join(bodies) + b"]", BATCHED)
    if answer.status == 400:
        assert [r.body for r in memory.failed] == [b"[" + b",".join(bodies) + b"]"]
        return
    results = answer.json()["results"]
    assert [r["index"] for r in results] == list(range(len(bodies)))
    by_status = {s: [r for r in results if r["status"] == s] for s in ("accepted", "rejected")}
    sent = [event for message in memory.sent for event in message.events]
    assert len(sent) == len(by_status["accepted"])
    assert sorted(r.item for r in memory.failed) == [r["index"] for r in by_status["rejected"]]
    assert {r.body for r in memory.failed} == {bodies[r["index"]] for r in by_status["rejected"]}


def test_the_bound_bytes_are_those_that_came() -> None:
    texts = [json.dumps(example, indent=1).encode() for example in EXAMPLES]
    assert list(bind({"content-type": BATCHED}, b"[" + b" , ".join(texts) + b"]").events) == texts
