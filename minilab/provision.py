"""Create what a deployment needs and does not have yet: buckets, queues, topics, ledger, tables.

Only what lives in the caller's own account (``Settings.account_of``) is looked at. Everything here
is idempotent: a resource first says what it lacks, and is only touched when it lacks something.
Terraform owns the same names on an account that it builds; there, ``--check`` should find nothing
to do.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from minilab import aws, dynamodb
from minilab.bus.kafka_config import kafka_config
from minilab.dynamodb import DynamoTable
from minilab.errors import MinilabError
from minilab.events.registry import Registry, Stream
from minilab.lake.layout import CLAIMS_DAYS, CLAIMS_PREFIX
from minilab.lake.tables import TABLES, Table
from minilab.settings import Home, Settings

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

VISIBILITY_SECONDS = 120
"""How long a received message stays hidden: longer than one landing batch takes."""
LONG_POLL_SECONDS = 20
RETENTION_SECONDS = 14 * 24 * 3600
MAX_RECEIVE_COUNT = 5
MAX_MESSAGE_BYTES = 1024 * 1024
_KAFKA_SECONDS = 10.0
_MAX_REPLICAS = 3


class ProvisionError(MinilabError):
    """A resource could not be created or looked at."""


@dataclass(frozen=True)
class Lack:
    """One resource that is missing or not as it should be."""

    kind: str
    """``bucket``, ``queue``, ``topic``, ``table`` (DynamoDB), ``database`` or ``glue tables``."""
    name: str
    detail: str
    """What is lacking, for people: ``missing``, or what differs."""


class Resource(ABC):
    """One thing that must exist."""

    kind: str
    name: str

    @abstractmethod
    def lacks(self) -> str | None:
        """What is missing or different, in words; ``None`` if it is as it should be."""

    @abstractmethod
    def supply(self) -> None:
        """Create or correct it."""


def check(
    settings: Settings, registry: Registry, *, on_progress: Callable[[str], None] | None = None
) -> list[Lack]:
    """List what is missing, and touch nothing.

    Raises:
        ProvisionError, aws.AwsError: AWS or Kafka cannot be reached, or refuses.
    """
    return [
        Lack(r.kind, r.name, detail)
        for r, detail in _lacking(settings, registry, on_progress or _silent)
    ]


def provision(
    settings: Settings, registry: Registry, *, on_progress: Callable[[str], None] | None = None
) -> list[Lack]:
    """Create what is missing, correct what differs, and return what that was.

    ``on_progress`` is told each resource before it is looked at (``"queue minilab-dev-billing"``).

    Raises:
        ProvisionError, aws.AwsError: AWS or Kafka cannot be reached, or refuses. What was created
            before stays; calling again goes on from there.
    """
    supplied = []
    for resource, detail in _lacking(settings, registry, on_progress or _silent):
        with aws.readable_errors(f"Creating {resource.kind} {resource.name}"):
            resource.supply()
        supplied.append(Lack(resource.kind, resource.name, detail))
    return supplied


def resources(settings: Settings, registry: Registry, account: str | None = None) -> list[Resource]:
    """Everything a deployment needs, each after what it depends on; only what lives in
    ``account``, where one is named."""
    return [
        resource
        for home, resources_of in _HOMES.items()
        if account is None or settings.account_of(home) in ("", account)
        for resource in resources_of(settings, registry)
    ]


def _ingestion(settings: Settings, _: Registry) -> list[Resource]:
    return [*_tables(settings, "ingestion"), *_ingestion_queues(settings)]


def _shared(settings: Settings, registry: Registry) -> list[Resource]:
    streams = list(registry.streams.values())
    return [
        _Bucket(settings, settings.lake_bucket, expire={CLAIMS_PREFIX: CLAIMS_DAYS}),
        _Bucket(settings, settings.results_bucket),
        *_tables(settings, "shared"),
        *_queues(settings, streams),
        *_topics(settings, streams),
        *(
            _Database(settings, name, description)
            for name, description in (
                (settings.raw_database, "Events as they arrived, and events that failed"),
                (settings.staging_database, "Events typed, one row each (dbt)"),
                (settings.marts_database, "What people ask for (dbt)"),
            )
        ),
        _RawTables(settings),
    ]


_HOMES: Mapping[Home, Callable[[Settings, Registry], list[Resource]]] = {
    "ingestion": _ingestion,
    "shared": _shared,
}


def _silent(_: str) -> None:
    pass


def _lacking(
    settings: Settings, registry: Registry, on_progress: Callable[[str], None]
) -> Iterator[tuple[Resource, str]]:
    account = aws.check_reachable(settings)
    for resource in resources(settings, registry, account):
        on_progress(f"{resource.kind} {resource.name}")
        with aws.readable_errors(f"Looking for {resource.kind} {resource.name}"):
            detail = resource.lacks()
        if detail is not None:
            yield resource, detail


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


class _Bucket(Resource):
    """A private, encrypted bucket.

    Not versioned: files of the lake get a name once and are never written again with other bytes,
    and Iceberg keeps its own snapshots; versions would only keep what maintenance removed.
    """

    kind = "bucket"

    def __init__(
        self, settings: Settings, name: str, *, expire: Mapping[str, int] | None = None
    ) -> None:
        """``expire`` maps prefixes to the days after which S3 deletes what lies below them."""
        self.name = name
        self._region = settings.region
        self._expire = dict(expire or {})
        self._s3 = aws.client("s3", settings)

    def lacks(self) -> str | None:
        try:
            self._s3.head_bucket(Bucket=self.name)
        except ClientError as error:
            if _code(error) in ("404", "NoSuchBucket"):
                return "missing"
            if _code(error) in ("403", "301"):
                raise ProvisionError(
                    f"Bucket {self.name} exists, but in another account or region.",
                    hint="Bucket names are global. Choose another with MINILAB_ENV, "
                    "MINILAB_LAKE_BUCKET or MINILAB_RESULTS_BUCKET.",
                ) from error
            raise
        if not self._is_private():
            return "public access is not blocked"
        return None if self._expires() else f"does not expire {', '.join(self._expire)}"

    def _expires(self) -> bool:
        days = {
            rule["Filter"].get("Prefix"): rule["Expiration"].get("Days")
            for rule in self._lifecycle()
            if rule["Status"] == "Enabled" and "Filter" in rule and "Expiration" in rule
        }
        return all(days.get(prefix) == wanted for prefix, wanted in self._expire.items())

    def _lifecycle(self) -> list[dict[str, Any]]:
        try:
            answer = self._s3.get_bucket_lifecycle_configuration(Bucket=self.name)
        except ClientError as error:
            if _code(error) == "NoSuchLifecycleConfiguration":
                return []
            raise
        rules: list[dict[str, Any]] = answer["Rules"]
        return rules

    def _is_private(self) -> bool:
        try:
            answer = self._s3.get_public_access_block(Bucket=self.name)
        except ClientError as error:
            if _code(error) == "NoSuchPublicAccessBlockConfiguration":
                return False
            raise
        return all(answer["PublicAccessBlockConfiguration"].values())

    def supply(self) -> None:
        # us-east-1 is the one region that must not be named (S3 API, CreateBucket).
        where: dict[str, Any] = (
            {}
            if self._region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        )
        try:
            self._s3.create_bucket(Bucket=self.name, **where)
        except ClientError as error:
            if _code(error) != "BucketAlreadyOwnedByYou":
                raise
        self._s3.put_bucket_encryption(
            Bucket=self.name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        if not self._expires():
            ours = [
                {
                    "ID": f"expire-{prefix.strip('/')}",
                    "Status": "Enabled",
                    "Filter": {"Prefix": prefix},
                    "Expiration": {"Days": days},
                }
                for prefix, days in self._expire.items()
            ]
            names = {rule["ID"] for rule in ours}
            others = [rule for rule in self._lifecycle() if rule.get("ID") not in names]
            self._s3.put_bucket_lifecycle_configuration(
                Bucket=self.name, LifecycleConfiguration={"Rules": others + ours}
            )
        # Last, so that a bucket without it counts as unfinished and is taken up again.
        self._s3.put_public_access_block(
            Bucket=self.name,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )


def _tables(settings: Settings, home: Home) -> Iterator[_DynamoTable]:
    return (
        _DynamoTable(settings, table) for table in dynamodb.tables().values() if table.home == home
    )


class _DynamoTable(Resource):
    """A table of ``dynamodb_tables.json``, on demand."""

    kind = "table"

    def __init__(self, settings: Settings, table: DynamoTable) -> None:
        self.name = table.full_name(settings)
        self._table = table
        self._dynamodb = aws.client("dynamodb", settings)

    def lacks(self) -> str | None:
        try:
            found = self._dynamodb.describe_table(TableName=self.name)["Table"]
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return "missing"
            raise
        if found["KeySchema"] != self._table.key_schema:
            raise ProvisionError(
                f"DynamoDB table {self.name} exists with another key: {found['KeySchema']}.",
                hint="It is not this deployment's table. Choose another MINILAB_ENV.",
            )
        if found["TableStatus"] not in ("ACTIVE", "UPDATING"):
            return "not active yet"
        return None if self._expires() else "items do not expire"

    def _expires(self) -> bool:
        if self._table.time_to_live is None:
            return True
        answer = self._dynamodb.describe_time_to_live(TableName=self.name)
        description = answer["TimeToLiveDescription"]
        return bool(description.get("AttributeName") == self._table.time_to_live)

    def supply(self) -> None:
        try:
            self._dynamodb.create_table(
                TableName=self.name,
                KeySchema=self._table.key_schema,
                AttributeDefinitions=[
                    {"AttributeName": key["AttributeName"], "AttributeType": "S"}
                    for key in self._table.key_schema
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        except ClientError as error:
            if _code(error) != "ResourceInUseException":
                raise
        self._dynamodb.get_waiter("table_exists").wait(
            TableName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        if not self._expires():
            self._dynamodb.update_time_to_live(
                TableName=self.name,
                TimeToLiveSpecification={
                    "Enabled": True,
                    "AttributeName": self._table.time_to_live,
                },
            )


def _ingestion_queues(settings: Settings) -> Iterator[_Queue]:
    """What lies between the API and the processor, and what neither of them could accept."""
    dead_letters = _Queue(settings, settings.ingest_dead_letter_queue)
    yield dead_letters
    yield _Queue(settings, settings.ingest_queue, dead_letters)
    yield _Queue(settings, settings.failed_queue)


def _queues(settings: Settings, streams: list[Stream]) -> Iterator[_Queue]:
    for stream in streams:
        if stream.bus == "sqs":
            dead_letters = _Queue(settings, settings.dead_letter_queue_name(stream.name))
            yield dead_letters
            yield _Queue(settings, settings.queue_name(stream.name), dead_letters)


class _Queue(Resource):
    """A queue, with the dead-letter queue that it redrives to (SQS API, CreateQueue).

    A name that ends in ``.fifo`` makes it FIFO, in high-throughput mode (Developer Guide, "High
    throughput for FIFO queues").
    """

    kind = "queue"

    def __init__(self, settings: Settings, name: str, dead_letters: _Queue | None = None) -> None:
        self.name = name
        self._dead_letters = dead_letters
        self._sqs = aws.client("sqs", settings)

    def _url(self) -> str | None:
        try:
            return str(self._sqs.get_queue_url(QueueName=self.name)["QueueUrl"])
        except ClientError as error:
            # The JSON and the query protocol name the same error differently.
            if _code(error).removeprefix("AWS.SimpleQueueService.") in (
                "NonExistentQueue",
                "QueueDoesNotExist",
            ):
                return None
            raise

    def _attributes(self) -> dict[str, str]:
        wanted = {
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "ReceiveMessageWaitTimeSeconds": str(LONG_POLL_SECONDS),
            "MessageRetentionPeriod": str(RETENTION_SECONDS),
            "MaximumMessageSize": str(MAX_MESSAGE_BYTES),
        }
        if self.name.endswith(".fifo"):
            wanted |= {
                "FifoQueue": "true",
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
            }
        if self._dead_letters is not None:
            redrive = {
                "deadLetterTargetArn": self._dead_letters.arn(),
                "maxReceiveCount": MAX_RECEIVE_COUNT,
            }
            wanted["RedrivePolicy"] = json.dumps(redrive, sort_keys=True)
        return wanted

    def arn(self) -> str:
        url = self._url()
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def lacks(self) -> str | None:
        url = self._url()
        if url is None:
            return "missing"
        if self._dead_letters is not None and self._dead_letters._url() is None:
            return "has no dead-letter queue"
        wanted = self._attributes()
        actual = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        different = [
            name
            for name, value in wanted.items()
            if _comparable(actual.get(name, "")) != _comparable(value)
        ]
        return f"differs in {', '.join(different)}" if different else None

    def supply(self) -> None:
        url = self._url()
        if url is None:
            self._sqs.create_queue(QueueName=self.name, Attributes=self._attributes())
        else:
            changeable = {k: v for k, v in self._attributes().items() if k != "FifoQueue"}
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes=changeable)


def _comparable(attribute: str) -> Any:
    """An attribute's value, where a JSON document is the same in any order."""
    if not attribute.startswith("{"):
        return attribute
    return {name: str(value) for name, value in json.loads(attribute).items()}


def _topics(settings: Settings, streams: list[Stream]) -> Iterator[_Topic]:
    streams = [stream for stream in streams if stream.bus == "kafka"]
    if not streams:
        return
    from confluent_kafka.admin import AdminClient

    admin = AdminClient(kafka_config(settings) | {"socket.timeout.ms": 10_000})
    for stream in streams:
        yield _Topic(admin, settings.topic_name(stream.name), stream.partitions)


class _Topic(Resource):
    kind = "topic"

    def __init__(self, admin: AdminClient, name: str, partitions: int) -> None:
        self.name = name
        self._admin = admin
        self._partitions = partitions

    def _metadata(self) -> Any:
        from confluent_kafka import KafkaException

        try:
            # Asking for all topics: asking for one by its name would create it on some brokers.
            return self._admin.list_topics(timeout=_KAFKA_SECONDS)
        except KafkaException as error:
            raise ProvisionError(
                f"Kafka cannot be reached: {error.args[0].str()}.",
                hint="Is MINILAB_KAFKA_BOOTSTRAP_SERVERS right? " + aws.CONNECT_HINT,
            ) from error

    def _existing_partitions(self) -> int:
        topic = self._metadata().topics.get(self.name)
        return len(topic.partitions) if topic else 0

    def lacks(self) -> str | None:
        existing = self._existing_partitions()
        if existing == 0:
            return "missing"
        if existing < self._partitions:
            return f"has {existing} of {self._partitions} partitions"
        return None

    def supply(self) -> None:
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.cimpl import NewPartitions, NewTopic

        if self._existing_partitions():
            futures = self._admin.create_partitions(
                [NewPartitions(self.name, self._partitions)], request_timeout=_KAFKA_SECONDS
            )
        else:
            topic = NewTopic(
                self.name,
                num_partitions=self._partitions,
                replication_factor=min(_MAX_REPLICAS, len(self._metadata().brokers)),
                config={"retention.ms": str(RETENTION_SECONDS * 1000)},
            )
            futures = self._admin.create_topics([topic], request_timeout=_KAFKA_SECONDS)
        try:
            futures[self.name].result(timeout=_KAFKA_SECONDS + 5)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise ProvisionError(
                    f"Creating topic {self.name} failed: {error.args[0].str()}."
                ) from error


class _Database(Resource):
    kind = "database"

    def __init__(self, settings: Settings, name: str, description: str) -> None:
        self.name = name
        self._description = description
        self._glue = aws.client("glue", settings)

    def lacks(self) -> str | None:
        try:
            self._glue.get_database(Name=self.name)
        except ClientError as error:
            if _code(error) == "EntityNotFoundException":
                return "missing"
            raise
        return None

    def supply(self) -> None:
        try:
            self._glue.create_database(
                DatabaseInput={"Name": self.name, "Description": self._description}
            )
        except ClientError as error:
            if _code(error) != "AlreadyExistsException":
                raise


class _RawTables(Resource):
    """The raw tables in Glue, which landing registers its partitions with."""

    kind = "glue tables"

    def __init__(self, settings: Settings) -> None:
        self.name = f"{settings.raw_database}.*"
        self._settings = settings
        self._glue = aws.client("glue", settings)

    def lacks(self) -> str | None:
        return "; ".join(filter(None, map(self._lacks, TABLES))) or None

    def _lacks(self, table: Table) -> str | None:
        try:
            answer = self._glue.get_table(DatabaseName=self._settings.raw_database, Name=table.name)
        except ClientError as error:
            if _code(error) == "EntityNotFoundException":
                return f"{table.name} missing"
            raise
        existing = {column["Name"] for column in answer["Table"]["StorageDescriptor"]["Columns"]}
        new = [column.name for column in table.columns if column.name not in existing]
        return f"{table.name} has no column {', '.join(new)}" if new else None

    def supply(self) -> None:
        from minilab.lake.glue import ensure_tables

        ensure_tables(self._settings)
