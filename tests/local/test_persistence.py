"""What was acknowledged is there after a stop and after SIGKILL, with the same identifiers.

Each test runs its own server on its own home: ``Server.kill()`` is SIGKILL in the middle of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from minilab_local.aws.journal import read

PART = 5 * 1024 * 1024


class Server:
    """One AWS server process that can be killed and started again on the same home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = 0
        self.log = home.parent / "server.log"
        self.start()

    def start(self) -> None:
        import socket

        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        command = [sys.executable, "-m", "minilab_local.aws.server", "--home", str(self.home)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--fd", str(listener.fileno())],
                pass_fds=[listener.fileno()],
                stderr=log,
            )
        listener.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                urlopen(f"http://127.0.0.1:{self.port}/_minilab/health", timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0

    def crash_and_return(self) -> None:
        self.kill()
        self.start()

    def stop_and_return(self) -> None:
        self.stop()
        self.start()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="AKIAMINILABLOCAL0000",
            aws_secret_access_key="x",
            config=Config(retries={"max_attempts": 0}),
        )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "home")
    yield server
    server.kill()


Return = Callable[[Server], None]
BOTH_WAYS = pytest.mark.parametrize(
    "come_back", [Server.crash_and_return, Server.stop_and_return], ids=["SIGKILL", "stop"]
)


@BOTH_WAYS
def test_objects(server: Server, come_back: Return) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_tagging(Bucket="kept", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_object(Bucket="kept", Key="plain", Body=b"1", Metadata={"who": "me"}, ContentType="a/b")
    s3.put_object(Bucket="kept", Key="overwritten", Body=b"old")
    s3.put_object(Bucket="kept", Key="overwritten", Body=b"new")
    s3.put_object(Bucket="kept", Key="deleted", Body=b"x")
    s3.delete_object(Bucket="kept", Key="deleted")
    s3.put_object(Bucket="kept", Key="a/1", Body=b"x", Tagging="t=1")
    s3.put_object(Bucket="kept", Key="a/2", Body=b"x")
    s3.put_object(Bucket="kept", Key="a/3", Body=b"x")
    s3.copy_object(Bucket="kept", Key="copy", CopySource="kept/plain")
    s3.delete_objects(Bucket="kept", Delete={"Objects": [{"Key": "a/2"}, {"Key": "a/3"}]})
    upload = s3.create_multipart_upload(Bucket="kept", Key="large")["UploadId"]
    bodies = [b"a" * PART, b"b" * 10]
    etags = [
        s3.upload_part(Bucket="kept", Key="large", UploadId=upload, PartNumber=n, Body=body)["ETag"]
        for n, body in enumerate(bodies, 1)
    ]
    before = {key: s3.head_object(Bucket="kept", Key=key) for key in ("plain", "overwritten")}
    come_back(server)
    s3 = server.client("s3")
    names = [o["Key"] for o in s3.list_objects_v2(Bucket="kept")["Contents"]]
    assert names == ["a/1", "copy", "overwritten", "plain"]
    assert s3.get_object(Bucket="kept", Key="overwritten")["Body"].read() == b"new"
    assert s3.get_object(Bucket="kept", Key="copy")["Body"].read() == b"1"
    for key, head in before.items():
        after = s3.head_object(Bucket="kept", Key=key)
        for field in ("ETag", "LastModified", "ContentType", "Metadata", "ContentLength"):
            assert after[field] == head[field]
    tags = s3.get_object_tagging(Bucket="kept", Key="a/1")["TagSet"]
    assert tags == [{"Key": "t", "Value": "1"}]
    assert s3.get_bucket_tagging(Bucket="kept")["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.complete_multipart_upload(  # an upload begun before goes on after
        Bucket="kept",
        Key="large",
        UploadId=upload,
        MultipartUpload={
            "Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
        },
    )
    server.crash_and_return()
    assert server.client("s3").get_object(Bucket="kept", Key="large")["Body"].read() == b"".join(
        bodies
    )


@BOTH_WAYS
def test_versions_and_settings_of_a_bucket(server: Server, come_back: Return) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="versioned")
    s3.create_bucket(Bucket="gone")
    s3.delete_bucket(Bucket="gone")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket="versioned", Key="k", Body=b)["VersionId"] for b in (b"1", b"2")]
    marker = s3.delete_object(Bucket="versioned", Key="k")["VersionId"]
    come_back(server)
    s3 = server.client("s3")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["versioned"]
    listed = s3.list_object_versions(Bucket="versioned")
    assert {v["VersionId"] for v in listed["Versions"]} == set(ids)
    assert [m["VersionId"] for m in listed["DeleteMarkers"]] == [marker]
    old = s3.get_object(Bucket="versioned", Key="k", VersionId=ids[0])
    assert old["Body"].read() == b"1"


