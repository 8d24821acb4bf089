from __future__ import annotations

import dataclasses
import json

import pytest

from minilab import aws
from minilab.errors import MinilabError
from minilab.events.registry import load_registry
from minilab.provision import check, provision
from minilab.settings import Settings

REGISTRY = load_registry()


def test_creates_everything_once(settings: Settings) -> None:
    seen: list[str] = []
    missing = check(settings, REGISTRY)
    created = provision(settings, REGISTRY, on_progress=seen.append)

    assert created == missing
    assert {lack.kind for lack in created} == {
        "bucket",
        "queue",
        "topic",
        "table",
        "database",
        "glue tables",
    }
    assert f"queue {settings.queue_name('billing')}" in seen
    assert check(settings, REGISTRY) == []
    assert provision(settings, REGISTRY) == []


def test_queues_redrive_to_their_dead_letters(settings: Settings) -> None:
    provision(settings, REGISTRY)

    sqs = aws.client("sqs", settings)
    url = sqs.get_queue_url(QueueName=settings.queue_name("billing"))["QueueUrl"]
    dead = sqs.get_queue_url(QueueName=settings.dead_letter_queue_name("billing"))["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "120"
    assert attributes["MessageRetentionPeriod"] == str(14 * 86400)
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == dead_arn["QueueArn"]
    assert int(redrive["maxReceiveCount"]) == 5


def test_topic_has_the_partitions_of_its_stream(settings: Settings) -> None:
    from confluent_kafka.admin import AdminClient

    provision(settings, REGISTRY)

    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers})
    topic = admin.list_topics(timeout=10).topics[settings.topic_name("product")]
    assert len(topic.partitions) == REGISTRY.stream("product").partitions


def test_buckets_are_private_and_encrypted(settings: Settings) -> None:
    provision(settings, REGISTRY)

    s3 = aws.client("s3", settings)
    for bucket in (settings.lake_bucket, settings.results_bucket):
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert all(block.values())
        assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]


def test_corrects_what_differs(settings: Settings) -> None:
    provision(settings, REGISTRY)
    sqs = aws.client("sqs", settings)
    url = sqs.get_queue_url(QueueName=settings.queue_name("webhooks"))["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "3"})

    [lack] = check(settings, REGISTRY)
    assert (lack.name, lack.detail) == (
        settings.queue_name("webhooks"),
        "differs in VisibilityTimeout",
    )
    assert provision(settings, REGISTRY) == [lack]
    assert check(settings, REGISTRY) == []


def test_takes_up_what_an_interrupted_run_left(settings: Settings) -> None:
    aws.client("s3", settings).create_bucket(Bucket=settings.lake_bucket)

    assert "public access is not blocked" in [lack.detail for lack in check(settings, REGISTRY)]
    provision(settings, REGISTRY)
    assert check(settings, REGISTRY) == []


def test_a_region_other_than_the_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    settings = Settings.from_env()

    provision(settings, REGISTRY)

    location = aws.client("s3", settings).get_bucket_location(Bucket=settings.lake_bucket)
    assert location["LocationConstraint"] == "eu-central-1"


def test_an_unreachable_endpoint_is_said_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(MinilabError, match="cannot be reached") as caught:
        provision(settings, REGISTRY)
    assert caught.value.hint and "minilab local up" in caught.value.hint


def test_without_credentials_it_says_how_to_get_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(MinilabError, match="no AWS credentials") as caught:
        provision(settings, REGISTRY)
    assert caught.value.hint and "minilab local env" in caught.value.hint


def test_without_kafka_it_says_which_variable(settings: Settings) -> None:
    with pytest.raises(MinilabError, match="MINILAB_KAFKA_BOOTSTRAP_SERVERS"):
        provision(dataclasses.replace(settings, kafka_bootstrap_servers=""), REGISTRY)


def test_a_table_of_somebody_else_is_not_touched(settings: Settings) -> None:
    aws.client("dynamodb", settings).create_table(
        TableName=settings.table_name("landing-ledger"),
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(MinilabError, match="another key"):
        provision(settings, REGISTRY)
