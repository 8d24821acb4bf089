"""Tenants' facts: many at once, once a minute."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from minilab.aws import AwsError
from minilab.processing.tenants import TenantFacts
from minilab.tenants import Tenant
from minilab.tenants.directory import Directory


class Store:
    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.is_away = False

    def tenant(self, name: str) -> Tenant | None:
        self.asked[name] += 1
        if self.is_away:
            raise AwsError("DynamoDB is away.")
        if name == "nobody":
            return None
        return Tenant(name, f"plan of {name}", "eu", "suspended", ("*",), 1, "2026")

    def key(self, key_id: str) -> Any:
        raise NotImplementedError


def test_each_is_looked_up_once_a_minute() -> None:
    now = [0.0]
    store = Store()
    facts = TenantFacts(Directory(store, lambda: now[0]), lambda: now[0])  # type: ignore[arg-type]
    names = ["a", "b", "nobody"]
    for _ in range(3):
        facts.fetch(names)
        assert facts.attributes("a") == {"tenantplan": "plan of a", "tenantregion": "eu"}
        assert facts.attributes("nobody") == {}
    assert store.asked == Counter(names)
    now[0] = 61
    facts.fetch(names)
    assert store.asked == Counter(names * 2)


def test_a_table_that_is_away_is_told_when_it_is_needed_and_asked_again() -> None:
    store = Store()
    store.is_away = True
    facts = TenantFacts(Directory(store))  # type: ignore[arg-type]
    facts.fetch(["a", "b"])
    with pytest.raises(AwsError):
        facts.attributes("a")
    store.is_away = False
    assert facts.attributes("a")["tenantplan"] == "plan of a"
