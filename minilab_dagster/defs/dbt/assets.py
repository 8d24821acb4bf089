"""The dbt project's models: staging (one row per event) and marts."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from minilab_dagster import names
from minilab_dagster.dbt_build import DbtBuild
from minilab_dagster.dbt_project import ensure_manifest
from minilab_dagster.defs.dbt.translator import Translator
from minilab_dagster.platform import Platform

_TRANSLATOR = Translator()


@dbt_assets(
    manifest=ensure_manifest(),
    dagster_dbt_translator=_TRANSLATOR,
    name="dbt_models",
    pool=names.DBT_POOL,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def dbt_models(
    context: dg.AssetExecutionContext, dbt: DbtBuild, platform: Platform
) -> Iterator[Any]:
    """Build the selected models with dbt in Athena and run their tests."""
    yield from dbt.build(context, _TRANSLATOR, platform.count_rows)
