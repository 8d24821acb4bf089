"""Starts runs as forks of a warm process: what a run would import is imported already.

``DefaultRunLauncher`` starts a fresh Python for every run, which imports Dagster, dbt, pyarrow and
awswrangler before it does anything: most of the time between an event and its mart. Here a server
process (:mod:`multiprocessing`, "forkserver") imports these libraries once and is forked for each
run. It imports no code of this project, so a run always has the code as it is on disk.

For one machine, such as a laptop. On AWS, runs are tasks of their own (``EcsRunLauncher``).
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.launcher import (
    CheckRunHealthResult,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import (
    ConfigurableClass,
    ConfigurableClassData,
    deserialize_value,
    serialize_value,
)

_TAG = "minilab/warm_process"
"""On runs that this launcher started: the process id of the run."""


class WarmRunLauncher(RunLauncher, ConfigurableClass):
    """A run launcher for ``dagster.yaml``.

    ``environment`` are variables for the runs, above those of the daemon: so a run may have
    credentials of its own.

    Runs end with the daemon that launched them. Termination goes through the run's status, so any
    process may ask for it; the run looks at it every few seconds.
    """

    def __init__(
        self,
        inst_data: ConfigurableClassData | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._inst_data = inst_data
        self._environment = dict(environment or {})
        self._processes: dict[str, Any] = {}
        self._lock = threading.Lock()
        # Forking after imports is not safe on macOS (its system libraries keep threads).
        method = "forkserver" if sys.platform == "linux" else "spawn"
        self._context = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(["minilab_dagster.warm_imports"])

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return {"environment": dg.Field(dg.Map(str, str), is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> WarmRunLauncher:
        return cls(inst_data, config_value.get("environment"))

    def launch_run(self, context: LaunchRunContext) -> None:
        run, origin = context.dagster_run, context.job_code_origin
        if origin is None:
            raise dg.DagsterInvariantViolationError(
                f"Run {run.run_id} does not say where its code is."
            )
        arguments = ExecuteRunArgs(origin, run.run_id, self._instance.get_ref())
        process = self._context.Process(
            target=_execute,
            args=(serialize_value(arguments), self._environment),
            name=f"run-{run.run_id[:8]}",
        )
        process.daemon = True  # it ends with us
        process.start()
        with self._lock:
            self._processes = {
                run_id: other for run_id, other in self._processes.items() if other.is_alive()
            } | {run.run_id: process}
        self._instance.add_run_tags(run.run_id, {_TAG: str(process.pid)})

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if _TAG not in run.tags:  # started by somebody else, such as `minilab_dagster.run`
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        process = self._processes.get(run.run_id)
        if process is None:
            return CheckRunHealthResult(
                WorkerStatus.NOT_FOUND, "The daemon that launched this run has ended."
            )
        if process.is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"The run's process ended with exit code {process.exitcode}."
        )


def _execute(serialized: str, environment: Mapping[str, str]) -> None:
    """In the forked process: what ``dagster api execute_run`` does, stoppable by its status."""
    os.environ.update(environment)
    from dagster._cli.api import _execute_run_command_body
    from dagster._core.execution.run_cancellation_thread import start_run_cancellation_thread
    from dagster._utils.interrupts import capture_interrupts

    arguments = deserialize_value(serialized, ExecuteRunArgs)
    with capture_interrupts(), dg.DagsterInstance.from_ref(arguments.instance_ref) as instance:
        _, ended = start_run_cancellation_thread(instance, arguments.run_id)
        try:
            _execute_run_command_body(
                arguments.run_id, instance, lambda event: None, set_exit_code_on_failure=False
            )
        finally:
            ended.set()
