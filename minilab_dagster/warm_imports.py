"""Libraries that runs need, for the process that is forked for each run. Nothing of our own."""

import awswrangler
import dagster
import dagster._cli.api
import dagster._core.execution.run_cancellation_thread
import dagster_dbt
import dbt.adapters.athena
import dbt.cli.main
import dbt.task.build
import pyarrow.parquet

__all__ = ["awswrangler", "dagster", "dagster_dbt", "dbt", "pyarrow"]
