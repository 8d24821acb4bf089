"""The OpenAPI document is true: a fuzzer finds nothing that it does not say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from minilab.events.registry import load_registry
from minilab.ingest.openapi import openapi_document
from minilab.ingest.problems import KINDS, type_of
from tests.ingest.client import BATCHED, STRUCTURED, Client
from tests.ingest.memory import Memory
from tests.ingest.server import wsgi

ROOT = Path(__file__).parents[2]

memory = Memory()
KEY = memory.new_tenant("acme")

_GOOD = ["2xx", "401", "403", "404"]
_BAD = ["400", "401", "403", "404", "405", "409", "413", "415", "422"]
schema = schemathesis.openapi.from_wsgi(
    "/v1/openapi.json",
    wsgi(memory.handler()),
    config=SchemathesisConfig.from_dict(
        {
            "checks": {
                "positive_data_acceptance": {"expected-statuses": _GOOD},
                "negative_data_rejection": {"expected-statuses": _BAD},
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx"]},
            }
        }
    ),
)


@schema.auth()
class _Key:
    def get(self, case: Any, context: Any) -> str:
        return KEY

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schema.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_a_fuzzer_finds_nothing(case: schemathesis.Case) -> None:
    memory.claims.clear()  # an id is used once, and a fuzzer has few
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        for event in case.body if isinstance(case.body, list) else [case.body]:
            if isinstance(event, dict) and case.media_type != "application/json":
                event.pop("tenant", None)  # the document does not know whose the key is
    # In binary mode the headers decide what the body must be: the document cannot say it.
    binary = case.media_type == "application/json"
    excluded = [positive_data_acceptance, negative_data_rejection] if binary else []
    case.call_and_validate(excluded_checks=excluded)


def test_the_document_is_one() -> None:
    document = Client(memory.handler()).get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    texts = json.dumps(document)
    for reference in set(re.findall(r'"#/(components/[^"]+)"', texts)):
        at: Any = document
        for part in reference.split("/"):
            at = at[part]
    assert set(document["paths"]) >= {
        "/v1/events",
        *(f"/v1/streams/{name}/events" for name in load_registry().streams),
    }


def test_its_examples_are_accepted() -> None:
    document = openapi_document(load_registry())
    client = Client(memory.handler(), memory.new_tenant("examples"))
    for path, operations in document["paths"].items():
        if "post" not in operations:
            continue
        content = operations["post"]["requestBody"]["content"]
        structured, batched = content[STRUCTURED], content[BATCHED]
        event = structured["example"] | {"id": path}
        assert client.send(event, path).status == 202
        assert client.send_batch([event], path).json()["duplicate"] == 1
        headers = {f"ce-{k}": v for k, v in event.items() if k != "data"} | {"ce-id": f"{path}b"}
        headers["content-type"] = "application/json"
        body = json.dumps(content["application/json"]["example"]).encode()
        assert client.request("POST", path, headers, body).status == 202
        for media_type in (structured, batched):
            resolvable = {**media_type["schema"], "components": document["components"]}
            jsonschema_rs.Draft202012Validator(resolvable).validate(media_type["example"])


def test_every_contract_has_an_example_that_keeps_it() -> None:
    from minilab.ingest.openapi import _example_of

    for contract in load_registry().contracts.values():
        rule = jsonschema_rs.Draft202012Validator(dict(contract.schema), validate_formats=True)
        assert rule.is_valid(_example_of(contract.schema)), contract.type


@pytest.mark.parametrize("reason", list(KINDS))
def test_every_problem_is_documented(reason: str) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    assert f"`{type_of(reason)}`" in page
    row = next(line for line in page.splitlines() if f"`{type_of(reason)}`" in line)
    assert str(KINDS[reason].status) in row
