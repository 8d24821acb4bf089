"""The whole history of the simulated SaaS: exactly so many events, in order of time."""

from __future__ import annotations

from collections.abc import Collection
from itertools import accumulate
from random import Random

from minilab.simulation.billing import Subscription, simulate_subscription
from minilab.simulation.event import Event
from minilab.simulation.product import simulate_user
from minilab.simulation.tenants import DAY, Tenant, make_tenants
from minilab.simulation.webhooks import code_webhooks, payment_webhooks

SHARES = {"product": 0.905, "billing": 0.015, "webhooks": 0.08}
"""The streams that are simulated, and their shares of all events."""

_EVENTS_PER_TENANT = 165
_BILLING_EVENTS_PER_TENANT = 2.5


def allot(events: int, streams: Collection[str]) -> dict[str, int]:
    """Split ``events`` over the streams by their shares; each has one at least if there are
    enough, and the largest takes the rest."""
    shares = {name: share for name, share in SHARES.items() if name in streams}
    largest = max(shares, key=lambda name: shares[name])
    total = sum(shares.values())
    counts: dict[str, int] = {}
    left = events
    for name, share in shares.items():
        if name != largest:
            counts[name] = min(max(1, round(events * share / total)), max(0, left - 1))
            left -= counts[name]
    return counts | {largest: left}


def history(seed: int, events: int, *, days: float, streams: Collection[str]) -> list[Event]:
    """Exactly ``events`` distinct events of ``streams``, ordered by time, the same for a seed.

    Keeps them all in memory: about 1 KB each.
    """
    counts = allot(events, streams)
    rng = Random(f"{seed}/{events}/{days}/{sorted(counts)}")
    billing_wanted = counts.get("billing", 0)
    tenants = make_tenants(rng, max(1, round(events / _EVENTS_PER_TENANT)), days)
    subscriptions = _subscriptions(rng, tenants)
    while sum(len(s.events) for s in subscriptions.values()) < billing_wanted:
        missing = billing_wanted - sum(len(s.events) for s in subscriptions.values())
        count = 1 + int(missing / _BILLING_EVENTS_PER_TENANT)
        more = make_tenants(rng, count, days, first=len(tenants) + 1)
        tenants += more
        subscriptions |= _subscriptions(rng, more)
    billing = _first_lives(subscriptions, billing_wanted)
    result = list(billing)
    if product_wanted := counts.get("product", 0):
        result += _product(rng, tenants, subscriptions, product_wanted)
    if webhooks_wanted := counts.get("webhooks", 0):
        result += _webhooks(rng, tenants, billing, webhooks_wanted)
    result.sort(key=lambda event: event.offset)
    return result


def _subscriptions(rng: Random, tenants: list[Tenant]) -> dict[str, Subscription]:
    """The paying tenants' subscriptions, by tenant; each begins after some days of trying."""
    return {
        tenant.name: simulate_subscription(rng, tenant, tenant.created * rng.uniform(0.7, 0.95))
        for tenant in tenants
        if tenant.converts
    }


def _first_lives(subscriptions: dict[str, Subscription], wanted: int) -> list[Event]:
    """Whole lives of subscriptions, the last one cut off in time, ``wanted`` events in all."""
    return [event for life in subscriptions.values() for event in life.events][:wanted]


def _product(
    rng: Random, tenants: list[Tenant], subscriptions: dict[str, Subscription], wanted: int
) -> list[Event]:
    """Users' events: a founder for each tenant first, then users by the tenants' sizes."""
    weights = list(accumulate(tenant.weight for tenant in tenants))
    events: list[Event] = []
    waiting = tenants[::-1]
    number = 0
    while len(events) < wanted:
        if not waiting:
            waiting = rng.choices(tenants, cum_weights=weights, k=1000)
        tenant = waiting.pop()
        number += 1
        subscription = subscriptions.get(tenant.name)
        ended = subscription.ended if subscription else None
        events += simulate_user(
            rng,
            tenant,
            number,
            founder=number <= len(tenants),
            until=0.0 if ended is None else min(0.0, ended + DAY),
        )
    return events[:wanted]


def _webhooks(rng: Random, tenants: list[Tenant], billing: list[Event], wanted: int) -> list[Event]:
    """The payment provider's, a third at most, and the code host's."""
    payments = payment_webhooks(rng, billing[: wanted // 3])
    return payments + code_webhooks(rng, tenants, wanted - len(payments))
