"""Reading ``terraform show -json`` of a plan, and what a plan would change."""

from __future__ import annotations

from typing import Any

from infra.tools.plan_json import Resource, listed, of_type, policies, resources

__all__ = ["Resource", "changed", "listed", "of_type", "policies", "resources"]


def changed(plan: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """What a plan would do, by address; empty when it changes nothing."""
    done = {
        change["address"]: tuple(change["change"]["actions"])
        for change in plan.get("resource_changes", [])
    }
    return {address: actions for address, actions in done.items() if actions != ("no-op",)}
