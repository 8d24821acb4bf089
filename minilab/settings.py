"""What differs between two deployments, read from the environment and nowhere else.

AWS's own variables (``AWS_REGION``, ``AWS_ENDPOINT_URL``, credentials) are read by boto3 and are
not repeated here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from minilab.errors import MinilabError

_ENV_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
_DATABASE_PREFIX = re.compile(r"[a-z][a-z0-9_]*")
_ACCOUNT = re.compile(r"[0-9]{12}")

Home = Literal["ingestion", "shared"]
"""Whose account a thing lives in: ``ingestion`` has the API, its tables and its queues; ``shared``
has the streams' buses, the ledger, the lake and its catalog."""


@dataclass(frozen=True)
class Settings:
    """Names of everything that one deployment of Mini-Lab owns.

    ``env`` is part of every bucket, queue, topic and table name, so that deployments (and tests)
    live side by side in one account. Glue databases are named by ``database_prefix`` instead,
    because a deployment of its own account wants the plain ``minilab_raw``.
    """

    env: str = "dev"
    region: str = "us-east-1"
    database_prefix: str = "minilab"
    lake_bucket: str = "minilab-dev-lake"
    results_bucket: str = "minilab-dev-athena-results"
    athena_workgroup: str = "primary"
    kafka_bootstrap_servers: str = ""
    kafka_security: str = "PLAINTEXT"
    """``PLAINTEXT``, or ``MSK_IAM`` for MSK with IAM authentication."""
    api_url: str = ""
    """Where the ingestion API answers, without ``/v1``; only its clients need it."""
    ingestion_account: str = ""
    """Id of the account that is home ``ingestion``; empty where that is the caller's own."""
    shared_account: str = ""
    """Id of the account that is home ``shared``; empty where that is the caller's own."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises:
            MinilabError: a value cannot be used; the message names the variable.
        """
        get = (os.environ if environ is None else environ).get
        env = get("MINILAB_ENV") or "dev"
        if not _ENV_NAME.fullmatch(env):
            raise MinilabError(
                f"MINILAB_ENV={env!r} cannot be part of a bucket's name.",
                hint="Use 1 to 20 lower-case letters, digits and inner hyphens, such as 'dev'.",
            )
        prefix = get("MINILAB_DATABASE_PREFIX") or "minilab"
        if not _DATABASE_PREFIX.fullmatch(prefix):
            raise MinilabError(
                f"MINILAB_DATABASE_PREFIX={prefix!r} cannot be part of a Glue database's name.",
                hint="Use lower-case letters, digits and underscores, beginning with a letter.",
            )
        return cls(
            env=env,
            region=get("AWS_REGION") or get("AWS_DEFAULT_REGION") or "us-east-1",
            database_prefix=prefix,
            lake_bucket=get("MINILAB_LAKE_BUCKET") or f"minilab-{env}-lake",
            results_bucket=get("MINILAB_RESULTS_BUCKET") or f"minilab-{env}-athena-results",
            athena_workgroup=get("MINILAB_ATHENA_WORKGROUP") or "primary",
            kafka_bootstrap_servers=get("MINILAB_KAFKA_BOOTSTRAP_SERVERS") or "",
            kafka_security=get("MINILAB_KAFKA_SECURITY") or "PLAINTEXT",
            api_url=(get("MINILAB_API_URL") or "").rstrip("/"),
            ingestion_account=_account("MINILAB_INGESTION_ACCOUNT", get),
            shared_account=_account("MINILAB_SHARED_ACCOUNT", get),
        )

    # Where things live. Buckets need no account: their names are unique in all of AWS.
    def account_of(self, home: Home) -> str:
        """The account's id; empty where it is the caller's own."""
        return self.ingestion_account if home == "ingestion" else self.shared_account

    def queue_home(self, queue: str) -> Home:
        """The home of a queue, by its name."""
        ours = (self.ingest_queue, self.ingest_dead_letter_queue, self.failed_queue)
        return "ingestion" if queue in ours else "shared"

    def queue_address(self, queue: str) -> dict[str, str]:
        """A queue as SQS's GetQueueUrl wants it, with its owner where that is another account."""
        owner = self.account_of(self.queue_home(queue))
        address = {"QueueName": queue}
        return address | {"QueueOwnerAWSAccountId": owner} if owner else address

    def table_address(self, table: str, home: Home) -> str:
        """A table as DynamoDB's calls take it for TableName: its ARN where it is in another
        account (Developer Guide, "Cross-account access with resource-based policies")."""
        name, owner = self.table_name(table), self.account_of(home)
        if not owner:
            return name
        return f"arn:{self.partition}:dynamodb:{self.region}:{owner}:table/{name}"

    @property
    def partition(self) -> str:
        """What ARNs of the region begin with, after ``arn:``."""
        for beginning, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
            if self.region.startswith(beginning):
                return partition
        return "aws"

    # Glue databases
    @property
    def raw_database(self) -> str:
        return f"{self.database_prefix}_raw"

    @property
    def staging_database(self) -> str:
        return f"{self.database_prefix}_staging"

    @property
    def marts_database(self) -> str:
        return f"{self.database_prefix}_marts"

    # DynamoDB: what tables there are is in dynamodb_tables.json; how they are called is here.
    def table_name(self, table: str) -> str:
        return f"minilab-{self.env}-{table}"

    # Ingestion's own queues (minilab.bus.ingest_queue, minilab.bus.failed_queue)
    @property
    def ingest_queue(self) -> str:
        return f"minilab-{self.env}-ingest.fifo"

    @property
    def ingest_dead_letter_queue(self) -> str:
        return f"minilab-{self.env}-ingest-dlq.fifo"

    @property
    def failed_queue(self) -> str:
        return f"minilab-{self.env}-failed"

    # Buses: what carries a stream is in contracts/streams.yaml; how it is called is here.
    def queue_name(self, stream: str) -> str:
        return f"minilab-{self.env}-{stream}"

    def dead_letter_queue_name(self, stream: str) -> str:
        return f"minilab-{self.env}-{stream}-dlq"

    def topic_name(self, stream: str) -> str:
        return f"minilab-{self.env}-{stream}"

    # Athena
    @property
    def athena_results_location(self) -> str:
        return f"s3://{self.results_bucket}/query/"


def _account(name: str, get: Callable[[str], str | None]) -> str:
    value = get(name) or ""
    if value and not _ACCOUNT.fullmatch(value):
        raise MinilabError(
            f"{name}={value!r} is no AWS account's id.",
            hint="Give its 12 digits, or leave it empty where everything is in your own account.",
        )
    return value
