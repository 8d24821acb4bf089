"""DynamoDB over the endpoint: the same answers as moto by itself, and what AWS documents."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

# The same calls to moto by itself


@dataclass
class Endpoint:
    """DynamoDB's protocol without a client library, which would not send everything."""

    port: int
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, action: str, request: dict[str, Any]) -> tuple[int, Any]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{action}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAMINILABLOCAL0000/20260101/us-east-1"
            "/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        }
        self.connection.request("POST", "/", json.dumps(request), headers)
        response = self.connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if response.status < 500 else None

    def items(self, table: str) -> list[dict[str, Any]]:
        status, answer = self.call("Scan", {"TableName": table})
        assert status == 200
        return sorted(answer["Items"], key=lambda item: json.dumps(item, sort_keys=True))


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log: Path = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    yield Endpoint(port)
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def ours(stack: dict[str, str]) -> Endpoint:
    return Endpoint(int(stack["AWS_ENDPOINT_URL"].rpartition(":")[2]))


# "plain" has a hash key; "ordered" has a range key, and an index over an attribute of its items
TABLES: dict[str, dict[str, Any]] = {
    "plain": {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    },
    "ordered": {
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "by", "AttributeType": "S"},
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "index",
                "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    },
}

strings = st.sampled_from(["", "a", "ab", "ä"])
numbers = st.sampled_from(["0", "1", "-2", "3.5", "1e3", "no number", "1e200"])
binaries = st.sampled_from(["", "AA==", "/w8="])
values = st.recursive(
    st.one_of(
        st.builds(lambda v: {"S": v}, strings),
        st.builds(lambda v: {"N": v}, numbers),
        st.builds(lambda v: {"B": v}, binaries),
        st.builds(lambda v: {"BOOL": v}, st.booleans()),
        st.just({"NULL": True}),
        st.builds(lambda v: {"SS": v}, st.lists(strings, max_size=3, unique=True)),
        st.builds(lambda v: {"NS": v}, st.lists(st.sampled_from("123"), max_size=3, unique=True)),
        st.builds(lambda v: {"BS": v}, st.lists(binaries, max_size=2, unique=True)),
    ),
    lambda inner: st.one_of(
        st.builds(lambda v: {"L": v}, st.lists(inner, max_size=3)),
        st.builds(lambda v: {"M": v}, st.dictionaries(st.sampled_from("xy"), inner, max_size=2)),
    ),
    max_leaves=4,
)
tables = st.sampled_from(list(TABLES))


@st.composite
def keys(draw: st.DrawFn, table: str) -> dict[str, Any]:
    wrong = st.sampled_from([{"pk": {"N": "1"}}, {"pk": {"S": ""}}, {"sk": {"N": "1"}}, {}])
    if draw(st.integers(0, 30)) == 0:
        return draw(wrong)
    key: dict[str, Any] = {"pk": {"S": draw(st.sampled_from("ABC"))}}
    if table == "ordered":
        key["sk"] = {"N": draw(st.sampled_from(["1", "2", "2.0", "30"]))}
    return key


@st.composite
def items(draw: st.DrawFn, table: str) -> dict[str, Any]:
    attributes = st.dictionaries(st.sampled_from(["a", "b", "by", "name"]), values, max_size=3)
    return {**draw(attributes), **draw(keys(table))}


