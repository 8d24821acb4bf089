"""The order of what landing does, watched through an environment that records it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fake_claims import FakeClaims

from minilab.aws import AwsError
from minilab.events.formats import MAX_EVENT_BYTES
from minilab.events.registry import load_registry
from minilab.events.validation import StreamRules
from minilab.landing.decode import decode
from minilab.landing.environment import Environment
from minilab.landing.errors import Fenced
from minilab.landing.kafka import Log, OffsetBatch
from minilab.landing.ledger import Intent, ShardState
from minilab.landing.loop import land_received, land_stream
from minilab.landing.manifests import OpenManifests
from minilab.landing.model import BatchName, Decoded, Limits, LostRange, Messages, Shard
from minilab.landing.opening import open_messages
from minilab.landing.sqs import Received, ReceivedBatch
from minilab.landing.store import StoredObject
from minilab.landing.summary import StreamSummary, no_progress

REGISTRY = load_registry()
PRODUCT, BILLING = REGISTRY.stream("product"), REGISTRY.stream("billing")
NOW = datetime(2026, 11, 22, 10, 59, 59, 123456, tzinfo=UTC)


def event(n: int) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(n),
            "source": "/t",
            "type": "product.page_viewed.v1",
            "tenant": "acme",
            "data": {"user_id": "u", "session_id": "s", "path": "/"},
        }
    ).encode()


@dataclass
class World:
    """Everything outside, remembered in the order in which it was touched."""

    log: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    states: dict[str, ShardState] = field(default_factory=dict)
    lost: list[LostRange | None] = field(default_factory=list)
    fail_at: str = ""
    claims: FakeClaims = field(default_factory=FakeClaims)

    def did(self, what: str) -> None:
        if self.fail_at and what.startswith(self.fail_at):
            raise AwsError(f"no {what}")
        self.log.append(what)

    @property
    def steps(self) -> list[str]:
        return [entry.split()[0] for entry in self.log]

    # Store
    def put(self, key: str, content: Any) -> None:
        self.did(f"put:{key.split('/')[0]} {key}")
        self.objects[key] = bytes(content)

    def get(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def exists(self, key: str) -> bool:
        return key in self.objects

    def list(self, prefix: str) -> Iterator[StoredObject]:
        yield from [
            StoredObject(k, len(v), NOW) for k, v in self.objects.items() if k.startswith(prefix)
        ]

    def delete(self, keys: Sequence[str]) -> None:
        self.did(f"remove {' '.join(keys)}")
        for key in keys:
            self.objects.pop(key, None)

    # Ledger
    def read(self, shard: Shard) -> ShardState:
        return self.states.get(shard.name, ShardState())

    def open(self, intent: Intent, expected: ShardState) -> None:
        now = self.read(intent.shard)
        if now.intent is not None or now.next_offset != expected.next_offset:
            raise Fenced(f"Another lander works on {intent.shard.name}.")
        self.did(f"intent {intent.first}-{intent.last}")
        self.states[intent.shard.name] = replace(now, intent=intent)

    def close(self, intent: Intent) -> ShardState:
        now = self.read(intent.shard)
        if now.intent != intent:
            raise Fenced(f"Another lander works on {intent.shard.name}.")
        self.did(f"close {intent.first}-{intent.last}")
        self.states[intent.shard.name] = ShardState(intent.last + 1, None, now.epoch)
        return self.states[intent.shard.name]

    def skip(
        self, shard: Shard, expected: ShardState, to: int, lost: LostRange | None, *, anew: bool
    ) -> ShardState:
        self.did(f"skip {to}")
        self.lost.append(lost)
        self.states[shard.name] = ShardState(to, None, expected.epoch + anew)
        return self.states[shard.name]


@dataclass
class FakeKafka:
    """One partition's log, cut into batches of ``batch`` messages."""

    world: World
    bodies: dict[int, bytes]
    batch: int = 2
    out_of_range: dict[int, Log] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    where: int | None = None
    until: int | None = None

    def shards(self) -> dict[int, Shard]:
        return {0: Shard("product", "kafka", "topic/0")}

    def log_start(self, partition: int) -> int:
        return min(self.bodies, default=0)

    def start(self, positions: Mapping[int, int | None], ends: Mapping[int, int]) -> None:
        self.where, self.until = positions[0], ends.get(0)
        self.out_of_range = {}

    def batches(self) -> Iterator[OffsetBatch]:
        end = max(self.bodies, default=-1) + 1
        if self.where is not None and self.where > end:
            self.out_of_range[0] = Log(self.log_start(0), end)
            return
        at = self.where if self.where is not None else self.log_start(0)
        while at < end and 0 not in self.left:
            last = self.until if self.until is not None else min(at + self.batch, end) - 1
            self.until = None
            offsets = [o for o in sorted(self.bodies) if at <= o <= last]
            bodies = [self.bodies[o] for o in offsets]
            yield OffsetBatch(
                0, at, last, Messages(bodies, offsets, [1_700_000_000_000] * len(offsets))
            )
            at = last + 1

    def leave(self, partition: int) -> None:
        self.left.add(partition)

    def acknowledge(self, partition: int, next_offset: int) -> None:
        self.world.did(f"acknowledge {next_offset}")


