"""Allowed and refused where requests come in, by each protocol, whoever would answer them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.iam.conftest import ACCOUNT, Aws, Someone, allow, deny

MakeSomeone = Callable[..., Someone]

HERE = f"us-east-1:{ACCOUNT}"
S3 = "arn:aws:s3:::"


def refused(call: Callable[[], Any]) -> tuple[str, int, str]:
    """Code, status and message of the refusal, as boto3 has them."""
    with pytest.raises(ClientError) as raised:
        call()
    answer = raised.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return answer["Error"]["Code"], status, answer["Error"]["Message"]


@pytest.fixture(scope="module")
def things(aws: Aws) -> dict[str, str]:
    """A bucket with an object, a queue, a table and a topic, made by root; names by kind."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="things")
    s3.put_object(Bucket="things", Key="raw/x", Body=b"content")
    queue = aws.client("sqs").create_queue(QueueName="things")["QueueUrl"]
    aws.client("dynamodb").create_table(
        TableName="things",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    topic = aws.client("sns").create_topic(Name="things")["TopicArn"]
    aws.client("glue").create_database(DatabaseInput={"Name": "things"})
    aws.client("glue").create_table(
        DatabaseName="things",
        TableInput={
            "Name": "words",
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {
                "Columns": [{"Name": "word", "Type": "string"}],
                "Location": "s3://things/words/",
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
                },
            },
        },
    )
    s3.put_object(Bucket="things", Key="words/1.txt", Body=b"hello\nworld\n")
    return {"queue": queue, "topic": topic}


def send(who: Someone, things: dict[str, str]) -> Any:
    return who.client("sqs").send_message(QueueUrl=things["queue"], MessageBody="x")


def read(who: Someone, key: str = "raw/x") -> bytes:
    body: bytes = who.client("s3").get_object(Bucket="things", Key=key)["Body"].read()
    return body


def item(who: Someone) -> Any:
    return who.client("dynamodb").get_item(TableName="things", Key={"k": {"S": "v"}})


# What stands in the parameters is answered by our own direct ways (SQS, DynamoDB, S3) and by moto.
CALLS: dict[str, tuple[Callable[[Someone, dict[str, str]], Any], str, str, str]] = {
    "sqs": (send, "sqs:SendMessage", f"arn:aws:sqs:{HERE}:things", "AccessDenied"),
    "s3": (lambda who, _: read(who), "s3:GetObject", f"{S3}things/raw/x", "AccessDenied"),
    "s3 list": (
        lambda who, _: who.client("s3").list_objects_v2(Bucket="things"),
        "s3:ListBucket",
        f"{S3}things",
        "AccessDenied",
    ),
    "dynamodb": (
        lambda who, _: item(who),
        "dynamodb:GetItem",
        f"arn:aws:dynamodb:{HERE}:table/things",
        "AccessDeniedException",
    ),
    "glue": (
        lambda who, _: who.client("glue").get_databases(),
        "glue:GetDatabases",
        f"arn:aws:glue:{HERE}:catalog",
        "AccessDeniedException",
    ),
    "athena": (
        lambda who, _: who.client("athena").get_work_group(WorkGroup="primary"),
        "athena:GetWorkGroup",
        f"arn:aws:athena:{HERE}:workgroup/primary",
        "AccessDeniedException",
    ),
    "sns": (
        lambda who, things: who.client("sns").publish(TopicArn=things["topic"], Message="x"),
        "sns:Publish",
        f"arn:aws:sns:{HERE}:things",
        "AccessDenied",
    ),
    "xray": (
        lambda who, _: who.client("xray").put_trace_segments(TraceSegmentDocuments=["{}"]),
        "xray:PutTraceSegments",
        "*",
        "AccessDeniedException",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_needs_its_action_on_its_resource(
    someone: MakeSomeone, things: dict[str, str], name: str
) -> None:
    call, action, resource, code = CALLS[name]
    who = someone()
    assert refused(lambda: call(who, things)) == (
        code,
        403,
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{who.role}/me is not authorized to perform: "
        f"{action} on resource: {resource} because no identity-based policy allows the {action} "
        "action",
    )
    who.may(allow(action, resource))
    call(who, things)
    who.may(allow(action, "*"), deny(f"{action.partition(':')[0]}:*", resource))
    why = "with an explicit deny in an identity-based policy"
    assert refused(lambda: call(who, things))[2].endswith(why)
    who.may(allow(action, "arn:aws:s3:::somebody-elses"))
    assert refused(lambda: call(who, things))[0] == code


def test_what_is_refused_is_not_done(
    aws: Aws, someone: MakeSomeone, things: dict[str, str]
) -> None:
    """The direct ways do not pass the check by."""
    who = someone(allow("s3:ListBucket", f"{S3}things"))
    sqs, s3 = who.client("sqs"), who.client("s3")
    refused(lambda: sqs.send_message(QueueUrl=things["queue"], MessageBody="smuggled"))
    refused(lambda: s3.put_object(Bucket="things", Key="smuggled", Body=b"x"))
    refused(lambda: s3.delete_object(Bucket="things", Key="raw/x"))
    refused(
        lambda: who.client("dynamodb").put_item(TableName="things", Item={"k": {"S": "smuggled"}})
    )
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="things")["Contents"]]
    assert keys == ["raw/x", "words/1.txt"]
    received = aws.client("sqs").receive_message(QueueUrl=things["queue"], MaxNumberOfMessages=10)
    assert "smuggled" not in [message["Body"] for message in received.get("Messages", [])]
    root = aws.client("dynamodb")
    assert "Item" not in root.get_item(TableName="things", Key={"k": {"S": "smuggled"}})


