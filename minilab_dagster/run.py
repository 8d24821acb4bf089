"""``python -m minilab_dagster.run``: the main job in this one process.

Lands every stream, builds staging and marts, runs the checks and makes the report. Progress goes
to stderr, a line per finished asset; with ``--json`` stdout holds one JSON document. The exit code
is 1 when a step failed or a check of severity ERROR did not pass (Dagster itself would exit with 0
for the latter).

With ``DAGSTER_HOME`` set, the run is one of that instance and the UI shows it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

JOB = "land_and_build"

Say = Callable[[str], None]


@dataclass
class Checks:
    passed: int = 0
    warned: int = 0
    failed: list[str] = field(default_factory=list)
    """``asset: check: what was found`` of every check of severity ERROR that did not pass."""


@dataclass
class Outcome:
    """What one run of the main job did."""

    run_id: str = ""
    landed: list[dict[str, Any]] = field(default_factory=list)
    """Per stream: events, failed (reason → events), messages, bytes, files."""
    failures: dict[str, Any] = field(default_factory=dict)
    """What came from the failed queue and from dead letters: failed, messages, bytes, files."""
    checks: Checks = field(default_factory=Checks)
    report: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems and not self.checks.failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON on stdout")
    arguments = parser.parse_args()
    outcome = run_main_job(lambda line: print(line, file=sys.stderr, flush=True))
    if arguments.json:
        print(json.dumps(asdict(outcome)))
    for problem in (*outcome.problems, *outcome.checks.failed):
        print(f"✗ {problem}", file=sys.stderr)
    return 0 if outcome.ok else 1


def run_main_job(say: Say) -> Outcome:
    """Run the job and gather what its events say. ``say`` is called with each line of progress."""
    clock = time.monotonic()
    from uuid import uuid4

    import dagster as dg

    from minilab_dagster.definitions import defs
    from minilab_dagster.defs.raw.partitions import current_key

    outcome = Outcome(run_id=str(uuid4()))
    job = defs().resolve_job_def(JOB)
    outcome.seconds["start"] = round(time.monotonic() - clock, 1)
    with _instance(dg) as instance:
        instance.add_event_listener(outcome.run_id, _Narrator(say).on_event)
        result = job.execute_in_process(
            partition_key=current_key(),
            instance=instance,
            run_id=outcome.run_id,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    _gather(outcome, result.all_events)
    return outcome


def _instance(dg: Any) -> Any:
    """The instance of ``DAGSTER_HOME``; without one, one that is forgotten afterwards."""
    named = os.environ.get("DAGSTER_HOME")
    return dg.DagsterInstance.get() if named else dg.DagsterInstance.ephemeral()


class _Narrator:
    """Says in a line what each event of the run means to whoever waits for it."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._started = time.monotonic()

    def on_event(self, entry: Any) -> None:
        if entry.is_dagster_event:
            line = self._line(entry.dagster_event)
        else:
            line = _dbt_model(entry.user_message)
        if line:
            self._say(f"{time.monotonic() - self._started:5.1f} s  {line}")

    def _line(self, event: dg.DagsterEvent) -> str | None:
        if event.is_step_start:
            return _STARTS.get(_stage(event.step_key))
        if event.is_step_materialization and event.step_key != _DBT_STEP:
            return f"✓ {event.asset_key.to_user_string()}{_rows(event.materialization.metadata)}"
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                return f"{_MARK[evaluation.severity.value]} {_described(evaluation)}"
        if event.is_step_up_for_retry:
            return f"↻ {event.step_key} is tried again: {_reason(event.step_retry_data.error)}"
        return None


_DBT_STEP = "dbt_models"
_MODEL_BUILT = re.compile(r"(?P<number>\d+) of (?P<all>\d+) OK created .* model (?P<name>\S+\.\S+)")
_MARK = {"WARN": "!", "ERROR": "✗"}
_STARTS = {"dbt": "building staging and marts with dbt", "report": "making the report"}


def _stage(step: str | None) -> str:
    """The stage that a step belongs to, for the table of seconds."""
    name = step or ""
    if name.startswith("check_"):
        return "checks"
    return {_DBT_STEP: "dbt", "reports__overview": "report"}.get(name, "land")


def _dbt_model(message: str) -> str | None:
    """A built model, from dbt's own line: Dagster hears of all models when the last one is done."""
    found = _MODEL_BUILT.search(message)
    return f"✓ {found['number']} of {found['all']}  {found['name']}" if found else None


def _rows(metadata: Mapping[str, Any]) -> str:
    for key in ("events", "failed_events", "dagster/row_count"):
        if key in metadata:
            return f"  {metadata[key].value:,} {'rows' if '/' in key else key.replace('_', ' ')}"
    return ""


def _described(evaluation: Any) -> str:
    found = evaluation.description or "did not pass"
    return f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}: {found}"


def _gather(outcome: Outcome, events: Iterable[dg.DagsterEvent]) -> None:
    """Take the outcome from the run's events."""
    seconds: dict[str, float] = {}
    for event in events:
        if event.is_step_success:
            stage = _stage(event.step_key)
            spent = event.event_specific_data.duration_ms / 1000
            seconds[stage] = seconds.get(stage, 0.0) + spent
        elif event.is_step_failure:
            outcome.problems.append(
                f"{event.step_key} failed: {_reason(event.step_failure_data.error)}"
            )
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            _count(outcome.checks, event.asset_check_evaluation_data)
        elif event.is_step_materialization:
            _take_materialization(outcome, event.asset_key, event.materialization.metadata)
    outcome.seconds |= {stage: round(spent, 1) for stage, spent in seconds.items()}


def _take_materialization(outcome: Outcome, key: dg.AssetKey, metadata: Mapping[str, Any]) -> None:
    if key.path[0] == "raw" and "batches" in metadata:
        numbers = ("events", "failed_events", "messages", "bytes", "files", "events_per_second")
        done = {"failed": metadata["failed_by_reason"].value}
        done |= {name: metadata[name].value for name in numbers if name in metadata}
        if key.path[1] == "failed_events":
            outcome.failures = done
        else:
            outcome.landed.append({"stream": key.path[1], **done})
    elif key.path[0] == "reports":
        outcome.report = str(metadata["path"].value)


def _count(checks: Checks, evaluation: Any) -> None:
    if evaluation.passed:
        checks.passed += 1
    elif evaluation.severity.value == "WARN":
        checks.warned += 1
    else:
        checks.failed.append(_described(evaluation))


def _reason(error: Any) -> str:
    """The innermost error's message: what a person wrote for persons."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "no reason given"


if __name__ == "__main__":
    sys.exit(main())
