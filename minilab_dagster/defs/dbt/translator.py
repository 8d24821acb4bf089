"""How the dbt project's models appear as assets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from minilab.events.registry import load_registry
from minilab_dagster import names
from minilab_dagster.automation import BUILT_DAILY, define_once, follow_upstream

_RAW_EVENTS = dg.AssetKey([names.RAW, "events"])


class Translator(DagsterDbtTranslator):
    """Groups, owners, kinds and automation; and one dependency on every stream.

    To dbt, all streams are one source table, ``raw.events``; in Dagster each stream is an asset.
    A model that reads the table depends on all of them.
    """

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_dbt_views_as_virtual_assets=True))

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        if node["resource_type"] == "source":
            return spec.replace_attributes(key=dg.AssetKey([names.RAW, node["name"]]))
        return spec.replace_attributes(
            key=dg.AssetKey([_group(node), node["name"]]),
            deps=[dep for upstream in spec.deps for dep in _streams_of(upstream)],
            group_name=_group(node),
            owners=list(spec.owners) or [names.ANALYTICS_TEAM],
            kinds={"dbt", "athena", _storage(node)},
            automation_condition=define_once() if spec.is_virtual else follow_upstream(),
            freshness_policy=None if spec.is_virtual else BUILT_DAILY,
        )


def _group(node: Mapping[str, Any]) -> str:
    return names.MARTS if "marts" in node["fqn"] else names.STAGING


def _storage(node: Mapping[str, Any]) -> str:
    config = node["config"]
    return "view" if config["materialized"] == "view" else config.get("table_type", "hive")


def _streams_of(dep: dg.AssetDep) -> list[dg.AssetDep]:
    if dep.asset_key != _RAW_EVENTS:
        return [dep]
    return [dg.AssetDep(names.raw_key(stream)) for stream in load_registry().streams]
