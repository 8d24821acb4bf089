"""A tenant's subscription: start, changes, invoices, failed payments, end.

Money adds up: every change begins with the plan and MRR that the event before it ended with, an
invoice bills the MRR of its day, and what is cancelled was there. An event list that is cut off
anywhere in time is still consistent.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from minilab.simulation.event import Event
from minilab.simulation.tenants import DAY, Tenant

SOURCE = "/billing"
MONTH = 30 * DAY
_SEAT_CENTS = {"starter": 900, "team": 1900, "enterprise": 4900}
_PLANS = list(_SEAT_CENTS)
_TAX_PERCENT = {"EUR": 21, "GBP": 20, "USD": 0}
_FAILURES = (
    "card_declined",
    "insufficient_funds",
    "expired_card",
    "authentication_required",
    "processing_error",
)
_CANCEL_REASONS = ("price", "missing_features", "too_complex", "switched", "closed_business")
_RETRY_AFTER = (3 * DAY, 5 * DAY, 7 * DAY)
"""Dunning: a declined payment is tried again so long after the attempt before."""


@dataclass
class Subscription:
    """One subscription while it is being simulated."""

    tenant: Tenant
    id: str
    plan: str
    interval: str
    seats: int
    events: list[Event] = field(default_factory=list)
    ended: float | None = None
    """When it was cancelled, as an offset; None while it runs."""

    @property
    def mrr_cents(self) -> int:
        full = _SEAT_CENTS[self.plan] * self.seats
        return full * 80 // 100 if self.interval == "year" else full

    def emit(self, offset: float, name: str, data: dict[str, Any], **stamps: float) -> None:
        self.events.append(
            Event(
                offset=offset,
                stream="billing",
                type=f"billing.{name}.v1",
                source=SOURCE,
                subject=self.id,
                tenant=self.tenant.name,
                data={"subscription_id": self.id, "currency": self.tenant.currency} | data,
                stamps=stamps,
            )
        )


def simulate_subscription(rng: Random, tenant: Tenant, started: float) -> Subscription:
    """The life of one subscription from ``started`` (an offset) to the history's end, in order."""
    size = tenant.weight
    plan = "enterprise" if size > 20 else "team" if size > 3 else "starter"
    subscription = Subscription(
        tenant=tenant,
        id=f"sub_{rng.getrandbits(56):014x}",
        plan=plan,
        interval="year" if rng.random() < 0.2 else "month",
        seats=max(1, round(size * rng.uniform(0.6, 1.8))),
    )
    _Life(rng, subscription).run(started)
    return subscription


class _Life:
    """A small event-driven simulation: what is due next happens next."""

    def __init__(self, rng: Random, subscription: Subscription) -> None:
        self._rng = rng
        self._sub = subscription
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = 0

    def _at(self, offset: float, action: Callable[[float], None]) -> None:
        self._order += 1
        heapq.heappush(self._due, (offset, self._order, action))

    def run(self, started: float) -> None:
        self._at(started, self._start)
        while self._due and self._sub.ended is None:
            offset, _, action = heapq.heappop(self._due)
            if offset > 0:
                return
            action(offset)

    def _start(self, now: float) -> None:
        rng, sub = self._rng, self._sub
        stamps = {"started_at": now}
        first_invoice = now + 60
        if rng.random() < 0.4:
            stamps["trial_ends_on"] = now + 14 * DAY
            first_invoice = now + 14 * DAY + 60
        sub.emit(
            now,
            "subscription_started",
            {
                "plan": sub.plan,
                "interval": sub.interval,
                "seats": sub.seats,
                "mrr_cents": sub.mrr_cents,
            },
            **stamps,
        )
        self._at(first_invoice, self._bill)
        self._at(now + rng.expovariate(1 / (45 * DAY)), self._change)
        self._at(now + rng.expovariate(1 / (300 * DAY)), self._cancel_by_choice)

    def _change(self, now: float) -> None:
        rng, sub = self._rng, self._sub
        before = {"previous_plan": sub.plan, "previous_mrr_cents": sub.mrr_cents}
        rank = _PLANS.index(sub.plan)
        luck = rng.random()
        if luck < 0.2 and rank < 2:
            sub.plan = _PLANS[rank + 1]
        elif luck < 0.3 and rank > 0:
            sub.plan = _PLANS[rank - 1]
        elif luck < 0.75 or sub.seats == 1:
            sub.seats += max(1, round(sub.seats * rng.uniform(0.05, 0.4)))
        else:
            sub.seats -= max(1, round(sub.seats * rng.uniform(0.05, 0.3)))
        after = {"plan": sub.plan, "mrr_cents": sub.mrr_cents, "seats": sub.seats}
        sub.emit(now, "subscription_changed", before | after, changed_at=now)
        self._at(now + rng.expovariate(1 / (45 * DAY)), self._change)

    def _bill(self, now: float) -> None:
        sub = self._sub
        period = 365 * DAY if sub.interval == "year" else MONTH
        net = sub.mrr_cents * (12 if sub.interval == "year" else 1)
        tax = net * _TAX_PERCENT[sub.tenant.currency] // 100
        invoice = {"invoice_id": f"inv_{self._rng.getrandbits(56):014x}", "amount_cents": net + tax}
        dates = {"period_start": now, "period_end": now + period - DAY}
        self._attempt(now + 1, invoice, tax, dates, number=1)
        self._at(now + period, self._bill)

    def _attempt(
        self,
        now: float,
        invoice: dict[str, Any],
        tax: int,
        dates: dict[str, float],
        *,
        number: int,
    ) -> None:
        rng, sub = self._rng, self._sub
        if rng.random() >= (0.07 if number == 1 else 0.4):
            data = invoice | {"tax_cents": tax}
            self._at(now, lambda at: sub.emit(at, "invoice_paid", data, paid_at=at, **dates))
            return
        failure = {"attempt": number, "failure_code": rng.choice(_FAILURES)}
        self._at(now, lambda at: sub.emit(at, "payment_failed", invoice | failure, failed_at=at))
        if number > len(_RETRY_AFTER):
            self._at(now + 3600, lambda at: self._cancel(at, "payment"))
            return
        again = now + _RETRY_AFTER[number - 1]
        self._at(again, lambda at: self._attempt(at, invoice, tax, dates, number=number + 1))

    def _cancel_by_choice(self, now: float) -> None:
        self._cancel(now, self._rng.choice(_CANCEL_REASONS))

    def _cancel(self, now: float, reason: str) -> None:
        sub = self._sub
        data = {"plan": sub.plan, "previous_mrr_cents": sub.mrr_cents, "reason": reason}
        sub.emit(now, "subscription_cancelled", data, cancelled_at=now)
        sub.ended = now
