"""When a mart, and what is made of marts, is built by itself; and when it is too old."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
from dagster import AutomationCondition as When

STREAM_IS_FRESH = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=6), fail_window=timedelta(hours=24)
)
"""A stream that brings nothing for so long is quiet, or its producer or our sensor is broken."""

BUILT_DAILY = dg.FreshnessPolicy.cron(
    deadline_cron="0 3 * * *", lower_bound_delta=timedelta(hours=2), timezone="UTC"
)
"""The daily schedule builds everything at 01:15 UTC, whatever arrived."""


def follow_upstream() -> When:
    """Build once whatever is upstream was updated, as soon as no build of it is under way.

    An update that arrives *during* a build stays due: only a request that the automation makes
    itself counts as handled, not the end of a build that may have read its tables before. (That is
    what ``eager()`` and ``since_last_handled()`` would do.) Views are looked through to the tables
    that they read. Nothing is built on what failed a blocking check.
    """
    updated = When.any_deps_updated().resolve_through_virtual()
    # Said the other way round ("not handled since") because `since` lets its argument win when
    # both hold on one tick, and an update that came right after a request must win.
    handled = (When.newly_requested() | When.initial_evaluation()).since(updated)
    ready = ~When.in_progress() & ~When.any_deps_match(_is_unproven())
    return (~handled & ready).with_label("follows what is upstream")


def _is_unproven() -> When:
    """True of what is there and did not pass a blocking check since it was last made.

    (``all_deps_blocking_checks_passed()`` would also wait for the checks of what was never made: on
    a fresh platform nothing would be built before each stream had brought an event.)
    """
    passed = When.check_passed() | When.will_be_requested()
    unproven = When.any_checks_match(~passed, blocking_only=True) & ~When.missing()
    return unproven.with_label("is there, without its blocking checks")


def define_once() -> When:
    """Create a view when it is not there, or when its code changed: new data is none of its
    business."""
    due = (When.missing() | When.code_version_changed()).since(When.newly_requested())
    ready = ~When.in_progress() & ~When.any_deps_missing()
    return (due & ready).with_label("defined once")