@BOTH_WAYS
def test_queues(server: Server, come_back: Return) -> None:
    sqs = server.client("sqs")
    grave = sqs.create_queue(QueueName="grave")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=grave, AttributeNames=["QueueArn"])["Attributes"]
    policy = f'{{"deadLetterTargetArn":"{arn["QueueArn"]}","maxReceiveCount":"1"}}'
    queue = sqs.create_queue(
        QueueName="q", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "600"}
    )["QueueUrl"]
    sqs.tag_queue(QueueUrl=queue, Tags={"a": "b"})
    fifo = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    sqs.send_message(QueueUrl=fifo, MessageBody="f", MessageGroupId="g", MessageDeduplicationId="d")
    ids = [
        sqs.send_message(
            QueueUrl=queue,
            MessageBody=body,
            MessageAttributes={"n": {"DataType": "Binary", "BinaryValue": b"\x01"}},
        )["MessageId"]
        for body in ("deleted", "deleted later", "in flight", "ready")
    ]
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=3)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=received[0]["ReceiptHandle"])
    come_back(server)
    sqs = server.client("sqs")
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=received[1]["ReceiptHandle"])
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "1"
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert counts["VisibilityTimeout"] == "600"
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"a": "b"}
    [ready] = sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )["Messages"]
    assert (ready["MessageId"], ready["Body"]) == (ids[3], "ready")
    assert ready["MessageAttributes"]["n"]["BinaryValue"] == b"\x01"
    # Received once before and made visible again: the dead-letter queue's turn, also after a crash
    sqs.change_message_visibility(
        QueueUrl=queue, ReceiptHandle=received[2]["ReceiptHandle"], VisibilityTimeout=0
    )
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    assert sqs.receive_message(QueueUrl=grave)["Messages"][0]["MessageId"] == ids[2]
    assert sqs.receive_message(QueueUrl=fifo)["Messages"][0]["Body"] == "f"


