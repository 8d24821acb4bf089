"""The main job: everything once, from the buses to the report."""

from __future__ import annotations

import dagster as dg

from minilab_dagster import names

land_and_build = dg.define_asset_job(
    "land_and_build",
    selection=dg.AssetSelection.groups(names.RAW, names.STAGING, names.MARTS, names.REPORTS),
    description="Land every stream, build staging and marts, run the checks, make the report.",
)