@dataclass
class FakeSqs:
    world: World
    received: list[ReceivedBatch]
    undeletable: set[str] = field(default_factory=set)
    queue: str = "queue"
    visibility_seconds: int = 120

    def batches(self) -> Iterator[ReceivedBatch]:
        yield from self.received

    def delete(self, batch: ReceivedBatch) -> list[str]:
        self.world.did(f"delete {','.join(batch.message_ids)}")
        return [i for i in batch.message_ids if i in self.undeletable]

    def extend(self, batch: ReceivedBatch) -> None:
        self.world.did(f"extend {','.join(batch.message_ids)}")


def environment(world: World, kafka: Any = None, sqs: Any = None) -> Environment:
    def opened(source: Any) -> Any:
        def open_(stream: Any, limits: Limits) -> AbstractContextManager[Any]:
            return nullcontext(source)

        return open_

    return Environment(
        now=lambda: NOW,
        ledger=world,
        store=world,
        claims=world.claims,
        register=lambda partition: world.did(f"register {partition.path}"),
        open_kafka=opened(kafka),
        open_sqs=opened(sqs),
        open_queue=opened(sqs),
    )


def land_kafka(world: World, kafka: FakeKafka, limits: Limits | None = None) -> StreamSummary:
    rules = StreamRules(REGISTRY, "product")
    return land_stream(
        environment(world, kafka=kafka), PRODUCT, rules, limits or Limits(), no_progress
    )


def land_sqs(world: World, sqs: FakeSqs, limits: Limits | None = None) -> StreamSummary:
    rules = StreamRules(REGISTRY, "billing")
    return land_stream(environment(world, sqs=sqs), BILLING, rules, limits or Limits(), no_progress)


def batch(*messages: tuple[str, bytes], times: int = 1) -> ReceivedBatch:
    import time

    return ReceivedBatch(
        Shard("billing", "sqs", "queue"),
        tuple(
            Received(name, f"receipt-{name}", body.decode(), 1_700_000_000_000, times, {})
            for name, body in messages
        ),
        time.monotonic(),
    )


KAFKA_BATCH = ["intent", "put:raw", "register", "close", "acknowledge"]


def test_kafka_steps_in_their_order() -> None:
    world = World()
    summary = land_kafka(world, FakeKafka(world, {o: event(o) for o in range(4)}))
    assert world.steps == KAFKA_BATCH * 2
    assert summary.ok and summary.events == 4
    (shard,) = summary.shards
    assert (shard.shard, shard.first, shard.last, shard.messages) == ("topic/0", 0, 3, 4)
    assert [p.path for p in summary.partitions] == ["stream=product/dt=2026-11-22/hour=10/"]
    assert world.states["topic/0"] == ShardState(4)


def test_events_are_put_before_failed_events_under_one_name() -> None:
    world = World()
    summary = land_kafka(world, FakeKafka(world, {7: event(1), 8: b"bad"}))
    assert world.steps == ["intent", "put:raw", "put:failed", "register", "close", "acknowledge"]
    raw, failed = summary.files
    assert raw.rsplit("/", 1)[1] == failed.rsplit("/", 1)[1]
    assert raw.endswith("kafka-topic-00000-00000000000000000007-00000000000000000008.parquet")
    assert summary.failed == {"not_json": 1}


