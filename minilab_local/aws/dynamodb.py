"""DynamoDB on the laptop: moto's service with a direct path for the calls that carry items.

What an item call means is moto's word: its request handlers, expression parsers and executors run
here on its own tables. Left out are its HTTP parsing and serializing; the copy of every table that
it makes for a transaction (here the items that were touched are put back); the scan of the whole
table for a query by primary key; and the parsing of the same expressions again and again.
Everything else goes the long way through moto: other actions, legacy parameters, indexes, tables
with a stream, and whatever does not look as an AWS SDK writes it.

Where moto does not do as AWS does, and a client would notice, this does: more than 25 writes in a
batch are refused, and one item twice in a batch or a transaction (moto compares whole items, also
over different tables); a call that is refused changes nothing, where moto may leave half of it
behind; a transaction whose answer was lost and that is sent again with its ``ClientRequestToken``
within ten minutes is not carried out again.

Kept through a crash: each item as it is after a call, all items of a call or none; the tokens.

Source: AWS, *Amazon DynamoDB API Reference*.
"""

from __future__ import annotations

import base64
import copy
import functools
import hashlib
import json
import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import moto.dynamodb.comparisons as moto_comparisons
import moto.dynamodb.models as moto_dynamodb
import moto.dynamodb.responses as moto_responses
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.dynamodb.exceptions import (
    ERROR_TYPE_PREFIX,
    ConditionalCheckFailed,
    DynamodbException,
    ItemSizeTooLarge,
    MockValidationException,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import bytesize
from moto.dynamodb.parsing.expressions import UpdateExpressionParser

log = logging.getLogger(__name__)

Record = tuple[Any, ...]
_append: Callable[[Record], None] = lambda record: None  # noqa: E731 - set by install()

# Held for every call of DynamoDB, direct or moto's, and for every other request that is journalled
# as it came: the journal then has them in the order in which they were carried out.
lock = threading.RLock()

MAX_WRITES = 25
MAX_TRANSACTION = 100
_MAX_ITEM_BYTES = 405_000  # as moto has it: between 400,000 and the 409,600 of AWS
_KNOWN_EXPRESSIONS = 2_000
_TOKEN_SECONDS = 600.0

Plain = dict[str, Any]
"""An attribute value as in a request: ``{"S": "text"}``; binary values as bytes."""


class Indirect(Exception):
    """This request is moto's to answer (nothing was changed)."""


Answer = tuple[int, dict[str, str], bytes]


def answer(action: str, body: bytes, account: str, region: str) -> Answer:
    """(status, headers, content) of one call of the AWS JSON protocol.

    Raises:
        Indirect: moto must answer, as the call is not plain.
        Exception: what moto's own code does not foresee; nothing was changed.
    """
    call = _CALLS.get(action)
    if call is None:
        raise Indirect
    read, method, members = call
    try:
        request = read(json.loads(body))
        backend = moto_dynamodb.dynamodb_backends[account][region]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Indirect from None
    try:
        with lock:
            result = _carry_out(request, body, method, backend)
    except JsonRESTError as error:
        headers = {key: str(value) for key, value in error.get_headers()}
        return _answer(int(error.code), headers, error.description.encode())
    document = {name: result[name] for name in members if result.get(name) is not None}
    content = json.dumps(document, default=_encode).encode()
    return _answer(200, {"Content-Type": "application/x-amz-json-1.0"}, content)


def _answer(status: int, headers: dict[str, str], content: bytes) -> Answer:
    headers["x-amz-crc32"] = str(zlib.crc32(content))
    return status, headers, content


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _carry_out(
    request: dict[str, Any], body: bytes, method: str, moto_backend: Any
) -> dict[str, Any]:
    backend = _Backend(moto_backend)
    try:
        result = getattr(_Handler(request, body, backend), method)().result
    except BaseException:
        backend.undo()
        raise
    backend.journal()
    return result


# Requests: what of them is plain


Read = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _structure(**members: Read) -> Read:
    """Exactly these members; null is as good as absent."""

    def read(value: Any) -> Any:
        if not value.keys() <= members.keys():
            raise Indirect
        return {k: members[k](v) for k, v in value.items() if v is not None}

    return read


def _list(member: Read) -> Read:
    return lambda value: [member(v) for v in value]


def _map(member: Read) -> Read:
    return lambda value: {k: member(v) for k, v in value.items()}


def _attribute(value: Any) -> Plain:
    """One attribute value, with bytes where base64 came."""
    ((kind, content),) = value.items()
    match kind:
        case "S" | "N":
            good = isinstance(content, str)
        case "BOOL" | "NULL":
            good = isinstance(content, bool)
        case "B":
            good, content = True, base64.b64decode(content)
        case "SS" | "NS":
            good = isinstance(content, list) and all(isinstance(v, str) for v in content)
        case "BS":
            good, content = True, [base64.b64decode(v) for v in content]
        case "M":
            good, content = True, {k: _attribute(v) for k, v in content.items()}
        case "L":
            good, content = isinstance(content, list), [_attribute(v) for v in content]
        case _:
            good = False
    if not good:
        raise Indirect
    return {kind: content}


_attributes = _map(_attribute)
_names: dict[str, Read] = {"TableName": _same, "ExpressionAttributeNames": _same}
_condition: dict[str, Read] = {
    **_names,
    "ConditionExpression": _same,
    "ExpressionAttributeValues": _attributes,
    "ReturnValuesOnConditionCheckFailure": _same,
}
_returns: dict[str, Read] = {
    "ReturnValues": _same,
    "ReturnConsumedCapacity": _same,
    "ReturnItemCollectionMetrics": _same,
}
_put = {**_condition, "Item": _attributes}
_delete = {**_condition, "Key": _attributes}
_update = {**_delete, "UpdateExpression": _same}
_projection: dict[str, Read] = {
    "ProjectionExpression": _same,
    "ExpressionAttributeNames": _same,
    "ConsistentRead": _same,
}
_get = {**_projection, "TableName": _same, "Key": _attributes, "ReturnConsumedCapacity": _same}
_query: dict[str, Read] = {
    **_names,
    **_projection,
    "KeyConditionExpression": _same,
    "FilterExpression": _same,
    "ExpressionAttributeValues": _attributes,
    "ExclusiveStartKey": _attributes,
    "Limit": _same,
    "ScanIndexForward": _same,
    "Select": _same,
    "ReturnConsumedCapacity": _same,
}
_batch_get = {
    "RequestItems": _map(_structure(Keys=_list(_attributes), **_projection)),
    "ReturnConsumedCapacity": _same,
}
_write_request = _structure(
    PutRequest=_structure(Item=_attributes), DeleteRequest=_structure(Key=_attributes)
)
_batch_write = {
    "RequestItems": _map(_list(_write_request)),
    "ReturnConsumedCapacity": _same,
    "ReturnItemCollectionMetrics": _same,
}
_action = _structure(
    Put=_structure(**_put),
    Delete=_structure(**_delete),
    Update=_structure(**_update),
    ConditionCheck=_structure(**_delete),
)
_transact_write = {
    "TransactItems": _list(_action),
    "ClientRequestToken": _same,
    "ReturnConsumedCapacity": _same,
    "ReturnItemCollectionMetrics": _same,
}
_transact_get = {
    "TransactItems": _list(_structure(Get=_structure(TableName=_same, Key=_attributes))),
    "ReturnConsumedCapacity": _same,
}

# Action: (how to read its request, moto's method, the members of its answer)
_CALLS: dict[str, tuple[Read, str, tuple[str, ...]]] = {
    "GetItem": (_structure(**_get), "get_item", ("Item", "ConsumedCapacity")),
    "PutItem": (
        _structure(**_put, **_returns),
        "put_item",
        ("Attributes", "ConsumedCapacity"),
    ),
    "UpdateItem": (
        _structure(**_update, **_returns),
        "update_item",
        ("Attributes", "ConsumedCapacity"),
    ),
    "DeleteItem": (
        _structure(**_delete, **_returns),
        "delete_item",
        ("Attributes", "ConsumedCapacity"),
    ),
    "Query": (
        _structure(**_query),
        "query",
        ("Items", "Count", "ScannedCount", "LastEvaluatedKey", "ConsumedCapacity"),
    ),
    "BatchGetItem": (
        _structure(**_batch_get),
        "batch_get_item",
        ("Responses", "UnprocessedKeys", "ConsumedCapacity"),
    ),
    "BatchWriteItem": (
        _structure(**_batch_write),
        "batch_write_item",
        ("UnprocessedItems", "ItemCollectionMetrics", "ConsumedCapacity"),
    ),
    "TransactWriteItems": (
        _structure(**_transact_write),
        "transact_write_items",
        ("ConsumedCapacity", "ItemCollectionMetrics"),
    ),
    "TransactGetItems": (
        _structure(**_transact_get),
        "transact_get_items",
        ("ConsumedCapacity", "Responses"),
    ),
}


class _Handler(moto_responses.DynamoHandler):
    """moto's request handlers, fed with a request that is read already."""

    def __init__(self, request: dict[str, Any], body: bytes, backend: _Backend) -> None:
        self.body = request
        self._as_sent = body
        self._backend = backend

    @property
    def dynamodb_backend(self) -> _Backend:
        return self._backend

    def batch_get_item(self) -> Any:
        for table_name, request in self.body["RequestItems"].items():
            self._check_distinct((table_name, key) for key in request["Keys"])
        return super().batch_get_item()

    def batch_write_item(self) -> Any:
        requests = [
            (table_name, request)
            for table_name, table_requests in self.body["RequestItems"].items()
            for request in table_requests
        ]
        if len(requests) > MAX_WRITES:
            raise MockValidationException("Too many items requested for the BatchWriteItem call")
        self._check_distinct(
            (table_name, request["PutRequest"]["Item"])
            if "PutRequest" in request
            else (table_name, request["DeleteRequest"]["Key"])
            for table_name, request in requests
        )
        return super().batch_write_item()

    def transact_get_items(self) -> Any:
        gets = [action["Get"] for action in self.body["TransactItems"]]
        if not self._distinct((get["TableName"], get["Key"]) for get in gets):
            raise MultipleTransactionsException()
        return super().transact_get_items()

    def transact_write_items(self) -> Any:
        token = self.body.get("ClientRequestToken")
        if token is None:
            return super().transact_write_items()
        digest = hashlib.sha256(self._as_sent).digest()
        if self._backend.was_done(token, digest):
            return ActionResult({"ConsumedCapacity": [], "ItemCollectionMetrics": {}})
        result = super().transact_write_items()
        self._backend.token = (token, digest, time.time() + _TOKEN_SECONDS)
        return result

    def _check_distinct(self, keys: Iterable[tuple[str, dict[str, Any]]]) -> None:
        if not self._distinct(keys):
            raise MockValidationException("Provided list of item keys contains duplicates")

    def _distinct(self, keys: Iterable[tuple[str, dict[str, Any]]]) -> bool:
        found = [self._backend.identity(*key) for key in keys]
        return len(set(found)) == len(found)

    def _contains_duplicates(self, keys: list[str]) -> bool:
        return False  # checked by key and table already


class IdempotentParameterMismatch(DynamodbException):
    def __init__(self) -> None:
        super().__init__(
            ERROR_TYPE_PREFIX + "IdempotentParameterMismatchException",
            "The transaction was sent with the same client token before, and with other parameters",
        )


Token = tuple[str, bytes, float]
"""(client's token, digest of its request, when it is forgotten: seconds since 1970)."""

Place = tuple[str, DynamoType, DynamoType | None]
"""(table name, hash key, range key) of an item."""


class _Backend(moto_dynamodb.DynamoDBBackend):
    """moto's backend for the length of one call, which remembers what the call touches."""

    def __init__(self, backend: moto_dynamodb.DynamoDBBackend) -> None:
        tokens = backend.__dict__.setdefault("done_tokens", {})  # there, a snapshot has them too
        self.__dict__ = {**backend.__dict__, "_before": {}}
        self._before: dict[Place, Item | None]
        self.done_tokens: dict[str, Token] = tokens
        self.token: Token | None = None
        """Of the transaction that this call has carried out."""

    def identity(self, table_name: str, key: dict[str, Any]) -> Any:
        """Equal for two keys, or whole items, that name the same item."""
        return self.place(table_name, key) or (table_name, str(sorted(key.items())))

    def place(self, table_name: str, key: dict[str, Any]) -> Place | None:
        """None where the key, which may be a whole item, cannot name an item of the table."""
        table = self.get_table(table_name)
        for name, kind in (
            (table.hash_key_attr, table.hash_key_type),
            (table.range_key_attr, table.range_key_type),
        ):
            if name and key.get(name, {}).keys() != {kind}:
                return None
        return table.name, *self.get_keys_value(table, key)

    def was_done(self, token: str, digest: bytes) -> bool:
        """Raises:
        IdempotentParameterMismatch: another request had the token.
        """
        _, known, until = self.done_tokens.get(token, ("", b"", 0.0))
        if until < time.time():
            return False
        if known != digest:
            raise IdempotentParameterMismatch
        return True

    def put_item(self, table_name: str, item_attrs: dict[str, Any], *args: Any, **kw: Any) -> Item:
        self._touch(table_name, item_attrs)
        return super().put_item(table_name, item_attrs, *args, **kw)

    def update_item(self, table_name: str, key: dict[str, Any], *args: Any, **kw: Any) -> Item:
        self._touch(table_name, key, changed_in_place=True)
        return super().update_item(table_name, key, *args, **kw)

    def delete_item(self, table_name: str, key: dict[str, Any], *args: Any, **kw: Any) -> Any:
        self._touch(table_name, key)
        return super().delete_item(table_name, key, *args, **kw)

    def query(self, table_name: str, hash_key_dict: Any, *args: Any, **kw: Any) -> Any:
        """moto looks through all items: show it those of one hash key."""
        table = self.get_table(table_name)
        hash_key = DynamoType(hash_key_dict)
        partition = copy.copy(table)
        partition.items = {hash_key: table.items[hash_key]} if hash_key in table.items else {}
        view = _Backend(self)
        view.tables = {table_name: partition}
        return super(_Backend, view).query(table_name, hash_key_dict, *args, **kw)

    def transact_write_items(self, transact_items: list[dict[str, Any]]) -> None:
        """All or nothing: whoever called this puts back what was touched if it raises."""
        if len(transact_items) > MAX_TRANSACTION:
            raise TooManyTransactionsException()
        seen: set[Any] = set()
        reasons: list[tuple[str | None, str | None, Any]] = []
        for action in transact_items:
            if len(action) > 1:
                raise TransactWriteSingleOpException
            ((kind, details),) = action.items()
            try:
                key = self._key(kind, details)
                identity = self.identity(details["TableName"], key)
                if identity in seen:
                    raise MultipleTransactionsException()
                seen.add(identity)
                self._act(kind, details, key)
                reasons.append((None, None, None))
            except ConditionalCheckFailed as failed:
                shown = self._shown(details, key)
                reasons.append(("ConditionalCheckFailed", failed.message, shown))
            except MockValidationException:
                raise
            except Exception:  # a reason of its own kind: moto knows which
                raise Indirect from None
        if any(code for code, _, _ in reasons):
            raise TransactionCanceledException(reasons)

    def _key(self, kind: str, details: dict[str, Any]) -> dict[str, Any]:
        if kind != "Put":
            return dict(details["Key"])
        names = self.get_table(details["TableName"]).table_key_attrs
        return {name: details["Item"][name] for name in names}

    def _act(self, kind: str, details: dict[str, Any], key: dict[str, Any]) -> None:
        table_name = details["TableName"]
        condition = moto_comparisons.get_filter_expression(
            details.get("ConditionExpression"),
            details.get("ExpressionAttributeNames"),
            details.get("ExpressionAttributeValues"),
        )
        if not condition.expr(self.get_item(table_name, key)):
            raise ConditionalCheckFailed
        match kind:
            case "Put":
                self.put_item(table_name, details["Item"])
            case "Delete":
                self.delete_item(table_name, key)
            case "Update":
                self.update_item(
                    table_name,
                    key,
                    update_expression=details["UpdateExpression"],
                    expression_attribute_names=details.get("ExpressionAttributeNames"),
                    expression_attribute_values=details.get("ExpressionAttributeValues"),
                )

    def _shown(self, details: dict[str, Any], key: dict[str, Any]) -> Any:
        """The item that a failed condition of a transaction shows, if that was asked for."""
        if details.get("ReturnValuesOnConditionCheckFailure") != "ALL_OLD":
            return None
        current = self.get_item(details["TableName"], key)
        return current and current.to_json()["Attributes"]

    # What a call touches

    def _touch(
        self, table_name: str, key: dict[str, Any], *, changed_in_place: bool = False
    ) -> None:
        place = self.place(table_name, key)
        if place is None:  # moto will refuse it
            return
        table = self.tables[place[0]]
        if table.stream_shard is not None:
            raise Indirect
        old = self._before[place] = _stored(table, place)
        if old is not None and changed_in_place:
            _store(table, place, copy.deepcopy(old))

    def undo(self) -> None:
        for place, old in self._before.items():
            _store(self.tables[place[0]], place, old)

    def journal(self) -> None:
        """Before anybody is answered: what each item is now."""
        changes = []
        for place, old in self._before.items():
            item = _stored(self.tables[place[0]], place)
            if item or old:
                changes.append((_plain_place(place), item and _plain_attributes(item)))
        if self.token:
            _remember(self.done_tokens, self.token)
        if changes or self.token:
            _append(("items", (self.account_id, self.region_name), changes, self.token))


def _remember(tokens: dict[str, Token], token: Token) -> None:
    tokens[token[0]] = token
    while (oldest := next(iter(tokens.values())))[2] < token[2] - _TOKEN_SECONDS:
        del tokens[oldest[0]]


def _stored(table: Table, place: Place) -> Item | None:
    _, hash_key, range_key = place
    found = table.items.get(hash_key)
    return found if range_key is None else (found or {}).get(range_key)


def _store(table: Table, place: Place, item: Item | None) -> None:
    _, hash_key, range_key = place
    items: Any = table.items if range_key is None else table.items[hash_key]
    key = hash_key if range_key is None else range_key
    if item is None:
        items.pop(key, None)
    else:
        items[key] = item


# Items as plain data, and back


def _plain(value: DynamoType) -> Plain:
    content = value.value
    if value.type == "M":
        content = {k: _plain(v) for k, v in content.items()}
    elif value.type == "L":
        content = [_plain(v) for v in content]
    return {value.type: content}


def _plain_attributes(item: Item) -> dict[str, Plain]:
    return {name: _plain(value) for name, value in item.attrs.items()}


def _plain_place(place: Place) -> tuple[str, Plain, Plain | None]:
    name, hash_key, range_key = place
    return name, _plain(hash_key), range_key and _plain(range_key)


def _item(hash_key: Plain, range_key: Plain | None, attributes: dict[str, Plain]) -> Item:
    """An item that was accepted before: its size is known to be right."""
    item: Item = Item.__new__(Item)
    _fill(item, DynamoType(hash_key), range_key and DynamoType(range_key), attributes)
    return item


def reduced(item: Item) -> tuple[Any, ...]:
    """How to pickle an item: half as long, and read in a third of the time."""
    hash_key, range_key = _plain(item.hash_key), item.range_key and _plain(item.range_key)
    return _item, (hash_key, range_key, _plain_attributes(item))


def _fill(
    item: Item, hash_key: DynamoType, range_key: DynamoType | None, attributes: dict[str, Plain]
) -> None:
    item.hash_key, item.range_key, item.attrs = hash_key, range_key, LimitedSizeDict()
    for name, value in attributes.items():
        dict.__setitem__(item.attrs, name, DynamoType(value))


# What moto does again and again, or not as AWS does


def _new_item(
    self: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]
) -> None:
    """``Item.__init__``, which sums up the sizes of all attributes once, not for each of them."""
    _fill(self, hash_key, range_key, attrs)
    if self.size() > _MAX_ITEM_BYTES:
        raise ItemSizeTooLarge