@st.composite
def expressions(draw: st.DrawFn, update: bool = False) -> dict[str, Any]:
    """A condition, or none; with an update, or none; and the names and values that they use."""
    condition = draw(
        st.sampled_from(
            [
                None,
                None,
                "attribute_not_exists(pk)",
                "attribute_exists(a)",
                "attribute_not_exists(pk) OR a < :v",
                "a = :v",
                "NOT (a <> :v AND attribute_exists(b.x))",
                "#n = :v",
                "a BETWEEN :v AND :w",
                "a IN (:v, :w)",
                "begins_with(a, :s)",
                "contains(a, :v)",
                "size(a) > :v",
                "attribute_type(a, :s)",
                "name = :v",  # a reserved word
                "a = :missing",
                "a == :v",
                "((a = :v))",
            ]
        )
    )
    change = draw(
        st.sampled_from(
            [
                "SET a = :v",
                "SET #n = :v, b = :w",
                "SET a = if_not_exists(a, :v)",
                "SET a = a + :w",
                "SET b = list_append(if_not_exists(b, :v), :v)",
                "SET a.x = :v",
                "SET by = :v",
                "SET pk = :v",  # part of the key
                "ADD a :v",
                "ADD a :w SET b = :s",
                "DELETE a :v",
                "REMOVE a, b.x",
                "REMOVE #n",
                "SET a = :v SET b = :v",
                "SET name = :v",
                "SET a = :v, a = :w",
                "SET a := :v",
            ]
        )
    )
    found: dict[str, Any] = {}
    if condition:
        found["ConditionExpression"] = condition
        found["ReturnValuesOnConditionCheckFailure"] = draw(st.sampled_from(["ALL_OLD", "NONE"]))
    if update:
        found["UpdateExpression"] = change
    text = f"{condition} {change if update else ''}"
    bound = {
        name: value
        for name, value in (
            (":v", draw(values)),
            (":w", {"N": "2"}),
            (":s", draw(st.sampled_from([{"S": "a"}, {"S": "S"}]))),
        )
        if name in text or draw(st.integers(0, 40)) == 0
    }
    if bound:
        found["ExpressionAttributeValues"] = bound
    if "#n" in text:
        found["ExpressionAttributeNames"] = {"#n": draw(st.sampled_from(["name", "a"]))}
    return found


Call = tuple[str, dict[str, Any]]


@st.composite
def single_calls(draw: st.DrawFn) -> Call:
    table = draw(tables)
    returns = st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])
    request: dict[str, Any] = {"TableName": table}
    if draw(st.integers(0, 5)) == 0:
        request["ReturnConsumedCapacity"] = draw(st.sampled_from(["TOTAL", "INDEXES"]))
    match draw(st.sampled_from(["PutItem", "PutItem", "UpdateItem", "DeleteItem", "GetItem"])):
        case "PutItem":
            request |= {"Item": draw(items(table)), **draw(expressions())}
            return "PutItem", request | {"ReturnValues": draw(returns)}
        case "UpdateItem":
            request |= {"Key": draw(keys(table)), **draw(expressions(update=True))}
            return "UpdateItem", request | {"ReturnValues": draw(returns)}
        case "DeleteItem":
            request |= {"Key": draw(keys(table)), **draw(expressions())}
            return "DeleteItem", request | {"ReturnValues": draw(returns)}
        case _:
            request["Key"] = draw(keys(table))
            if draw(st.booleans()):
                request["ProjectionExpression"] = draw(st.sampled_from(["a", "pk, b.x", "a, a"]))
            return "GetItem", request


@st.composite
def queries(draw: st.DrawFn) -> Call:
    request: dict[str, Any] = {
        "TableName": "ordered",
        "KeyConditionExpression": "pk = :k"
        + draw(st.sampled_from(["", " AND sk > :n", " AND sk BETWEEN :n AND :n"])),
        "ExpressionAttributeValues": {":k": {"S": draw(st.sampled_from("ABC"))}},
        "ScanIndexForward": draw(st.booleans()),
    }
    if ":n" in request["KeyConditionExpression"]:
        request["ExpressionAttributeValues"][":n"] = {"N": "2"}
    if draw(st.booleans()):
        request["Limit"] = draw(st.integers(1, 2))
    if draw(st.booleans()):
        request["FilterExpression"] = "attribute_exists(a)"
    if draw(st.booleans()):
        request["ExclusiveStartKey"] = {"pk": {"S": "A"}, "sk": {"N": "2"}}
    if draw(st.integers(0, 3)) == 0:
        request |= {
            "IndexName": "index",
            "KeyConditionExpression": "by = :k",
            "ExpressionAttributeValues": {":k": {"S": "a"}},
        }
        request.pop("ExclusiveStartKey", None)
    return "Query", request


def identity(key: dict[str, Any]) -> Any:
    return json.dumps([key.get("pk"), float(key.get("sk", {}).get("N", 0))])