def test_an_action_on_several_things_needs_all_of_them(
    someone: MakeSomeone, things: dict[str, str]
) -> None:
    who = someone(allow("s3:GetObject", f"{S3}things/raw/*"))
    copy = {"Bucket": "things", "Key": "copy", "CopySource": "things/raw/x"}
    assert "s3:PutObject" in refused(lambda: who.client("s3").copy_object(**copy))[2]
    who.may(allow("s3:PutObject", f"{S3}things/copy"))
    assert "s3:GetObject" in refused(lambda: who.client("s3").copy_object(**copy))[2]


def test_a_head_has_no_message_but_is_noted(aws: Aws, someone: MakeSomeone) -> None:
    who = someone()
    head = who.client("s3").head_object
    assert refused(lambda: head(Bucket="things", Key="raw/x"))[:2] == ("403", 403)
    (noted,) = [denial for denial in aws.denials() if denial["role"] == who.role]
    assert (noted["action"], noted["resource"]) == ("s3:GetObject", f"{S3}things/raw/x")


def test_denials_are_counted(aws: Aws, someone: MakeSomeone, things: dict[str, str]) -> None:
    who, before = someone(), time.time()
    for _ in range(3):
        refused(lambda: item(who))
    send(Someone(aws, "root", {}), things)
    noted = [denial for denial in aws.denials() if denial["role"] == who.role]
    last = noted[0].pop("last")
    assert noted == [
        {
            "role": who.role,
            "action": "dynamodb:GetItem",
            "resource": f"arn:aws:dynamodb:{HERE}:table/things",
            "why": "because no identity-based policy allows the dynamodb:GetItem action",
            "times": 3,
        }
    ]
    assert before <= last <= time.time()


def test_a_condition_on_a_prefix(someone: MakeSomeone, things: dict[str, str]) -> None:
    only_raw = {"StringLike": {"s3:prefix": ["raw/*"]}}
    who = someone(allow("s3:ListBucket", f"{S3}things", Condition=only_raw))
    s3 = who.client("s3")
    assert s3.list_objects_v2(Bucket="things", Prefix="raw/x")["KeyCount"] == 1
    assert refused(lambda: s3.list_objects_v2(Bucket="things"))[0] == "AccessDenied"


