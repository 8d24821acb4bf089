"""When a backlog is worth a run."""

from __future__ import annotations

import pytest

from minilab.errors import MinilabError
from minilab.landing.summary import Backlog
from minilab_dagster.landing_policy import LandingPolicy, Recent, decide

PATIENT = LandingPolicy(min_messages=100, max_wait_seconds=60)


def waiting(messages: int, in_flight: int = 0) -> Backlog:
    return Backlog("product", "kafka", messages, in_flight)


def test_nothing_waits() -> None:
    decision = decide(LandingPolicy(), waiting(0, in_flight=3), 0, Recent())
    assert not decision.land
    assert decision.why == "product: 0 waiting, 3 in flight"


def test_by_default_one_message_is_enough() -> None:
    assert decide(LandingPolicy(), waiting(1), 0, Recent()).land


@pytest.mark.parametrize(
    ("messages", "waited", "land"),
    [(99, 59.0, False), (100, 0.0, True), (1, 60.0, True)],
)
def test_either_enough_messages_or_waited_long_enough(
    messages: int, waited: float, land: bool
) -> None:
    decision = decide(PATIENT, waiting(messages), waited, Recent())
    assert decision.land is land
    assert f"{messages} waiting" in decision.why


def test_no_second_run_while_one_is_under_way() -> None:
    decision = decide(LandingPolicy(), waiting(10**6), 10**6, Recent(unfinished=1))
    assert not decision.land
    assert "1,000,000 waiting; 1 run(s) of it queued or under way" in decision.why


def test_pauses_after_failures_and_then_tries_again() -> None:
    failed = Recent(failures=3, seconds_since_end=39)
    decision = decide(LandingPolicy(), waiting(5), 1, failed)
    assert not decision.land
    assert "the last 3 run(s) failed, next in 1 s" in decision.why
    assert decide(LandingPolicy(), waiting(5), 1, Recent(failures=3, seconds_since_end=41)).land


def test_pauses_double_up_to_a_limit() -> None:
    policy = LandingPolicy()
    assert [policy.pause_after(n) for n in (1, 2, 3, 7)] == [10, 20, 40, 600]


def test_thresholds_come_from_the_environment() -> None:
    policy = LandingPolicy.from_env(
        {"MINILAB_LAND_MIN_MESSAGES": "500", "MINILAB_LAND_MAX_WAIT_SECONDS": "30"}
    )
    assert policy == LandingPolicy(500, 30.0)


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_a_threshold_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(MinilabError, match="MINILAB_LAND_MAX_WAIT_SECONDS"):
        LandingPolicy.from_env({"MINILAB_LAND_MAX_WAIT_SECONDS": value})