@pytest.mark.parametrize(
    ("step", "before"),
    [
        ("intent", []),
        ("put:raw", ["intent"]),
        ("put:failed", ["intent", "put:raw"]),
        ("register", ["intent", "put:raw", "put:failed"]),
        ("close", ["intent", "put:raw", "put:failed", "register"]),
    ],
)
def test_a_step_that_fails_ends_the_batch_and_a_replay_writes_the_same(
    step: str, before: list[str]
) -> None:
    kafka_log = {0: event(0), 1: b"bad", 2: event(2), 3: event(3)}
    world = World(fail_at=step)
    summary = land_kafka(world, FakeKafka(world, kafka_log))
    assert world.steps == before
    assert not summary.ok and summary.error is not None and f"no {step}" in summary.error
    assert summary.messages == 0

    undisturbed = World()
    land_kafka(undisturbed, FakeKafka(undisturbed, kafka_log))
    world.fail_at = ""
    # More arrived since, and batches are larger now: a replay keeps its end all the same.
    again = land_kafka(world, FakeKafka(world, {**kafka_log, 4: event(4)}, batch=50))
    assert again.ok
    for key, content in undisturbed.objects.items():
        if step != "intent" and "000001.parquet" in key:
            assert world.objects[key] == content, "byte-identical, under the same name"
    assert world.states["topic/0"].next_offset == 5


def test_a_second_landing_changes_nothing() -> None:
    world = World()
    kafka = FakeKafka(world, {o: event(o) for o in range(4)})
    land_kafka(world, kafka)
    world.log.clear()
    summary = land_kafka(world, kafka)
    assert world.log == [] and summary.messages == 0 and summary.files == ()


def test_the_loser_of_two_landers_leaves_the_partition() -> None:
    world = World()
    kafka = FakeKafka(world, {o: event(o) for o in range(6)})
    environment_ = environment(world, kafka=kafka)

    class Overtaken(World):
        """Another lander moves the shard on while our first batch is being put."""

        def put(self, key: str, content: Any) -> None:
            world.put(key, content)
            world.states["topic/0"] = ShardState(6)

    overtaken = replace(environment_, store=Overtaken())
    summary = land_stream(
        overtaken, PRODUCT, StreamRules(REGISTRY, "product"), Limits(), no_progress
    )
    assert summary.fenced == ("topic/0",)
    assert summary.ok and summary.messages == 0
    assert world.steps == ["intent", "put:raw", "register"]
    assert world.states["topic/0"] == ShardState(6)


def test_offsets_that_the_broker_deleted_are_told_and_skipped() -> None:
    world = World(states={"topic/0": ShardState(3)})
    summary = land_kafka(world, FakeKafka(world, {o: event(o) for o in range(10, 12)}))
    assert summary.lost == (LostRange("topic/0", 3, 9),)
    assert not summary.ok
    assert world.lost == [LostRange("topic/0", 3, 9)]
    assert world.steps == ["skip", *KAFKA_BATCH]
    assert summary.events == 2


def test_an_intent_whose_offsets_are_gone_but_whose_file_is_there_is_not_lost() -> None:
    world = World(fail_at="close")
    land_kafka(world, FakeKafka(world, {0: event(0), 1: event(1)}))
    world.fail_at = ""
    summary = land_kafka(world, FakeKafka(world, {2: event(2)}))
    assert summary.ok and summary.lost == ()
    assert world.states["topic/0"].next_offset == 3


def test_an_intent_whose_offsets_are_gone_before_its_file_was_put_is_lost() -> None:
    world = World(fail_at="put")
    land_kafka(world, FakeKafka(world, {0: event(0), 1: event(1)}))
    world.fail_at = ""
    summary = land_kafka(world, FakeKafka(world, {2: event(2)}))
    assert summary.lost == (LostRange("topic/0", 0, 1),)
    assert world.states["topic/0"].next_offset == 3


