"""What can be said of the project without AWS: it parses, and all in it is described and owned."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from minilab.events.registry import load_registry
from tests.dbt.run_dbt import dbt, project_with_one_more_contract

pytestmark = pytest.mark.xdist_group("dbt_project")

MARTS = {
    "activation_funnel",
    "daily_active_tenants",
    "daily_active_users",
    "event_quality",
    "feature_adoption",
    "mrr_movements",
    "revenue_by_month",
    "sessions",
    "tenant_health",
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    target = tmp_path_factory.mktemp("dbt")
    result = dbt("parse", "--warn-error", environ=os.environ, target=target)
    assert result.exit_code == 0, result.output
    parsed: Mapping[str, Any] = json.loads((target / "manifest.json").read_text())
    return parsed


def _models(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }


def test_every_model_and_column_is_described_and_owned(manifest: Mapping[str, Any]) -> None:
    for name, model in _models(manifest).items():
        assert model["description"].strip(), name
        assert model["columns"], name
        for column in model["columns"].values():
            assert column["description"].strip(), f"{name}.{column['name']}"
            assert column["data_type"], f"{name}.{column['name']}"
        assert model["group"], name
        assert model["config"]["meta"]["dagster"]["owners"], name


def test_marts_have_enforced_contracts_and_a_tested_grain(manifest: Mapping[str, Any]) -> None:
    models = _models(manifest)
    marts = {name for name, model in models.items() if "marts" in model["tags"]}
    assert marts == MARTS
    assert all(models[name]["contract"]["enforced"] for name in marts)
    grains = {
        node["attached_node"].rpartition(".")[2]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and (node.get("test_metadata") or {}).get("kwargs", {}).get("unique")
    }
    assert marts <= grains


def test_staging_has_a_model_for_every_contract(manifest: Mapping[str, Any]) -> None:
    contracts = {model["config"]["meta"].get("contract") for model in _models(manifest).values()}
    assert contracts - {None} == set(load_registry().contracts)


def test_every_model_lies_in_staging_or_marts(manifest: Mapping[str, Any]) -> None:
    schemas = {model["schema"] for model in _models(manifest).values()}
    assert schemas == {"minilab_staging", "minilab_marts"}


def test_names_come_from_the_environment(tmp_path: Path) -> None:
    names = {
        "MINILAB_DATABASE_PREFIX": "acme_lab",
        "MINILAB_ENV": "prod",
        "AWS_REGION": "eu-west-1",
    }
    result = dbt("parse", environ={**os.environ, **names}, target=tmp_path)
    assert result.exit_code == 0, result.output
    parsed = json.loads((tmp_path / "manifest.json").read_text())
    assert {m["schema"] for m in _models(parsed).values()} == {"acme_lab_staging", "acme_lab_marts"}
    assert {s["schema"] for s in parsed["sources"].values()} == {"acme_lab_raw"}


def test_a_new_event_type_is_one_file_for_dbt_too(tmp_path: Path) -> None:
    project = project_with_one_more_contract(tmp_path)
    result = dbt("parse", environ=os.environ, target=tmp_path / "target", project=project)
    assert result.exit_code == 0, result.output
    models = _models(json.loads((tmp_path / "target/manifest.json").read_text()))
    columns = models["stg_product__report_exported_v1"]["columns"]
    assert columns["rows"]["data_type"] == "bigint"