@st.composite
def batches(draw: st.DrawFn) -> Call:
    """No key twice, nor in two tables: there moto does not do as AWS does (see below)."""
    chosen = draw(st.lists(tables, min_size=1, max_size=2, unique=True))
    if draw(st.booleans()):
        requests: dict[str, Any] = {
            table: {"Keys": draw(st.lists(keys(table), min_size=1, max_size=4, unique_by=identity))}
            for table in chosen
        }
        return "BatchGetItem", {"RequestItems": requests}
    requests = {}
    for table in chosen:
        found = draw(st.lists(items(table), min_size=1, max_size=4, unique_by=identity))
        requests[table] = [
            {"PutRequest": {"Item": item}}
            if draw(st.booleans())
            else {"DeleteRequest": {"Key": {k: v for k, v in item.items() if k in ("pk", "sk")}}}
            for item in found
        ]
    texts = [json.dumps(request) for table in requests.values() for request in table]
    assume(len(set(texts)) == len(texts))
    return "BatchWriteItem", {"RequestItems": requests}


@st.composite
def transactions(draw: st.DrawFn) -> Call:
    actions: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 4))):
        table = draw(tables)
        named = {"TableName": table}
        match draw(st.sampled_from(["Put", "Update", "Delete", "ConditionCheck"])):
            case "Put":
                actions.append({"Put": named | {"Item": draw(items(table)), **draw(expressions())}})
            case "Update":
                update = {"Key": draw(keys(table)), **draw(expressions(update=True))}
                actions.append({"Update": named | update})
            case kind:
                actions.append({kind: named | {"Key": draw(keys(table)), **draw(expressions())}})
    # To moto 2 and 2.0 are two keys of a transaction; to AWS and to us they are one.
    actions = json.loads(json.dumps(actions).replace('"2.0"', '"2"'))
    return "TransactWriteItems", {"TransactItems": actions}


calls = st.one_of(single_calls(), single_calls(), queries(), batches(), transactions())


def renamed(request: dict[str, Any], suffix: str) -> dict[str, Any]:
    """The request for tables of its own, so that no example sees another's items."""
    text = json.dumps(request)
    for table in TABLES:
        text = text.replace(f'"{table}"', f'"{table}-{suffix}"')
    return json.loads(text)  # type: ignore[no-any-return]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(calls, min_size=1, max_size=12))
def test_answers_and_items_are_those_of_moto(
    ours: Endpoint, moto: Endpoint, sequence: list[Call]
) -> None:
    suffix = uuid4().hex
    names = [f"{table}-{suffix}" for table in TABLES]
    for name, table in zip(names, TABLES.values(), strict=True):
        for endpoint in (ours, moto):
            request = {"TableName": name, "BillingMode": "PAY_PER_REQUEST", **table}
            assert endpoint.call("CreateTable", request)[0] == 200
    before = {name: ours.items(name) for name in names}
    for action, request in sequence:
        request = renamed(request, suffix)
        status, answer = ours.call(action, request)
        assert (status, answer) == moto.call(action, request)
        after = {name: ours.items(name) for name in names}
        if status == 200:
            assert after == {name: moto.items(name) for name in names}
        else:  # refused is refused whole; moto may have done a part of it
            assert after == before
            put_back(moto, before)
        before = after
    for name in names:
        for endpoint in (ours, moto):
            endpoint.call("DeleteTable", {"TableName": name})


def put_back(moto: Endpoint, tables: dict[str, list[dict[str, Any]]]) -> None:
    for name, kept in tables.items():
        for item in moto.items(name):
            if item not in kept:
                key = {k: v for k, v in item.items() if k in ("pk", "sk")}
                moto.call("DeleteItem", {"TableName": name, "Key": key})
        for item in kept:
            if item not in moto.items(name):
                assert moto.call("PutItem", {"TableName": name, "Item": item})[0] == 200


# Through boto3


@pytest.fixture
def dynamodb(aws_client: Callable[[str], Any]) -> Any:
    return aws_client("dynamodb")


def make_table(dynamodb: Any, kind: str = "plain", **more: Any) -> str:
    name = f"{kind}-{uuid4().hex}"
    dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **TABLES[kind], **more)
    return name


@pytest.fixture
def table(dynamodb: Any) -> str:
    return make_table(dynamodb)


def key(name: str) -> dict[str, Any]:
    return {"pk": {"S": name}}


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_condition_that_fails_shows_the_item(dynamodb: Any, table: str) -> None:
    item = {**key("a"), "raw": {"B": b"\x00\xff"}, "set": {"BS": [b"1"]}, "n": {"N": "1"}}
    arguments = {"TableName": table, "ConditionExpression": "attribute_not_exists(pk)"}
    dynamodb.put_item(Item=item, **arguments)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as raised:
        dynamodb.put_item(Item=key("a"), ReturnValuesOnConditionCheckFailure="ALL_OLD", **arguments)
    assert raised.value.response["Item"]["n"] == {"N": "1"}
    assert dynamodb.get_item(TableName=table, Key=key("a"))["Item"] == item