def test_a_condition_on_partition_keys(someone: MakeSomeone, things: dict[str, str]) -> None:
    """Of every item that a call names, however many those are."""
    mine = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "mine:*"}}
    actions = ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:BatchWriteItem"]
    table = f"arn:aws:dynamodb:{HERE}:table/things"
    dynamodb = someone(allow(actions, table, Condition=mine)).client("dynamodb")

    def puts(*keys: str) -> list[dict[str, Any]]:
        return [{"Put": {"TableName": "things", "Item": {"k": {"S": key}}}} for key in keys]

    def batch(*keys: str) -> dict[str, Any]:
        return {"things": [{"PutRequest": {"Item": {"k": {"S": key}}}} for key in keys]}

    dynamodb.put_item(TableName="things", Item={"k": {"S": "mine:1"}})
    dynamodb.get_item(TableName="things", Key={"k": {"S": "mine:1"}})
    dynamodb.transact_write_items(TransactItems=puts("mine:2", "mine:3"))
    dynamodb.batch_write_item(RequestItems=batch("mine:4"))
    for call in (
        lambda: dynamodb.put_item(TableName="things", Item={"k": {"S": "theirs:1"}}),
        lambda: dynamodb.get_item(TableName="things", Key={"k": {"S": "theirs:1"}}),
        lambda: dynamodb.transact_write_items(TransactItems=puts("mine:2", "theirs:1")),
        lambda: dynamodb.batch_write_item(RequestItems=batch("mine:4", "theirs:1")),
    ):
        assert refused(call)[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("s3", lambda c: c.list_buckets(), "InvalidAccessKeyId"),
        ("sqs", lambda c: c.list_queues(), "InvalidClientTokenId"),
        ("dynamodb", lambda c: c.list_tables(), "UnrecognizedClientException"),
        ("sns", lambda c: c.list_topics(), "InvalidClientTokenId"),
    ],
)
def test_a_key_that_nobody_has(
    aws: Aws, service: str, call: Callable[[Any], Any], code: str
) -> None:
    stranger = aws.client(
        service, aws_access_key_id="AKIAXXXXXXXXXXXXXXXX", aws_secret_access_key="x"
    )
    found, status, message = refused(lambda: call(stranger))
    assert (found, status) == (code, 403)
    assert message == "The security token included in the request is invalid."


