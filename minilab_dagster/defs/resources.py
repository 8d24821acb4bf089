"""The resources and the executor that all domains share."""

from __future__ import annotations

import dagster as dg

from minilab_dagster.dbt_build import DbtBuild
from minilab_dagster.platform import Platform


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={"platform": Platform(), "dbt": DbtBuild()},
        # A run here is a few steps that mostly wait for AWS: a process for each would only cost.
        executor=dg.in_process_executor,
    )