def test_a_cancelled_transaction_tells_why_and_changes_nothing(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(TableName=table, Item={**key("taken"), "n": {"N": "1"}})
    fresh = {"ConditionExpression": "attribute_not_exists(pk)", "TableName": table}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as raised:
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"Item": key("new"), **fresh}},
                {
                    "Put": {
                        "Item": key("taken"),
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                        **fresh,
                    }
                },
                {
                    "ConditionCheck": {
                        "TableName": table,
                        "Key": key("absent"),
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                },
                {"Delete": {"TableName": table, "Key": key("other")}},
            ]
        )
    reasons = raised.value.response["CancellationReasons"]
    failed = "ConditionalCheckFailed"
    assert [reason["Code"] for reason in reasons] == ["None", failed, failed, "None"]
    assert reasons[1]["Item"] == {"pk": {"S": "taken"}, "n": {"N": "1"}}
    assert "Item" not in reasons[2]
    assert [item["pk"]["S"] for item in dynamodb.scan(TableName=table)["Items"]] == ["taken"]


def test_a_transaction_sent_again_is_not_done_again(dynamodb: Any, table: str) -> None:
    def update(count: int) -> dict[str, Any]:
        return {
            "ClientRequestToken": token,
            "TransactItems": [
                {
                    "Update": {
                        "TableName": table,
                        "Key": key("a"),
                        "UpdateExpression": "ADD n :n",
                        "ExpressionAttributeValues": {":n": {"N": str(count)}},
                    }
                }
            ],
        }

    token = uuid4().hex
    dynamodb.transact_write_items(**update(1))
    dynamodb.transact_write_items(**update(1))
    code, _ = refusal(dynamodb.transact_write_items, **update(2))
    assert code == "IdempotentParameterMismatchException"
    assert dynamodb.get_item(TableName=table, Key=key("a"))["Item"]["n"] == {"N": "1"}


def test_a_transaction_of_a_hundred(dynamodb: Any, table: str) -> None:
    puts = [{"Put": {"TableName": table, "Item": key(str(n))}} for n in range(101)]
    assert refusal(dynamodb.transact_write_items, TransactItems=puts)[0] == "ValidationException"
    dynamodb.transact_write_items(TransactItems=puts[:100])
    gets = [{"Get": {"TableName": table, "Key": key(str(n))}} for n in range(101)]
    assert refusal(dynamodb.transact_get_items, TransactItems=gets)[0] == "ValidationException"
    answers = dynamodb.transact_get_items(TransactItems=gets[:100])["Responses"]
    assert [answer["Item"] for answer in answers] == [key(str(n)) for n in range(100)]


def test_limits_of_batches(dynamodb: Any, table: str) -> None:
    puts = [{"PutRequest": {"Item": key(str(n))}} for n in range(26)]
    code, message = refusal(dynamodb.batch_write_item, RequestItems={table: puts})
    assert (code, message) == (
        "ValidationException",
        "Too many items requested for the BatchWriteItem call",
    )
    assert dynamodb.scan(TableName=table)["Count"] == 0
    assert not dynamodb.batch_write_item(RequestItems={table: puts[:25]})["UnprocessedItems"]
    keys = [key(str(n)) for n in range(101)]
    code, _ = refusal(dynamodb.batch_get_item, RequestItems={table: {"Keys": keys}})
    assert code == "ValidationException"
    found = dynamodb.batch_get_item(RequestItems={table: {"Keys": keys[:100]}})["Responses"]
    assert len(found[table]) == 25


