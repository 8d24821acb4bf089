"""`dbt build` inside the run's own process, its results as Dagster events.

dagster-dbt starts dbt as a process of its own (and another one to ask for its version, and imports
dbt itself besides to count rows). On the way of an event into a mart that start-up costs several
times what the SQL does, so here dbt is called through its programmatic interface
(https://docs.getdbt.com/reference/programmatic-invocations). What its results mean in Dagster is
dagster-dbt's own code, ``DbtCliEventMessage.to_default_asset_events``.
"""

from __future__ import annotations

import json
import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from minilab_dagster.dbt_clients import shared_clients
from minilab_dagster.dbt_project import ensure_manifest, project_dir, target_dir

_UNIQUE_ID = "dagster_dbt/unique_id"
_RESULT_EVENTS = ("LogModelResult", "LogTestResult", "LogSeedResult", "LogSnapshotResult")
_FAILED = ("error", "fail", "runtime error", "partial success")
_KEPT_RUNS = 5

RowCounter = Callable[[Mapping[str, str]], Mapping[str, int]]
"""From names of relations by key to their numbers of rows by the same key."""


@dataclass
class _Outcome:
    """What a finished invocation said of itself."""

    success: bool = False
    exception: BaseException | None = None
    failures: list[str] = field(default_factory=list)
    only_tests_failed: bool = True


class DbtBuild(dg.ConfigurableResource):
    """Runs `dbt build` for the assets and checks that a step selects."""

    arguments: list[str] = Field(
        default=[], description="Further arguments of `dbt build`, such as --full-refresh."
    )

    def build(
        self, context: dg.AssetExecutionContext, translator: Any, count_rows: RowCounter
    ) -> Iterator[Any]:
        """Build what the step selects.

        Check results are yielded as dbt reports them; the tables at the end, each with its number
        of rows (``count_rows`` is asked once, for all of them). What was built before a failure is
        reported as built.

        Yields:
            Output, AssetCheckResult and AssetObservation, as dagster-dbt makes them.

        Raises:
            dg.Failure: a model or a test of severity error failed. Not retried if only tests did:
                the same data would fail them again.
        """
        from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

        manifest_path = ensure_manifest(context.log.info)
        manifest = json.loads(manifest_path.read_bytes())
        target = _new_target(context.run_id, context.retry_number)
        arguments = self._arguments(context, manifest, target)
        context.log.info("dbt " + " ".join(arguments))
        outcome = _Outcome()
        outputs: list[dg.Output[None]] = []
        for raw in _invoke(arguments, outcome):
            context.log.info(raw["info"]["msg"])
            message = DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={})
            for event in message.to_default_asset_events(
                manifest, translator, context, target_path=target
            ):
                if isinstance(event, dg.Output):
                    outputs.append(event)
                elif isinstance(event, dg.AssetCheckResult):
                    yield event._replace(description=_found(raw))
                else:
                    yield event
        yield from _with_row_counts(outputs, manifest, count_rows)
        if not outcome.success:
            raise _failure(outcome, target)
        shutil.rmtree(target, ignore_errors=True)

    def _arguments(
        self, context: dg.AssetExecutionContext, manifest: Mapping[str, Any], target: Path
    ) -> list[str]:
        return [
            # dbt's own console lines are left out: its events become lines of the run's log.
            *("--log-level", "none", "--log-level-file", "info", "--no-use-colors"),
            *("--log-path", str(target), "--no-send-anonymous-usage-stats"),
            "build",
            *("--project-dir", str(project_dir()), "--profiles-dir", str(project_dir())),
            *("--target-path", str(target)),
            # Unit tests check code and not data; they run where code is tested.
            *("--exclude-resource-type", "unit_test"),
            *_selection(context, manifest),
            *self.arguments,
        ]


def _selection(context: dg.AssetExecutionContext, manifest: Mapping[str, Any]) -> list[str]:
    """Selects every model and test of a partial step by its full name; nothing for a whole one."""
    if not context.is_subset:
        return []
    definition = context.assets_def
    ids = [
        spec.metadata[_UNIQUE_ID]
        for spec in definition.specs
        if spec.key in context.selected_asset_keys
    ] + [
        spec.metadata[_UNIQUE_ID]
        for spec in definition.check_specs
        if spec.key in context.selected_asset_check_keys
    ]
    names = [
        ".".join(["fqn:" + manifest["nodes"][i]["fqn"][0], *manifest["nodes"][i]["fqn"][1:]])
        for i in ids
    ]
    return ["--indirect-selection", "empty", "--select", " ".join(names)]


def _new_target(run_id: str, attempt: int) -> Path:
    """A folder for this invocation's artifacts, with the parsed project in it."""
    prepared = target_dir()
    runs = prepared / "runs"
    target = runs / f"{run_id[:8]}-{attempt}"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(prepared / "partial_parse.msgpack", target / "partial_parse.msgpack")
    # Only failed invocations leave theirs behind; the last few are enough to look at.
    for old in sorted(runs.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def _invoke(arguments: Sequence[str], outcome: _Outcome) -> Iterator[dict[str, Any]]:
    """Run dbt in a thread; yield its result events as they happen, as its JSON log has them."""
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import msg_to_dict

    events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def on_event(message: Any) -> None:
        if message.info.name in _RESULT_EVENTS:
            events.put(msg_to_dict(message))

    def run() -> None:
        try:
            with shared_clients():
                result = dbtRunner(callbacks=[on_event]).invoke(list(arguments))
            outcome.success, outcome.exception = result.success, result.exception
            _take_failures(outcome, getattr(result.result, "results", ()))
        except BaseException as error:
            outcome.exception = error
        finally:
            events.put(None)

    thread = threading.Thread(target=run, name="dbt", daemon=True)
    thread.start()
    while (event := events.get()) is not None:
        yield event
    thread.join()


def _take_failures(outcome: _Outcome, results: Iterable[Any]) -> None:
    """What failed and why, from dbt's own results (its events do not hold the reasons)."""
    for result in results:
        if result.status in _FAILED:
            outcome.failures.append(f"{result.node.unique_id}: {result.message}")
            outcome.only_tests_failed &= result.node.resource_type == "test"


def _found(raw: Mapping[str, Any]) -> str:
    """What a dbt test found, in a sentence."""
    rows = int(raw["data"].get("num_failures") or 0)
    if raw["data"]["node_info"]["node_status"] == "error":
        return "dbt could not run this test; the run says why"
    return f"{rows:,} rows do not hold" if rows else "every row holds"


def _with_row_counts(
    outputs: Sequence[dg.Output[None]], manifest: Mapping[str, Any], count_rows: RowCounter
) -> Iterator[dg.Output[None]]:
    relations: dict[str, str] = {}
    for output in outputs:
        node = manifest["nodes"][output.metadata["unique_id"].value]
        if node["config"]["materialized"] != "view":
            relations[output.output_name] = f'"{node["schema"]}"."{node["alias"]}"'
    counts = count_rows(relations) if relations else {}
    for output in outputs:
        rows = counts.get(output.output_name)
        yield (
            output
            if rows is None
            else output.with_metadata({**output.metadata, "dagster/row_count": rows})
        )


def _failure(outcome: _Outcome, target: Path) -> dg.Failure:
    said = outcome.failures or [str(outcome.exception or "dbt gave no reason")]
    return dg.Failure(
        description="dbt build failed:\n" + "\n".join(said),
        metadata={"dbt log": dg.MetadataValue.path(str(target / "dbt.log"))},
        allow_retries=not (outcome.failures and outcome.only_tests_failed),
    )
