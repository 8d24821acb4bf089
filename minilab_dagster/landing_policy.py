"""When a backlog is worth a run: pure decisions, apart from Dagster and from the buses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from minilab.errors import MinilabError
from minilab.landing.summary import Backlog


@dataclass(frozen=True)
class LandingPolicy:
    """Thresholds. Either is enough: so many messages, or messages that wait so long."""

    min_messages: int = 1
    max_wait_seconds: float = 0.0
    """0 lands at once, which suits a laptop. On AWS, a minute makes fewer and larger files."""

    REMEMBERED_RUNS: ClassVar[int] = 8
    FIRST_PAUSE_SECONDS: ClassVar[float] = 10.0
    LONGEST_PAUSE_SECONDS: ClassVar[float] = 600.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> LandingPolicy:
        """Read ``MINILAB_LAND_MIN_MESSAGES`` and ``MINILAB_LAND_MAX_WAIT_SECONDS``.

        Raises:
            MinilabError: a value is not a number from 0.
        """
        values = os.environ if environ is None else environ

        def number(name: str, default: float) -> float:
            text = values.get(name) or str(default)
            try:
                value = float(text)
            except ValueError:
                value = -1.0
            if not 0 <= value < float("inf"):
                raise MinilabError(f"{name}={text!r} is not a number.", hint="Use one from 0.")
            return value

        return cls(
            min_messages=int(number("MINILAB_LAND_MIN_MESSAGES", cls.min_messages)),
            max_wait_seconds=number("MINILAB_LAND_MAX_WAIT_SECONDS", cls.max_wait_seconds),
        )

    def pause_after(self, failures: int) -> float:
        """Seconds to leave a stream alone after so many failed runs in a row; doubles each time."""
        return min(self.FIRST_PAUSE_SECONDS * 2 ** (failures - 1), self.LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True)
class Recent:
    """What became of a stream's latest runs."""

    unfinished: int = 0
    failures: int = 0
    """Failed runs in a row, up to now."""
    seconds_since_end: float | None = None


@dataclass(frozen=True)
class Decision:
    land: bool
    why: str
    """In a sentence with the numbers, for the sensor's tick."""


def decide(policy: LandingPolicy, backlog: Backlog, waited: float, recent: Recent) -> Decision:
    """Whether to ask for a run now.

    Args:
        waited: seconds since messages were first seen waiting.
    """
    state = f"{backlog.stream}: {backlog.messages:,} waiting"
    if backlog.in_flight:
        state += f", {backlog.in_flight:,} in flight"
    if not backlog.messages:
        return Decision(False, state)
    if recent.unfinished:
        return Decision(False, f"{state}; {recent.unfinished} run(s) of it queued or under way")
    if recent.failures and recent.seconds_since_end is not None:
        left = policy.pause_after(recent.failures) - recent.seconds_since_end
        if left > 0:
            return Decision(
                False, f"{state}; the last {recent.failures} run(s) failed, next in {left:.0f} s"
            )
    if backlog.messages >= policy.min_messages or waited >= policy.max_wait_seconds:
        return Decision(True, state)
    return Decision(
        False,
        f"{state}, fewer than {policy.min_messages:,}, for {waited:.0f} s"
        f" of at most {policy.max_wait_seconds:.0f} s",
    )