def test_a_request_without_a_signature_is_refused(aws: Aws, things: dict[str, str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"{aws.endpoint}/things/raw/x", timeout=10)
    assert raised.value.code == 403


def test_a_presigned_address_is_as_good_as_who_signed_it(
    someone: MakeSomeone, things: dict[str, str]
) -> None:
    who = someone(allow("s3:GetObject", f"{S3}things/raw/*"))
    sign = who.client("s3").generate_presigned_url
    good = sign("get_object", {"Bucket": "things", "Key": "raw/x"})
    assert urllib.request.urlopen(good, timeout=10).read() == b"content"
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(sign("get_object", {"Bucket": "things", "Key": "words/1.txt"}))
    assert raised.value.code == 403


def test_a_user_has_policies_too(aws: Aws, things: dict[str, str]) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="pat")
    key = iam.create_access_key(UserName="pat")["AccessKey"]
    document = {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", f"{S3}things/*")]}
    policy = iam.create_policy(PolicyName="reads", PolicyDocument=json.dumps(document))
    iam.attach_user_policy(UserName="pat", PolicyArn=policy["Policy"]["Arn"])
    keys = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }
    pat = Someone(aws, "pat", keys)
    assert read(pat) == b"content"
    message = refused(lambda: send(pat, things))[2]
    assert message.startswith(f"User: arn:aws:iam::{ACCOUNT}:user/pat is not authorized")


def test_a_role_that_is_gone_allows_nothing(aws: Aws, someone: MakeSomeone) -> None:
    who = someone(allow("s3:GetObject", "*"))
    assert read(who) == b"content"
    iam = aws.client("iam")
    iam.delete_role_policy(RoleName=who.role, PolicyName="use")
    iam.delete_role(RoleName=who.role)
    assert refused(lambda: read(who))[0] == "AccessDenied"


# Athena works as its caller

CATALOG = [f"arn:aws:glue:{HERE}:{name}" for name in ("catalog", "database/things")]
QUERY = [
    allow(
        ["athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults"],
        f"arn:aws:athena:{HERE}:workgroup/primary",
    ),
    allow(["glue:GetDatabase", "glue:GetTable"], [*CATALOG, f"arn:aws:glue:{HERE}:table/things/*"]),
    allow("s3:ListBucket", f"{S3}things"),
    allow("s3:GetObject", [f"{S3}things/words/*", f"{S3}things/results/*"]),
    allow("s3:PutObject", f"{S3}things/results/*"),
]


def ask(who: Someone, sql: str) -> tuple[str, str, list[list[str]]]:
    """(state, reason, rows) of a query."""
    athena = who.client("athena")
    id = athena.start_query_execution(
        QueryString=sql, ResultConfiguration={"OutputLocation": "s3://things/results/"}
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=id)["QueryExecution"]["Status"]
        if status["State"] in ("SUCCEEDED", "FAILED"):
            break
    if status["State"] == "FAILED":
        return status["State"], status["StateChangeReason"], []
    rows = athena.get_query_results(QueryExecutionId=id)["ResultSet"]["Rows"]
    return status["State"], "", [[v["VarCharValue"] for v in row["Data"]] for row in rows]


def test_a_query_reads_and_writes_as_its_caller(
    someone: MakeSomeone, things: dict[str, str]
) -> None:
    who = someone(*QUERY)
    sql = "select word from things.words order by 1"
    assert ask(who, sql) == ("SUCCEEDED", "", [["word"], ["hello"], ["world"]])


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("glue:GetTable", f"arn:aws:glue:{HERE}:table/things/words"),
        ("s3:ListBucket", f"{S3}things"),
        ("s3:GetObject", f"{S3}things/words/1.txt"),
        ("s3:PutObject", f"{S3}things/results/"),
    ],
)
def test_a_query_fails_for_what_its_caller_may_not(
    someone: MakeSomeone, things: dict[str, str], action: str, resource: str
) -> None:
    who = someone(*QUERY, deny(action, f"{resource}*"))
    state, reason, _ = ask(who, "select word from things.words")
    assert state == "FAILED"
    assert reason.startswith(
        "PERMISSION_DENIED: Insufficient permissions to execute the query. "
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{who.role}/me is not authorized to perform: "
        f"{action} on resource: {resource}"
    )


def test_a_query_writes_a_table_as_its_caller(someone: MakeSomeone, things: dict[str, str]) -> None:
    files = allow(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], f"{S3}things/made/*")
    who = someone(*QUERY, files)
    make = (
        "create table things.made with (format = 'PARQUET', external_location = 's3://things/made/'"
        ") as select word from things.words"
    )
    state, reason, _ = ask(who, make)
    assert state == "FAILED"
    assert f"assumed-role/{who.role}/me is not authorized to perform: glue:CreateTable" in reason
    table = f"arn:aws:glue:{HERE}:table/things/made"
    who.may(*QUERY, files, allow("glue:CreateTable", [*CATALOG, table]))
    assert ask(who, make)[:2] == ("SUCCEEDED", "")


def test_another_ones_result_is_not_read(someone: MakeSomeone, things: dict[str, str]) -> None:
    """Who may ask for results of the workgroup may not so read the bucket that they are in."""
    asker, reader = someone(*QUERY), someone(QUERY[0])
    athena = asker.client("athena")
    id = athena.start_query_execution(
        QueryString="select 1", ResultConfiguration={"OutputLocation": "s3://things/results/"}
    )["QueryExecutionId"]
    while (
        athena.get_query_execution(QueryExecutionId=id)["QueryExecution"]["Status"]["State"]
        != "SUCCEEDED"
    ):
        pass
    results = reader.client("athena").get_query_results
    code, status, message = refused(lambda: results(QueryExecutionId=id))
    assert (code, status) == ("AccessDeniedException", 403)
    assert f"s3:GetObject on resource: {S3}things/results/{id}.csv" in message


def test_a_database_that_may_not_be_listed_is_not_in_the_information_schema(
    aws: Aws, someone: MakeSomeone, things: dict[str, str]
) -> None:
    list_all = allow(["glue:GetDatabases", "glue:GetTables"], f"arn:aws:glue:{HERE}:*")
    who = someone(*QUERY, list_all)
    sql = "select table_name from information_schema.tables where table_schema = 'things'"
    assert ["words"] in ask(who, sql)[2]
    who.may(*QUERY, allow("glue:GetDatabases", f"arn:aws:glue:{HERE}:catalog"))
    assert ask(who, sql) == ("SUCCEEDED", "", [["table_name"]])
    assert not [d for d in aws.denials() if d["role"] == who.role]


def test_without_the_option_nothing_is_refused(stack: dict[str, str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"{stack['AWS_ENDPOINT_URL']}/_minilab/denials", timeout=10)
    assert raised.value.code == 404
    anybody = Aws(stack["AWS_ENDPOINT_URL"]).client(
        "s3", aws_access_key_id="AKIAXXXXXXXXXXXXXXXX", aws_secret_access_key="x"
    )
    anybody.list_buckets()
