"""The code where ingestion, events and shared services are accounts of their own."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache

import pytest

from minilab import aws, dynamodb
from minilab.errors import MinilabError
from minilab.events.registry import load_registry
from minilab.ingest import clients
from minilab.ingest.api import Api
from minilab.ingest.handler import make_handler
from minilab.lake import glue
from minilab.landing import backlog, land
from minilab.processing.environment import Environment
from minilab.processing.worker import run
from minilab.provision import check, provision
from minilab.settings import Settings
from tests.accounts.three_accounts import EVENTS, INGESTION, SHARED, running
from tests.ingest.client import Client, new_tenant, page_viewed

REGISTRY = load_registry()
As = Callable[[str], Settings]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def signed_in(endpoint: str, kafka_broker: str, monkeypatch: pytest.MonkeyPatch) -> As:
    """Sign in to an account, with the environment that programs have there."""
    name = f"t{uuid.uuid4().hex[:10]}"

    def sign_in(account: str) -> Settings:
        for variable, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "MINILAB_ENV": name,
            "MINILAB_DATABASE_PREFIX": f"minilab_{name}",
            "MINILAB_KAFKA_BOOTSTRAP_SERVERS": kafka_broker,
            "MINILAB_INGESTION_ACCOUNT": INGESTION if account != INGESTION else "",
            "MINILAB_SHARED_ACCOUNT": SHARED if account != SHARED else "",
        }.items():
            monkeypatch.setenv(variable, value)
        # What made clients in another account before must not hand them on.
        for module in (aws, clients):
            monkeypatch.setattr(module, "_client", lru_cache(module._client.__wrapped__))
        monkeypatch.setattr(glue, "_session", lru_cache(glue._session.__wrapped__))
        return Settings.from_env()

    return sign_in


def test_each_account_is_given_what_lives_there(signed_in: As) -> None:
    ingestion = {(lack.kind, lack.name) for lack in provision(signed_in(INGESTION), REGISTRY)}
    shared = {(lack.kind, lack.name) for lack in provision(signed_in(SHARED), REGISTRY)}
    s = signed_in(EVENTS)

    assert ingestion == {
        *(("table", s.table_name(name)) for name in ("tenants", "idempotency", "stream-counters")),
        *(("queue", n) for n in (s.ingest_queue, s.ingest_dead_letter_queue, s.failed_queue)),
    }
    assert {kind for kind, _ in shared} == {
        "bucket",
        "queue",
        "topic",
        "table",
        "database",
        "glue tables",
    }
    assert {name for kind, name in shared if kind == "table"} == {s.table_name("landing-ledger")}
    assert not ingestion & shared
    for account in (INGESTION, SHARED, EVENTS):
        assert check(signed_in(account), REGISTRY) == []


def test_an_event_goes_its_way_through_three_accounts(signed_in: As) -> None:
    ingestion = signed_in(INGESTION)
    provision(ingestion, REGISTRY)
    provision(signed_in(SHARED), REGISTRY)

    settings = signed_in(INGESTION)
    _, key = new_tenant(settings)
    client = Client(make_handler(lambda: Api.of(settings)), key)
    assert client.send(page_viewed()).status == 202
    bill = page_viewed(
        type="github.push", datacontenttype="application/json", data={"note": "x" * 1_500_000}
    )
    assert client.send(bill, "/v1/streams/webhooks/events").status == 202
    assert client.send(page_viewed(data={})).status == 422

    settings = signed_in(EVENTS)
    done = run(Environment.of(settings, REGISTRY), threading.Event(), drain=True)
    assert (done.messages, done.events) == (2, 2)

    settings = signed_in(SHARED)
    assert backlog(settings, REGISTRY, "webhooks").messages == 1
    landed = land(settings, REGISTRY)
    landed.raise_if_broken()
    assert (landed.events, landed.failed_events) == (2, 1)

    settings = signed_in(INGESTION)
    counted = aws.client("dynamodb", settings).scan(
        TableName=settings.table_name("stream-counters")
    )
    usage = [i for i in counted["Items"] if i["counter"]["S"].startswith("events#")]
    assert sum(int(item["events"]["N"]) for item in usage) == 2


def test_names_stay_names_on_one_account() -> None:
    settings = Settings.from_env({"MINILAB_ENV": "x"})
    assert settings.queue_address(settings.ingest_queue) == {"QueueName": "minilab-x-ingest.fifo"}
    assert [table.address(settings) for table in dynamodb.tables().values()] == [
        table.full_name(settings) for table in dynamodb.tables().values()
    ]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_another_accounts_things_are_named_with_their_owner(region: str, partition: str) -> None:
    settings = Settings.from_env(
        {
            "AWS_REGION": region,
            "MINILAB_INGESTION_ACCOUNT": INGESTION,
            "MINILAB_SHARED_ACCOUNT": SHARED,
        }
    )
    for queue in (
        settings.ingest_queue,
        settings.ingest_dead_letter_queue,
        settings.failed_queue,
    ):
        assert settings.queue_address(queue)["QueueOwnerAWSAccountId"] == INGESTION
    for stream in REGISTRY.streams:
        for queue in (settings.queue_name(stream), settings.dead_letter_queue_name(stream)):
            assert settings.queue_address(queue)["QueueOwnerAWSAccountId"] == SHARED
    found = {name: table.address(settings) for name, table in dynamodb.tables().items()}
    assert found == {
        name: f"arn:{partition}:dynamodb:{region}:"
        f"{SHARED if name == 'landing-ledger' else INGESTION}:table/minilab-dev-{name}"
        for name in ("landing-ledger", "tenants", "idempotency", "stream-counters")
    }


@pytest.mark.parametrize("variable", ["MINILAB_INGESTION_ACCOUNT", "MINILAB_SHARED_ACCOUNT"])
def test_what_is_no_account_is_refused(variable: str) -> None:
    with pytest.raises(MinilabError, match=variable):
        Settings.from_env({variable: "team-a"})