def _set_attribute(self: LimitedSizeDict, name: str, value: Any) -> None:
    """``LimitedSizeDict.__setitem__``, which does not count what it replaces."""
    others = sum(_size(k) + _size(v) for k, v in self.items() if k != name)
    if others + _size(name) + _size(value) > _MAX_ITEM_BYTES:
        raise ItemSizeTooLarge
    dict.__setitem__(self, name, value)


def _size(part: Any) -> int:
    return part.size() if isinstance(part, DynamoType) else bytesize(str(part))


class _Condition(moto_comparisons.ConditionExpressionParser):
    """moto's parser, which knows an expression's tree again and binds new values to it."""

    _root: Any = None

    def parse(self) -> Any:
        names = self.expression_attribute_names or {}
        key = (self.condition_expression, tuple(names.items()))
        known = _known_conditions.get(key)
        if known is None:
            condition = super().parse()
            if len(_known_conditions) >= _KNOWN_EXPRESSIONS:
                _known_conditions.clear()
            found = list(self.expr_attr_names_found), list(self.expr_attr_values_found)
            _known_conditions[key] = (self._root, *found)
            return condition
        self._root, names_found, values_found = known
        self.expr_attr_names_found.extend(names_found)
        self.expr_attr_values_found.extend(values_found)
        if self._root is None:  # no expression at all
            return super().parse()
        return self._make_op_condition(self._root)

    def _make_op_condition(self, node: Any) -> Any:
        if self._root is None:  # the first node that is asked for is the whole tree
            self._root = node
        return super()._make_op_condition(node)

    def _make_operand(self, node: Any) -> Any:
        if node.kind == self.Kind.EXPRESSION_ATTRIBUTE_VALUE:
            return moto_comparisons.AttributeValue(
                self._lookup_expression_attribute_value(node.text)
            )
        return super()._make_operand(node)


