from __future__ import annotations

import json
from pathlib import Path

import pytest

from minilab.tenants import DEFAULT_PLAN, PLANS, ApiKey
from minilab.tenants.directory import FOUND_SECONDS, MISSING_SECONDS, Cache
from minilab.tenants.keys import is_secret_of, new_key, split_key

ROOT = Path(__file__).parents[2]


def test_a_key_is_made_of_its_id_and_its_secret() -> None:
    text, key = new_key("acme", "2026-01-31T00:00:00Z")
    parts = split_key(text)
    assert parts is not None
    assert parts[0] == key.id and key.tenant == "acme"
    assert is_secret_of(parts[1], key)
    assert parts[1] not in repr(key)
    assert new_key("acme", "2026-01-31T00:00:00Z")[0] != text


def test_another_secret_or_no_key_is_refused() -> None:
    text, key = new_key("acme", "2026-01-31T00:00:00Z")
    secret = text.split("_", 2)[2]
    other = new_key("acme", "2026-01-31T00:00:00Z")[0].split("_", 2)[2]
    assert not is_secret_of(other, key)
    assert not is_secret_of("", key)
    assert not is_secret_of(secret, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mlk_",
        "mlk_0123456789abcdef_short",
        f"sk_0123456789abcdef_{43 * 'a'}",
        f"mlk_0123456789ABCDEF_{43 * 'a'}",
        f"mlk_0123456789abcdef_{44 * 'a'}",
        f"mlk_0123456789abcdef_{43 * 'ä'}",
        f"mlk_0123456789abcdef_{43 * 'a'}\n",
    ],
)
def test_what_is_no_key_is_seen_from_its_text(text: str) -> None:
    assert split_key(text) is None


def test_keys_expire_at_their_second() -> None:
    key = ApiKey("0" * 16, "acme", "", "", expires_at=100)
    assert not key.is_expired(99.9) and key.is_expired(100)
    assert not ApiKey("0" * 16, "acme", "", "").is_expired(10**12)


def test_plans_are_those_of_the_billing_contract() -> None:
    contract = json.loads((ROOT / "contracts/billing.subscription_started.v1.json").read_text())
    assert list(PLANS) == contract["properties"]["plan"]["enum"]
    assert DEFAULT_PLAN in PLANS


class Table:
    """What a cache loads from, counting."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.reads: list[str] = []

    def load(self, name: str) -> int | None:
        self.reads.append(name)
        return self.values.get(name)


def test_a_cache_asks_once_a_minute_for_what_is_there() -> None:
    table, now = Table(), [0.0]
    cache = Cache(table.load, lambda: now[0])
    table.values["a"] = 1
    assert (cache.get("a"), cache.get("a")) == (1, 1)
    table.values["a"] = 2
    now[0] = FOUND_SECONDS - 0.1
    assert cache.get("a") == 1
    now[0] = FOUND_SECONDS
    assert cache.get("a") == 2
    assert table.reads == ["a", "a"]


def test_a_cache_asks_again_after_ten_seconds_for_what_is_not() -> None:
    table, now = Table(), [0.0]
    cache = Cache(table.load, lambda: now[0])
    assert cache.get("a") is None
    table.values["a"] = 1
    now[0] = MISSING_SECONDS - 0.1
    assert cache.get("a") is None
    now[0] = MISSING_SECONDS
    assert cache.get("a") == 1
    assert table.reads == ["a", "a"]


def test_what_is_gone_is_forgotten() -> None:
    table, now = Table(), [0.0]
    cache = Cache(table.load, lambda: now[0])
    table.values["a"] = 1
    assert cache.get("a") == 1
    del table.values["a"]
    now[0] = FOUND_SECONDS
    assert cache.get("a") is None
    assert cache.get("a") is None
    assert table.reads == ["a", "a"]


def test_somebody_who_tries_keys_pushes_nobody_out() -> None:
    table, now = Table(), [0.0]
    cache = Cache(table.load, lambda: now[0], most=10)
    table.values["a"] = 1
    cache.get("a")
    for number in range(1000):
        cache.get(f"guess {number}")
    table.reads.clear()
    assert cache.get("a") == 1
    assert table.reads == []
    assert cache.get("guess 999") is None and table.reads == []
    assert cache.get("guess 1") is None and table.reads == ["guess 1"], "memory is bounded"


def test_an_error_is_not_remembered() -> None:
    answers: list[int | Exception] = [RuntimeError("throttled"), 1]

    def load(_: str) -> int | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = Cache(load, lambda: 0.0)
    with pytest.raises(RuntimeError):
        cache.get("a")
    assert cache.get("a") == 1