def test_an_item_twice_is_refused(dynamodb: Any, table: str) -> None:
    same = [
        {"PutRequest": {"Item": {**key("a"), "n": {"N": "1"}}}},
        {"PutRequest": {"Item": {**key("a"), "n": {"N": "2"}}}},
        {"DeleteRequest": {"Key": key("a")}},
    ]
    for pair in (same[:2], same[1:]):
        code, message = refusal(dynamodb.batch_write_item, RequestItems={table: pair})
        assert code == "ValidationException"
        assert "contains duplicates" in message
    pair = {table: {"Keys": [key("a"), key("a")]}}
    assert "duplicates" in refusal(dynamodb.batch_get_item, RequestItems=pair)[1]
    put = {"Put": {"TableName": table, "Item": key("a")}}
    delete = {"Delete": {"TableName": table, "Key": key("a")}}
    _, message = refusal(dynamodb.transact_write_items, TransactItems=[put, delete])
    assert "multiple operations on one item" in message
    get = {"Get": {"TableName": table, "Key": key("a")}}
    assert refusal(dynamodb.transact_get_items, TransactItems=[get, get])[1] == message
    assert dynamodb.scan(TableName=table)["Count"] == 0
    other = make_table(dynamodb)  # the same item of two tables is two items
    dynamodb.batch_write_item(RequestItems={table: same[:1], other: same[:1]})


def test_an_item_has_400_kilobytes(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(TableName=table, Item={**key("a"), "x": {"S": "x" * 399_000}})
    code, message = refusal(
        dynamodb.put_item, TableName=table, Item={**key("b"), "x": {"S": "x" * 410_000}}
    )
    assert (code, message) == (
        "ValidationException",
        "Item size has exceeded the maximum allowed size",
    )
    code, message = refusal(
        dynamodb.update_item,
        TableName=table,
        Key=key("c"),
        UpdateExpression="SET n = :n, x = :x",
        ExpressionAttributeValues={":n": {"N": "1"}, ":x": {"S": "x" * 410_000}},
    )
    assert (code, message) == (
        "ValidationException",
        "Item size to update has exceeded the maximum allowed size",
    )
    assert dynamodb.scan(TableName=table, Select="COUNT")["Count"] == 1
    dynamodb.update_item(  # what is replaced does not count
        TableName=table,
        Key=key("a"),
        UpdateExpression="SET x = :x",
        ExpressionAttributeValues={":x": {"S": "y" * 399_000}},
    )


def test_the_same_expression_with_other_values_and_names(dynamodb: Any, table: str) -> None:
    """What is known of an expression is its form."""
    dynamodb.put_item(TableName=table, Item={**key("a"), "n": {"N": "1"}, "m": {"N": "2"}})
    for name, value, holds in (("n", "1", True), ("m", "1", False), ("m", "2", True)):
        arguments = {
            "TableName": table,
            "Key": key("a"),
            "UpdateExpression": "SET #n = :v",
            "ConditionExpression": "#n = :v",
            "ExpressionAttributeNames": {"#n": name},
            "ExpressionAttributeValues": {":v": {"N": value}},
        }
        if holds:
            dynamodb.update_item(**arguments)
        else:
            code, _ = refusal(dynamodb.update_item, **arguments)
            assert code == "ConditionalCheckFailedException"


def test_a_stream_sees_every_change(dynamodb: Any, aws_client: Callable[[str], Any]) -> None:
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    table = make_table(dynamodb, StreamSpecification=stream)
    dynamodb.put_item(TableName=table, Item=key("a"))
    dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": key("b")}}]})
    dynamodb.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": key("a")}}])
    streams = aws_client("dynamodbstreams")
    arn = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = streams.get_records(ShardIterator=iterator)["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "INSERT", "REMOVE"]


def test_both_ways_see_the_same_items(dynamodb: Any) -> None:
    """Indexes, PartiQL, a table named by its ARN."""
    table = make_table(dynamodb, "ordered")
    arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
    item = {**key("a"), "sk": {"N": "1"}, "by": {"S": "x"}}
    dynamodb.put_item(TableName=arn, Item=item)
    found = dynamodb.query(
        TableName=table,
        IndexName="index",
        KeyConditionExpression="#b = :x",
        ExpressionAttributeNames={"#b": "by"},
        ExpressionAttributeValues={":x": {"S": "x"}},
    )
    assert found["Items"] == [item]
    dynamodb.execute_statement(
        Statement=f"""INSERT INTO "{table}" VALUE {{'pk': 'b', 'sk': 2, 'a': 'new'}}"""
    )
    found = dynamodb.get_item(TableName=table, Key={**key("b"), "sk": {"N": "2"}})
    assert found["Item"]["a"] == {"S": "new"}