_known_conditions: dict[Any, tuple[Any, list[str], list[str]]] = {}


# Living on


def install(append: Callable[[Record], None]) -> None:
    """Let moto's DynamoDB know expressions again; ``append`` journals a change."""
    global _append
    _append = append
    for module in (moto_comparisons, moto_dynamodb, moto_responses):
        module.create_condition_expression_parser = _Condition  # type: ignore[attr-defined]
    if not hasattr(UpdateExpressionParser.make, "cache_info"):
        # Its users copy the tree before they change it.
        known = functools.lru_cache(_KNOWN_EXPRESSIONS)(UpdateExpressionParser.make)
        UpdateExpressionParser.make = known
    Item.__init__ = _new_item  # type: ignore[method-assign]
    LimitedSizeDict.__setitem__ = _set_attribute  # type: ignore[method-assign]
    moto_responses.TRANSACTION_MAX_ITEMS = MAX_TRANSACTION  # AWS has 100 since 2022, moto 25


def redo(record: Record) -> None:
    """Make a journalled change again."""
    match record:
        case ("items", (account, region), changes, token):
            backend = moto_dynamodb.dynamodb_backends[account][region]
            if token:
                _remember(backend.__dict__.setdefault("done_tokens", {}), token)
            tables = backend.tables
            for (name, hash_key, range_key), attributes in changes:
                if (table := tables.get(name)) is None:
                    log.error("not brought back: an item of %s, which does not exist", name)
                    continue
                place = (name, DynamoType(hash_key), range_key and DynamoType(range_key))
                _store(table, place, attributes and _item(hash_key, range_key, attributes))
        case _:
            raise ValueError(f"unknown DynamoDB record {record[0]!r}")
