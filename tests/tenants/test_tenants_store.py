from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minilab import dynamodb
from minilab.aws import AwsError
from minilab.cli.tenants import tenants as command
from minilab.errors import MinilabError
from minilab.tenants import Tenant, TenantError, Tenants
from minilab.tenants.keys import is_secret_of, new_key, split_key
from minilab.tenants.usage import usage_counter, usage_period
from tests.conftest import Lab

CREATED = "2026-01-31T00:00:00Z"


def a_tenant(name: str) -> Tenant:
    return Tenant(name, "team", "eu-central-1", "active", ("product",), 50, CREATED)


def created(store: Tenants, name: str) -> str:
    text, key = new_key(name, CREATED)
    store.create(a_tenant(name), key)
    return text


def is_valid(store: Tenants, text: str, now: int) -> bool:
    parts = split_key(text)
    assert parts is not None
    key = store.key(parts[0])
    return is_secret_of(parts[1], key) and key is not None and not key.is_expired(now)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_what_is_stored_is_read_back(lab: Lab) -> None:
    store = Tenants(lab.settings)
    key = new_key("readback", CREATED)[1]
    store.create(a_tenant("readback"), key)

    assert store.tenant("readback") == a_tenant("readback")
    assert store.key(key.id) == key
    assert store.tenant("nobody") is None and store.key("0" * 16) is None
    assert a_tenant("readback") in store.all()


def test_no_secret_is_stored(lab: Lab) -> None:
    text = created(Tenants(lab.settings), "secretive")
    parts = split_key(text)
    assert parts is not None
    table = dynamodb.tables()[dynamodb.TENANTS].full_name(lab.settings)
    everything = json.dumps(lab.client("dynamodb").scan(TableName=table)["Items"])
    assert parts[0] in everything and parts[1] not in everything


def test_a_name_is_taken_once(lab: Lab) -> None:
    store = Tenants(lab.settings)

    def attempt(_: int) -> str:
        try:
            return created(store, "contested")
        except TenantError:
            return ""

    with ThreadPoolExecutor(4) as pool:
        won = [text for text in pool.map(attempt, range(4)) if text]
    assert len(won) == 1
    assert is_valid(store, won[0], now=0)


def test_rotation_lets_older_keys_end(lab: Lab) -> None:
    store = Tenants(lab.settings)
    first = created(store, "rotating")
    second, key = new_key("rotating", CREATED)
    kept = store.rotate("rotating", key, now=1000, old_until=1060)

    assert [k.expires_at for k in kept] == [1060]
    assert is_valid(store, first, now=1059) and not is_valid(store, first, now=1060)
    assert is_valid(store, second, now=10**12)

    third, key = new_key("rotating", CREATED)
    store.rotate("rotating", key, now=1010, old_until=5000)
    assert not is_valid(store, first, now=1060), "a later rotation gives no key more time"
    assert is_valid(store, second, now=4999) and not is_valid(store, second, now=5000)

    fourth, key = new_key("rotating", CREATED)
    assert store.rotate("rotating", key, now=2000, old_until=2000) == []
    for gone in (first, second, third):
        assert not is_valid(store, gone, now=0)
    assert is_valid(store, fourth, now=10**12)


def test_of_two_rotations_at_once_no_key_is_lost(lab: Lab) -> None:
    store = Tenants(lab.settings)
    created(store, "busy")

    def attempt(_: int) -> str:
        text, key = new_key("busy", CREATED)
        try:
            store.rotate("busy", key, now=1000, old_until=2000)
        except TenantError:
            return ""
        return text

    with ThreadPoolExecutor(4) as pool:
        texts = [text for text in pool.map(attempt, range(4)) if text]
    assert texts
    key = new_key("busy", CREATED)[1]
    store.rotate("busy", key, now=1000, old_until=1000)
    for text in texts:
        assert not is_valid(store, text, now=1000), "every key was known to the tenant"


def test_what_is_not_there_is_said(lab: Lab) -> None:
    store = Tenants(lab.settings)
    with pytest.raises(TenantError, match="no tenant 'ghost'"):
        store.change("ghost", status="suspended")
    with pytest.raises(TenantError, match="no tenant 'ghost'"):
        store.rotate("ghost", new_key("ghost", CREATED)[1], now=0, old_until=1)
    elsewhere = Tenants(replace(lab.settings, env="t00000000"))
    with pytest.raises(TenantError, match="minilab provision"):
        elsewhere.tenant("acme")