def test_a_topic_made_anew_is_landed_from_its_start_under_other_names() -> None:
    world = World()
    land_kafka(world, FakeKafka(world, {o: event(o) for o in range(4)}, batch=2))
    before = dict(world.objects)
    summary = land_kafka(world, FakeKafka(world, {0: event(90), 1: event(91)}))
    assert summary.events == 2
    assert before.items() <= world.objects.items(), "nothing of the old topic was overwritten"
    assert len(world.objects) == len(before) + 1
    assert world.states["topic/0"] == ShardState(2, None, epoch=1)


def test_sqs_steps_in_their_order() -> None:
    world = World()
    summary = land_sqs(world, FakeSqs(world, [batch(("a", b"x"), ("b", b"y"))]))
    assert world.steps == ["put:failed", "put:landing", "register", "delete", "remove"]
    assert summary.failed == {"not_json": 2}
    assert not any(key.startswith("landing/") for key in world.objects)


@pytest.mark.parametrize("step", ["put:failed", "put:landing", "register"])
def test_nothing_is_deleted_before_it_is_durable(step: str) -> None:
    world = World(fail_at=step)
    summary = land_sqs(world, FakeSqs(world, [batch(("a", b"x"))]))
    assert not summary.ok
    assert "delete" not in world.steps


def test_messages_that_come_again_are_deleted_and_not_landed_twice() -> None:
    world = World(fail_at="delete")
    land_sqs(world, FakeSqs(world, [batch(("a", b"x"), ("b", b"y"))]))
    world.fail_at = ""
    files = {k for k in world.objects if k.startswith("failed/")}
    summary = land_sqs(world, FakeSqs(world, [batch(("b", b"y"), ("c", b"z"), times=2)]))
    assert (summary.repeated, summary.messages) == (1, 1)
    assert [e for e in world.log if e.startswith("delete")] == ["delete b,c"]
    (manifest,) = (k for k in world.objects if k.startswith("landing/"))
    summary = land_sqs(world, FakeSqs(world, [batch(("a", b"x"), times=3)]))
    assert (summary.repeated, summary.messages, summary.files) == (1, 0, ())
    assert manifest not in world.objects
    assert len({k for k in world.objects if k.startswith("failed/")}) == len(files) + 1


def test_what_could_not_be_deleted_is_counted_and_stays_in_its_manifest() -> None:
    world = World()
    source = FakeSqs(world, [batch(("a", b"x"), ("b", b"y"))], undeletable={"b"})
    summary = land_sqs(world, source)
    assert summary.undeleted == 1 and summary.ok
    summary = land_sqs(world, FakeSqs(world, [batch(("b", b"y"), times=2)]))
    assert (summary.repeated, summary.messages) == (1, 0)
    assert not any(key.startswith("landing/") for key in world.objects)


def test_a_batch_that_took_long_is_hidden_anew() -> None:
    world = World()
    late = replace(batch(("a", b"x")), received_at=-1e9)
    land_sqs(world, FakeSqs(world, [late]))
    assert world.steps[0] == "extend"


def test_what_a_decoder_leaves_is_landed_as_batches_of_its_own() -> None:
    world = World()
    source = FakeSqs(world, [])
    manifests = OpenManifests(world, source.queue)
    rules = StreamRules(REGISTRY, "billing")

    def two_at_once(name: BatchName, messages: Messages) -> Decoded:
        two = messages.first(min(2, len(messages)))
        return decode(name, open_messages(two, "s3://", 1 << 30), rules)

    five = batch(*((name, b"x") for name in "abcde"))
    landed = list(
        land_received(environment(world, sqs=source), source, two_at_once, manifests, five)
    )
    assert [part.messages for part in landed] == [2, 2, 1]
    assert [e for e in world.log if e.startswith("delete")] == [
        "delete a,b",
        "delete c,d",
        "delete e",
    ]
    assert len({part.name.batch_id for part in landed}) == 3
    assert world.steps == ["put:failed", "put:landing", "register", "delete", "remove"] * 3


def claiming(claims: FakeClaims, n: int) -> bytes:
    """Event ``n`` with its data claimed."""
    whole = json.loads(event(n))
    uri = claims.put("acme", json.dumps(whole.pop("data") | {"n": n}).encode(), "json")
    return json.dumps(whole | {"dataref": uri}).encode()


