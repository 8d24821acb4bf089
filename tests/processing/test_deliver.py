"""Publishers are kept while they work and made anew when their life is over; who failed is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from minilab.bus.publisher import MessageTooLargeError, PublishError
from minilab.errors import MinilabError
from minilab.events.registry import Stream, load_registry
from minilab.processing.deliver import Carriers
from minilab.processing.route import Delivery

REGISTRY = load_registry()


@dataclass
class Buses:
    """Makes publishers that fail as told, and remembers all of them."""

    opening: Callable[[str], None] = lambda stream: None
    sending: Callable[[str, bytes], None] = lambda stream, body: None
    flushing: Callable[[str, list[object]], None] = lambda stream, tickets: None
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    def open(self, stream: Stream) -> Any:
        self.opening(stream.name)
        self.opened.append(stream.name)
        return _Publisher(self, stream.name)


@dataclass
class _Publisher:
    buses: Buses
    stream: str
    tickets: list[object] = field(default_factory=list)

    def send(self, body: bytes, *, key: str, ticket: object) -> None:
        self.buses.sending(self.stream, body)
        self.buses.sent.append(body)
        self.tickets.append(ticket)

    def flush(self) -> None:
        tickets, self.tickets = self.tickets, []
        self.buses.flushing(self.stream, tickets)

    def close(self) -> None:
        self.buses.closed.append(self.stream)


def delivery(name: str, stream: str, tenant: str = "a") -> Delivery:
    return Delivery(name, REGISTRY.stream(stream), tenant, name.encode())


def test_publishers_are_kept() -> None:
    buses = Buses()
    carriers = Carriers(buses.open)
    for _ in range(3):
        assert carriers.deliver([delivery("m1", "product"), delivery("m2", "billing")]) == {}
    assert (buses.opened, buses.closed) == (["product", "billing"], [])
    carriers.close()
    assert sorted(buses.closed) == ["billing", "product"]


def test_what_flush_says_is_told_by_message_and_the_publisher_stays() -> None:
    def refuse(stream: str, tickets: list[object]) -> None:
        if stream == "billing":
            raise PublishError("no", failed=1, tickets=["m2"])

    buses = Buses(flushing=refuse)
    carriers = Carriers(buses.open)
    troubles = carriers.deliver([delivery(m, "billing", m) for m in ("m1", "m2", "m3")])
    assert {m: (t.why, t.away) for m, t in troubles.items()} == {"m2": ("no", False)}
    assert buses.closed == []


def test_a_bus_that_is_away_holds_back_its_tenants_and_no_others() -> None:
    def gone(stream: str) -> None:
        if stream == "product":
            raise MinilabError("Kafka is away.")

    buses = Buses(opening=gone)
    carriers = Carriers(buses.open)
    troubles = carriers.deliver(
        [
            delivery("m0", "billing", "a"),
            delivery("m1", "product", "a"),
            delivery("m2", "billing", "a"),
            delivery("m3", "billing", "b"),
            delivery("m4", "product", "c"),
            delivery("m5", "webhooks", "c"),
        ]
    )
    assert set(troubles) == {"m1", "m2", "m4", "m5"}
    assert all(trouble.away for trouble in troubles.values())
    assert buses.sent == [b"m0", b"m3"], "what waits behind another is not sent again and again"
    assert "webhooks" not in buses.closed


def test_a_publisher_whose_life_is_over_is_made_anew() -> None:
    failing = [True]

    def fence(stream: str, tickets: list[object]) -> None:
        if failing.pop() if failing else False:
            raise PublishError("fenced", tickets=tickets, unreachable=True)

    buses = Buses(flushing=fence)
    carriers = Carriers(buses.open)
    assert carriers.deliver([delivery("m1", "product")])["m1"].away
    assert buses.closed == ["product"]
    assert carriers.deliver([delivery("m1", "product")]) == {}
    assert buses.opened == ["product", "product"]


def test_a_bus_that_goes_away_amid_a_batch_still_says_what_it_took() -> None:
    def full(stream: str, body: bytes) -> None:
        if body == b"m3":
            raise PublishError("over", unreachable=True)

    def lost(stream: str, tickets: list[object]) -> None:
        raise PublishError("over", tickets=tickets[1:], unreachable=True)

    buses = Buses(sending=full, flushing=lost)
    troubles = Carriers(buses.open).deliver(
        [delivery(f"m{n}", "product", f"t{n}") for n in range(1, 6)]
    )
    assert set(troubles) == {"m2", "m3", "m4", "m5"}
    assert buses.sent == [b"m1", b"m2"]


def test_a_message_that_is_too_large_is_the_only_one_in_trouble() -> None:
    def too_large(stream: str, body: bytes) -> None:
        if body == b"m1":
            raise MessageTooLargeError(2_000_000, "Kafka")

    buses = Buses(sending=too_large)
    troubles = Carriers(buses.open).deliver([delivery("m1", "product"), delivery("m2", "product")])
    assert set(troubles) == {"m1"} and not troubles["m1"].away
    assert buses.sent == [b"m2"]
