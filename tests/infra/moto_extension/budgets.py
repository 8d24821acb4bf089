"""Budgets: the tags of a budget, and who is told."""

from __future__ import annotations

from moto.budgets.responses import BudgetsResponse
from moto.core.responses import ActionResult

from .registry import stub

_create_budget = BudgetsResponse.create_budget


def _tags(self: BudgetsResponse) -> dict[str, list[dict[str, str]]]:
    """Of each budget, by its ARN, kept with moto's own state."""
    kept: dict[str, list[dict[str, str]]] = self.backend.__dict__.setdefault("resource_tags", {})
    return kept


@stub(BudgetsResponse, "CreateBudget", "keeps the tags of a budget")
def create_budget(self: BudgetsResponse) -> str:
    answer = _create_budget(self)
    arn = f"arn:aws:budgets::{self._get_param('AccountId')}:budget/"
    arn += self._get_param("Budget")["BudgetName"]
    _tags(self)[arn] = self._get_param("ResourceTags") or []
    return answer


@stub(BudgetsResponse, "ListTagsForResource", "missing in moto")
def list_tags_for_resource(self: BudgetsResponse) -> ActionResult:
    return ActionResult({"ResourceTags": _tags(self)[self._get_param("ResourceARN")]})


@stub(BudgetsResponse, "DescribeSubscribersForNotification", "missing in moto")
def describe_subscribers_for_notification(self: BudgetsResponse) -> ActionResult:
    budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
    wanted = self._get_param("Notification")
    (found,) = (each for each in budget.notifications if _same(each.details, wanted))
    return ActionResult({"Subscribers": found.subscribers})


def _same(one: dict[str, object], other: dict[str, object]) -> bool:
    """Whether both are the same notification; a state is no part of its name."""
    return {**one, "NotificationState": None} == {**other, "NotificationState": None}