@BOTH_WAYS
def test_fifo_queues(server: Server, come_back: Return) -> None:
    def send(body: str, group: str = "g") -> tuple[str, str]:
        answer = server.client("sqs").send_message(
            QueueUrl=queue, MessageBody=body, MessageGroupId=group
        )
        return answer["MessageId"], answer["SequenceNumber"]

    def receive(count: int) -> list[Any]:
        return (
            server.client("sqs")
            .receive_message(
                QueueUrl=queue,
                MaxNumberOfMessages=count,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            .get("Messages", [])
        )

    queue = server.client("sqs").create_queue(
        QueueName="q.fifo",
        Attributes={
            "FifoQueue": "true",
            "ContentBasedDeduplication": "true",
            "VisibilityTimeout": "600",
        },
    )["QueueUrl"]
    first = send("1")
    for body in ("2", "3"):
        send(body)
    one, two = receive(2)
    server.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
    come_back(server)
    assert send("1") == first  # the window knows it, though it is deleted
    assert int(send("other", "h")[1]) > int(first[1])
    assert [message["Body"] for message in receive(10)] == ["other"]  # "2" holds up its group
    server.client("sqs").change_message_visibility(
        QueueUrl=queue, ReceiptHandle=two["ReceiptHandle"], VisibilityTimeout=0
    )
    come_back(server)
    received = receive(10)
    assert [message["Body"] for message in received] == ["2", "3"]
    counts = [message["Attributes"]["ApproximateReceiveCount"] for message in received]
    assert counts == ["2", "1"]


@BOTH_WAYS
def test_every_other_service_with_its_own_identifiers(server: Server, come_back: Return) -> None:
    glue, dynamodb, sns = (server.client(name) for name in ("glue", "dynamodb", "sns"))
    glue.create_database(DatabaseInput={"Name": "lake"})
    glue.create_table(DatabaseName="lake", TableInput={"Name": "t", "PartitionKeys": []})
    glue.update_table(DatabaseName="lake", TableInput={"Name": "t", "Description": "second"})
    dynamodb.create_table(
        TableName="ledger",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for n in range(3):
        dynamodb.update_item(
            TableName="ledger",
            Key={"k": {"S": "a"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        condition = {"ConditionExpression": "attribute_not_exists(k)"}
        item = {"k": {"S": "b"}, "n": {"N": str(n)}}
        if n:
            with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
                dynamodb.put_item(TableName="ledger", Item=item, **condition)
        else:
            dynamodb.put_item(TableName="ledger", Item=item, **condition)
    topic = sns.create_topic(Name="news")["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    server.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    server.client("cloudwatch").put_metric_data(
        Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.0}]
    )

    def facts() -> dict[str, Any]:
        glue, dynamodb = server.client("glue"), server.client("dynamodb")
        described = dynamodb.describe_table(TableName="ledger")["Table"]
        return {
            "table": glue.get_table(DatabaseName="lake", Name="t")["Table"],
            "ledger": described["CreationDateTime"],
            "items": sorted(
                dynamodb.scan(TableName="ledger")["Items"], key=lambda item: item["k"]["S"]
            ),
            "subscriptions": [
                s["SubscriptionArn"]
                for s in server.client("sns").list_subscriptions()["Subscriptions"]
            ],
            "role": server.client("iam").get_role(RoleName="r")["Role"]["RoleId"],
            "metrics": [
                m["MetricName"] for m in server.client("cloudwatch").list_metrics()["Metrics"]
            ],
        }

    before = facts()
    assert before["items"] == [
        {"k": {"S": "a"}, "n": {"N": "3"}},
        {"k": {"S": "b"}, "n": {"N": "0"}},
    ]
    assert before["subscriptions"] == [subscription["SubscriptionArn"]]
    come_back(server)
    assert facts() == before


def make_items_table(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "k", "KeyType": "HASH"},
            {"AttributeName": "n", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "k", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def items_of(dynamodb: Any, table: str) -> dict[tuple[str, str], dict[str, Any]]:
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return {(item["k"]["S"], item["n"]["N"]): item for page in pages for item in page["Items"]}


@BOTH_WAYS
def test_items_of_tables(server: Server, come_back: Return) -> None:
    """Calls that were answered directly, those that moto answered, and those that were refused."""
    dynamodb = server.client("dynamodb")
    make_items_table(dynamodb, "t")

    def key(n: int, **more: Any) -> dict[str, Any]:
        return {"k": {"S": "k"}, "n": {"N": str(n)}, **more}

    def put(n: int, **more: Any) -> dict[str, Any]:
        return {"Put": {"TableName": "t", "Item": key(n, **more)}}

    everything = {
        "b": {"B": b"\x00\xff"},
        "bs": {"BS": [b"1", b"2"]},
        "m": {"M": {"l": {"L": [{"NULL": True}, {"BOOL": False}, {"SS": ["x"]}]}}},
    }
    dynamodb.put_item(TableName="t", Item=key(1, **everything))
    dynamodb.batch_write_item(RequestItems={"t": [{"PutRequest": {"Item": key(2)}}]})
    dynamodb.update_item(TableName="t", Key=key(3), UpdateExpression="REMOVE x")
    dynamodb.update_item(  # a legacy parameter: moto's
        TableName="t", Key=key(3), AttributeUpdates={"a": {"Value": {"S": "moto"}}}
    )
    dynamodb.update_item(
        TableName="t",
        Key=key(3),
        UpdateExpression="SET b = a",
        ConditionExpression="a = :moto",
        ExpressionAttributeValues={":moto": {"S": "moto"}},
    )
    transaction = {
        "ClientRequestToken": "once",
        "TransactItems": [put(4), put(5), {"Delete": {"TableName": "t", "Key": key(2)}}],
    }
    dynamodb.transact_write_items(**transaction)
    dynamodb.delete_item(TableName="t", Key=key(5))
    refused = {"TableName": "t", "Key": key(9), "ConditionExpression": "attribute_exists(k)"}
    with pytest.raises(ClientError):
        dynamodb.transact_write_items(TransactItems=[put(6), {"ConditionCheck": refused}])
    make_items_table(dynamodb, "again")
    dynamodb.put_item(TableName="again", Item=key(1))
    dynamodb.delete_table(TableName="again")
    make_items_table(dynamodb, "again")
    dynamodb.put_item(TableName="again", Item=key(2))
    before = items_of(dynamodb, "t")
    assert sorted(number for _, number in before) == ["1", "3", "4"]
    assert before["k", "3"] == key(3, a={"S": "moto"}, b={"S": "moto"})
    assert before["k", "1"] == key(1, **everything)
    come_back(server)
    dynamodb = server.client("dynamodb")
    dynamodb.transact_write_items(**transaction)  # its answer may have been lost
    assert items_of(dynamodb, "t") == before
    assert list(items_of(dynamodb, "again")) == [("k", "2")]
    with pytest.raises(ClientError):  # a condition sees what came back
        dynamodb.put_item(TableName="t", Item=key(1), ConditionExpression="attribute_not_exists(k)")


def test_calls_that_carry_items_are_no_requests_to_repeat(server: Server) -> None:
    """They are journalled as what they changed, and do not bring the next snapshot nearer."""
    dynamodb = server.client("dynamodb")
    make_items_table(dynamodb, "t")
    item = {"k": {"S": "k"}, "n": {"N": "1"}}
    named = {"TableName": "t", "Key": item}
    dynamodb.put_item(TableName="t", Item=item)
    dynamodb.update_item(**named, UpdateExpression="REMOVE x")
    dynamodb.delete_item(**named)
    dynamodb.delete_item(**named)  # changes nothing
    dynamodb.batch_write_item(RequestItems={"t": [{"PutRequest": {"Item": item}}]})
    dynamodb.transact_write_items(TransactItems=[{"Delete": named}])
    server.kill()
    [journal] = (server.home / "state").glob("journal-*.log")
    kinds = [kind for kind, _ in read(journal)]
    assert kinds == ["request", *["dynamodb"] * 5]


def test_a_transaction_survives_whole_or_not_at_all(server: Server) -> None:
    dynamodb = server.client("dynamodb")
    make_items_table(dynamodb, "t")
    acknowledged = 0

    def client() -> None:
        nonlocal acknowledged
        while True:
            puts = [
                {"Put": {"TableName": "t", "Item": {"k": {"S": f"{acknowledged}"}, "n": {"N": n}}}}
                for n in map(str, range(50))
            ]
            try:
                dynamodb.transact_write_items(TransactItems=puts)
            except (BotoCoreError, ClientError):
                return
            acknowledged += 1

    thread = threading.Thread(target=client)
    thread.start()
    while acknowledged < 20:
        time.sleep(0.01)
    server.kill()
    thread.join()
    server.start()
    found = items_of(dynamodb, "t")
    transactions = {transaction for transaction, _ in found}
    assert len(found) == 50 * len(transactions)
    assert {str(n) for n in range(acknowledged)} <= transactions


def test_permissions_are_checked_where_moto_is_told_to(server: Server) -> None:
    dynamodb, iam = server.client("dynamodb"), server.client("iam")
    make_items_table(dynamodb, "t")
    iam.create_user(UserName="u")
    made = iam.create_access_key(UserName="u")["AccessKey"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}],
    }
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(policy))
    url = f"http://127.0.0.1:{server.port}/moto-api/reset-auth"
    start = Request(url, data=b"0", headers={"Content-Type": "text/plain"})
    urlopen(start, timeout=10).close()
    user = boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name="us-east-1",
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
    )
    item = {"k": {"S": "k"}, "n": {"N": "1"}}
    assert "Item" not in user.get_item(TableName="t", Key=item)
    for call, arguments in (
        (user.put_item, {"TableName": "t", "Item": item}),
        (user.transact_write_items, {"TransactItems": [{"Put": {"TableName": "t", "Item": item}}]}),
    ):
        with pytest.raises(ClientError) as raised:
            call(**arguments)
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_killed_in_the_middle_of_traffic(server: Server) -> None:
    """Whatever was acknowledged to any of four clients is there, three kills long."""
    s3, sqs, dynamodb = (server.client(name) for name in ("s3", "sqs", "dynamodb"))
    s3.create_bucket(Bucket="traffic")
    queue = sqs.create_queue(QueueName="traffic")["QueueUrl"]
    dynamodb.create_table(
        TableName="traffic",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    objects: set[str] = set()
    sent: set[str] = set()
    deleting: set[str] = set()  # asked for: done or not, if the answer never came
    deleted: set[str] = set()
    items: set[str] = set()

    def put_objects(name: str) -> None:
        s3.put_object(Bucket="traffic", Key=name, Body=name.encode() * 1000)
        objects.add(name)

    def send(name: str) -> None:
        entries = [{"Id": str(n), "MessageBody": f"{name}-{n}"} for n in range(10)]
        answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        sent.update(f"{name}-{entry['Id']}" for entry in answer["Successful"])

    def receive(name: str) -> None:
        for message in sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0).get("Messages", []):
            body = message["Body"]
            deleting.add(body)
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            deleted.add(body)

    def put_items(name: str) -> None:
        dynamodb.put_item(TableName="traffic", Item={"k": {"S": name}})
        items.add(name)

    for kill in range(3):
        acknowledged = len(objects), len(sent), len(items)

        def client(work: Callable[[str], None], kill: int = kill) -> None:
            number = 0
            while True:
                try:
                    work(f"{kill}-{number}")
                except (BotoCoreError, ClientError):
                    return  # killed: this one was not acknowledged
                number += 1

        threads = [
            threading.Thread(target=client, args=(work,))
            for work in (put_objects, send, receive, put_items)
        ]
        for thread in threads:
            thread.start()
        while not all(
            now > before + 20
            for now, before in zip((len(objects), len(sent), len(items)), acknowledged, strict=True)
        ):
            time.sleep(0.01)
        server.kill()
        for thread in threads:
            thread.join()
        server.start()

    found = set()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="traffic"):
        for listed in page["Contents"]:
            found.add(listed["Key"])
            body = s3.get_object(Bucket="traffic", Key=listed["Key"])["Body"].read()
            assert body == listed["Key"].encode() * 1000
    assert objects <= found
    pages = dynamodb.get_paginator("scan").paginate(TableName="traffic")
    assert items <= {item["k"]["S"] for page in pages for item in page["Items"]}
    left = set()
    while messages := sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=600
    ).get("Messages"):
        left |= {message["Body"] for message in messages}
    assert len(deleting - deleted) <= 3  # one a kill
    assert sent - deleting <= left
    assert not deleted & left  # what was deleted does not come back
    # No file without an object, no object without a file.
    server.stop_and_return()
    files = sum(1 for path in (server.home / "objects").rglob("*") if path.is_file())
    assert files == len(found)


def test_a_torn_end_of_the_journal_is_cut_off(server: Server) -> None:
    sqs = server.client("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="whole")
    server.kill()
    [journal] = (server.home / "state").glob("journal-*.log")
    whole = journal.stat().st_size
    with journal.open("ab") as file:
        file.write(os.urandom(37))
    server.start()
    assert journal.stat().st_size == whole
    server.client("sqs").send_message(QueueUrl=queue, MessageBody="after")
    server.crash_and_return()
    messages = server.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    assert [m["Body"] for m in messages["Messages"]] == ["whole", "after"]


def test_damaged_state_is_said_plainly(server: Server) -> None:
    server.client("sqs").create_queue(QueueName="q")
    server.stop()
    [snapshot] = (server.home / "state").glob("snapshot-*.pickle")
    snapshot.write_bytes(b"nonsense")
    result = subprocess.run(
        [sys.executable, "-m", "minilab_local.aws.server", "--home", str(server.home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert "cannot be read" in result.stderr
    assert "minilab local reset" in result.stderr
    assert snapshot.read_bytes() == b"nonsense"  # and nothing of it was thrown away
