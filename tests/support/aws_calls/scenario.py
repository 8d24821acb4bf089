"""Records the whole platform: the tests that show all that its parts do, and the main job, twice.

No test is here for its own sake: with any of them left out, a permission would look unused.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

CALLS = "calls"
"""The folder, within that of a recording, which ``recording.read`` reads."""

TESTS = (
    "tests/accounts/test_accounts.py",
    *("tests/ingest/test_ingest_api.py", "tests/ingest/test_ingest_failures.py"),
    *("tests/processing/test_handler.py", "tests/processing/test_worker.py"),
    *("tests/landing/test_landing_compact.py", "tests/landing/test_landing_failures.py"),
    *("tests/failed", "tests/tenants", "tests/cli/test_land_and_failed_commands.py"),
    *("tests/dagster/test_sensors.py", "tests/dagster/test_run_failures.py"),
    *("tests/dagster/test_maintenance.py", "tests/dagster/test_dagster_metrics.py"),
    "tests/dagster/test_on_ecs.py",
    "tests/athena/test_analyst.py",
)


def record_platform(folder: Path) -> None:
    """Record into ``folder``; takes some minutes.

    Raises:
        RuntimeError: a test or the main job failed; carries the end of what it said.
    """
    calls = folder / CALLS
    calls.mkdir(parents=True, exist_ok=True)
    # The second run of the main job finds everything there: dbt merges, and changes views.
    for _ in range(2):
        _recorded(calls, folder, ("-m", "minilab.cli", "demo", "--events", "500"))
    pytest = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup")
    _recorded(calls, folder, (*pytest, "-m", "not slow", *TESTS))


def _recorded(calls: Path, folder: Path, arguments: Sequence[str]) -> None:
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MINILAB_", "PYTEST_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.aws_calls", "run", str(calls), *arguments],
        cwd=ROOT,
        env={**environ, "MINILAB_HOME": str(folder / "home")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        told = "\n".join(line[:500] for line in done.stdout.splitlines()[-60:])
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{told}")
