"""When a mart, and what is made of marts, is built by itself."""

from __future__ import annotations

import dagster as dg


def follow_upstream() -> dg.AutomationCondition:
    """Build once whatever is upstream was updated, as soon as no build of it is under way.

    An update that arrives *during* a build stays due: only a request that the automation makes
    itself counts as handled, not the end of a build that may have read its tables before. (That is
    what ``eager()`` and ``since_last_handled()`` would do.) Nothing is built on what failed a
    blocking check.
    """
    conditions = dg.AutomationCondition
    due = conditions.any_deps_updated().since(
        conditions.newly_requested() | conditions.initial_evaluation()
    )
    return (
        due & ~conditions.in_progress() & conditions.all_deps_blocking_checks_passed()
    ).with_label("follows what is upstream")