TWO_CLAIMS = Limits(opened_bytes=2 * (MAX_EVENT_BYTES + 1000))


def test_a_range_that_claims_too_much_is_landed_as_several() -> None:
    world = World()
    log = {o: claiming(world.claims, o) for o in (3, 4, 7, 8, 9)}  # a log may have gaps
    summary = land_kafka(world, FakeKafka(world, log, batch=50), TWO_CLAIMS)
    intents = [entry for entry in world.log if entry.startswith("intent")]
    assert intents == ["intent 3-6", "intent 7-8", "intent 9-9"]
    assert world.steps == KAFKA_BATCH[:-1] * 3 + ["acknowledge"] * 3
    assert world.log[-1] == "acknowledge 10"
    assert (summary.messages, summary.events, len(summary.files)) == (5, 5, 3)
    assert world.states["topic/0"] == ShardState(10)


def test_ranges_that_are_durable_count_though_the_next_one_fails() -> None:
    world = World()
    log = {o: claiming(world.claims, o) for o in range(5)}
    world.fail_at = "intent 2"
    summary = land_kafka(world, FakeKafka(world, log, batch=50), TWO_CLAIMS)
    assert summary.error is not None and (summary.messages, summary.events) == (2, 2)
    assert world.steps == KAFKA_BATCH
    world.fail_at = ""
    summary = land_kafka(world, FakeKafka(world, log, batch=50), TWO_CLAIMS)
    assert summary.ok and (summary.messages, len(world.objects)) == (3, 3)


@pytest.mark.parametrize("step", ["put:raw", "put:failed", "register", "close"])
def test_the_replay_of_an_intent_redeems_the_same_claims(step: str) -> None:
    """Whatever may be held by then: the end of an intent stays."""
    undisturbed, world = World(), World(fail_at=step)
    for each in (undisturbed, world):
        log = {o: claiming(each.claims, o) for o in range(4)}
        lost = json.loads(event(4)) | {"dataref": f"{each.claims.uri_prefix}acme/gone.json"}
        del lost["data"]
        log[4] = json.dumps(lost).encode()
        kafka = FakeKafka(each, log, batch=50)
        land_kafka(each, kafka, Limits(opened_bytes=5 * (MAX_EVENT_BYTES + 1000)))
    world.fail_at = ""
    summary = land_kafka(world, FakeKafka(world, log, batch=50), TWO_CLAIMS)
    assert summary.ok and summary.failed == {"claim_lost": 1} and summary.events == 4
    assert world.objects == undisturbed.objects, "byte-identical, under the same names"


def test_claims_out_of_reach_leave_everything_as_it_is() -> None:
    world = World()
    world.claims.away = True
    kafka = FakeKafka(world, {0: event(0), 1: claiming(world.claims, 1)})
    summary = land_kafka(world, kafka)
    assert "out of reach" in (summary.error or "") and world.log == []
    sqs = FakeSqs(world, [batch(("a", event(0)), ("b", claiming(world.claims, 1)))])
    summary = land_sqs(world, sqs)
    assert "out of reach" in (summary.error or "") and world.log == []
    world.claims.away = False
    assert land_kafka(world, kafka).events == 2


def test_received_messages_that_claim_too_much_are_landed_as_several() -> None:
    world = World()
    messages = [(name, claiming(world.claims, n)) for n, name in enumerate("abcde")]
    summary = land_sqs(world, FakeSqs(world, [batch(*messages)]), TWO_CLAIMS)
    deleted = [entry for entry in world.log if entry.startswith("delete")]
    assert deleted == ["delete a,b", "delete c,d", "delete e"]
    assert summary.ok and (summary.messages, len(summary.files)) == (5, 3)


def test_a_batch_of_several_is_hidden_anew_as_a_whole_and_once() -> None:
    world = World()
    messages = [(name, claiming(world.claims, n)) for n, name in enumerate("abcde")]
    late = replace(batch(*messages), received_at=-1e9)
    land_sqs(world, FakeSqs(world, [late]), TWO_CLAIMS)
    assert [e for e in world.log if e.startswith("extend")] == ["extend a,b,c,d,e"]
