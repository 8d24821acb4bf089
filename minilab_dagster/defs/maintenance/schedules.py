"""Once a day, when the day before is closed."""

from __future__ import annotations

import dagster as dg

from minilab_dagster import names

daily_upkeep = dg.define_asset_job(
    "daily_upkeep",
    # Staging and marts as a whole, views and their tests too: through the day, new data builds
    # only the tables that it reaches.
    selection=dg.AssetSelection.groups(
        names.STAGING, names.MARTS, names.MAINTENANCE, names.REPORTS
    ),
    description="Build and test everything, keep the lake's files in shape, make the report.",
)

daily_schedule = dg.ScheduleDefinition(
    name="daily_upkeep_schedule",
    job=daily_upkeep,
    cron_schedule="15 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 01:15 UTC.",
)
