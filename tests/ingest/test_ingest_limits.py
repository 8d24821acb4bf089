from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from minilab.ingest.clients import client_of
from minilab.ingest.limits import WINDOW_SECONDS, RateCounter, RateLimits
from minilab.ingest.problems import Problem, ProblemError
from minilab.tenants import Tenant
from tests.ingest.conftest import Front
from tests.ingest.memory import CREATED, Memory


def tenant(name: str = "acme", rate: int = 100) -> Tenant:
    return Tenant(name, "team", "eu", "active", ("*",), rate, CREATED)


class Counting(Memory):
    """Counts the calls that DynamoDB would see."""

    calls = 0

    def reserve(self, tenant: str, window: int, events: int, budget: int) -> bool:
        self.calls += 1
        return super().reserve(tenant, window, events, budget)


def spend(limits: RateLimits, who: Tenant, events: int, now: float) -> Problem | None:
    try:
        limits.spend(who, events, now)
    except ProblemError as error:
        assert error.events == events
        return error.problem
    return None


def test_a_window_is_spent_to_the_last_event_and_not_further() -> None:
    counter = Counting()
    limits = RateLimits(counter)
    problems = [spend(limits, tenant(), 1, 1000.0) for _ in range(1200)]
    assert problems.count(None) == 1000
    assert problems[:1000] == [None] * 1000
    assert counter.calls <= 22, "most events cost no call; and a flood of refusals none"
    over = problems[-1]
    assert over is not None and over.reason == "rate_limited"
    assert spend(limits, tenant(), 1, 1010.0) is None, "the next window"


@pytest.mark.parametrize(("now", "wait"), [(1000.0, 10), (1005.5, 5), (1009.99, 1)])
def test_the_wait_is_until_the_window_ends(now: float, wait: int) -> None:
    limits = RateLimits(Memory())
    assert spend(limits, tenant(), 1000, now) is None
    over = spend(limits, tenant(), 1, now)
    assert over is not None and over.retry_after == wait


def test_a_smaller_batch_may_pass_where_a_larger_did_not() -> None:
    limits = RateLimits(Memory())
    assert spend(limits, tenant(), 900, 0) is None
    assert spend(limits, tenant(), 200, 0) is not None
    assert spend(limits, tenant(), 100, 0) is None


def test_more_than_a_window_holds_is_too_large() -> None:
    counter = Counting()
    over = spend(RateLimits(counter), tenant(), 1001, 0)
    assert over is not None and over.reason == "too_large" and over.retry_after is None
    assert counter.calls == 0


def test_tenants_do_not_share() -> None:
    limits = RateLimits(Memory())
    assert spend(limits, tenant("greedy"), 1000, 0) is None
    assert spend(limits, tenant("greedy"), 1, 0) is not None
    assert spend(limits, tenant("modest"), 1, 0) is None


def test_instances_and_threads_share_one_budget() -> None:
    counter = Memory()
    instances = [RateLimits(counter) for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        spent = list(
            pool.map(lambda n: spend(instances[n % 3], tenant(), 7, 5.0) is None, range(300))
        )
    assert spent.count(True) * 7 <= 1000
    assert spent.count(True) * 7 >= 1000 * 0.8


def test_dynamodb_counts_as_memory_does(front: Front) -> None:
    dynamodb = client_of("dynamodb", front.settings)
    counter = RateCounter(front.settings, dynamodb)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: counter.reserve("t", 10, 30, 100), range(6)))
    assert Counter(told) == {True: 3, False: 3}
    assert counter.reserve("t", 10, 10, 100) and not counter.reserve("t", 10, 1, 100)
    assert counter.reserve("t", 10 + WINDOW_SECONDS, 100, 100)
    assert counter.reserve("u", 10, 100, 100)


def test_a_changed_rate_is_used_from_then_on() -> None:
    limits = RateLimits(Memory())
    assert spend(limits, tenant(rate=1), 10, 0) is None
    assert spend(limits, tenant(rate=1), 1, 0) is not None
    assert spend(limits, replace(tenant(), events_per_second=100), 1, 10) is None