def test_aws_that_is_away_is_an_error_that_says_so(lab: Lab) -> None:
    from botocore.exceptions import ConnectTimeoutError

    class Away:
        def get_item(self, **_: Any) -> None:
            raise ConnectTimeoutError(endpoint_url="https://dynamodb")

    with pytest.raises(AwsError, match="cannot be reached"):
        Tenants(lab.settings, client=Away).tenant("acme")


def test_the_commands_make_list_rotate_suspend_and_resume(lab: Lab) -> None:
    store = Tenants(lab.settings)
    made = run("create", "cli-acme", "--plan", "free", "--stream", "webhooks", "--json")
    assert made.exit_code == 0, made.output
    document = json.loads(made.stdout)
    text = document.pop("key")
    assert document == {
        "name": "cli-acme",
        "plan": "free",
        "region": lab.settings.region,
        "status": "active",
        "streams": ["webhooks"],
        "events_per_second": 100,
        "created_at": document["created_at"],
    }
    assert is_valid(store, text, now=0)

    plain = run("create", "cli-plain")
    assert plain.exit_code == 0 and "cli-plain" in plain.stderr
    assert is_valid(store, plain.stdout.strip(), now=0), "stdout is the key and nothing else"

    again = run("create", "cli-acme")
    assert isinstance(again.exception, MinilabError) and "rotate" in str(again.exception)

    rotated = run("rotate", "cli-acme", "--grace", "0", "--json")
    assert rotated.exit_code == 0, rotated.output
    assert json.loads(rotated.stdout)["older_keys"] == []
    assert not is_valid(store, text, now=0)
    assert is_valid(store, json.loads(rotated.stdout)["key"], now=0)

    plain = run("rotate", "cli-acme", "--grace", "2h")
    assert plain.exit_code == 0, plain.output
    assert is_valid(store, plain.stdout.strip(), now=0), "stdout is the key and nothing else"

    assert run("change", "cli-acme", "--rate", "7", "--stream", "billing").exit_code == 0
    assert run("change", "cli-acme").exit_code == 2, "nothing to change"
    assert run("change", "cli-acme", "--plan", "gold").exit_code == 2, "no such plan"
    assert run("suspend", "cli-acme").exit_code == 0
    listed = {t["name"]: t for t in json.loads(run("list", "--json").stdout)}
    assert listed["cli-acme"]["status"] == "suspended"
    assert listed["cli-acme"]["events_per_second"] == 7
    assert listed["cli-acme"]["streams"] == ["billing"]
    assert run("resume", "cli-acme").exit_code == 0
    table = run("list")
    assert table.exit_code == 0 and "cli-acme" in table.stdout and "active" in table.stdout


def test_list_adds_up_the_last_day(lab: Lab) -> None:
    created(Tenants(lab.settings), "counted")
    table = dynamodb.tables()[dynamodb.COUNTERS].full_name(lab.settings)
    now = datetime.now(UTC)
    for stream, age, events in (("product", 0, 5), ("billing", 3, 7), ("product", 30, 1000)):
        lab.client("dynamodb").put_item(
            TableName=table,
            Item={
                "counter": {"S": usage_counter("counted", stream)},
                "period": {"S": usage_period(now - timedelta(hours=age))},
                "events": {"N": str(events)},
                "bytes": {"N": str(events * 100)},
            },
        )
    listed = {t["name"]: t for t in json.loads(run("list", "--json").stdout)}
    assert listed["counted"]["last_24h"] == {"events": 12, "bytes": 1200}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("create", "not a name"), "NAME"),
        (("create", "x", "--plan", "gold"), "gold"),
        (("create", "x", "--rate", "0"), "--rate"),
        (("rotate", "x", "--grace", "soon"), "soon"),
    ],
)
def test_wrong_arguments_are_named(lab: Lab, arguments: tuple[str, ...], word: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2 and word in result.output


def test_an_unknown_stream_is_refused(lab: Lab) -> None:
    result = run("create", "x", "--stream", "nope")
    assert isinstance(result.exception, MinilabError) and "no stream 'nope'" in str(
        result.exception
    )
