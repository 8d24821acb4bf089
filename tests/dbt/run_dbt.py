"""dbt as a person runs it: a process of its own in ``dbt_athena/``, its target elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2] / "dbt_athena"


@dataclass(frozen=True)
class DbtResult:
    exit_code: int
    output: str
    statuses: Mapping[str, str]
    """Status by node: ``model.minilab.sessions`` → ``success``."""

    def of(self, status: str) -> list[str]:
        return sorted(name for name, value in self.statuses.items() if value == status)


def dbt(
    *arguments: str,
    environ: Mapping[str, str],
    target: Path,
    project: Path = PROJECT,
    variables: Mapping[str, Any] | None = None,
) -> DbtResult:
    """Run dbt with ``arguments`` and read what it says of every node."""
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *arguments]
    command += ["--target-path", str(target), "--log-path", str(target)]
    if variables is not None:
        command += ["--vars", json.dumps(variables)]
    results = target / "run_results.json"
    results.unlink(missing_ok=True)
    done = subprocess.run(
        command, cwd=project, env=dict(environ), capture_output=True, text=True, check=False
    )
    statuses = {}
    if results.exists():
        for node in json.loads(results.read_text())["results"]:
            statuses[node["unique_id"]] = node["status"]
    return DbtResult(done.returncode, done.stdout + done.stderr, statuses)


def project_with_one_more_contract(checkout: Path) -> Path:
    """Copy contracts and dbt project to ``checkout``, add an event type, and sync as a person does.

    The type is ``product.report_exported.v1`` with ``report_id`` and ``rows``. Returns the copy of
    the dbt project.
    """
    shutil.copytree(PROJECT.parent / "contracts", checkout / "contracts")
    ignored = shutil.ignore_patterns("target", "logs")
    shutil.copytree(PROJECT, checkout / "dbt_athena", ignore=ignored)
    schema = {
        "description": "A report was exported.",
        "type": "object",
        "properties": {
            "report_id": {"type": "string", "description": "The report."},
            "rows": {"type": "integer", "description": "Rows in it."},
        },
        "required": ["report_id"],
    }
    (checkout / "contracts/product.report_exported.v1.json").write_text(json.dumps(schema))
    synced = subprocess.run(
        [sys.executable, "-m", "minilab.cli", "contracts", "sync"],
        env={**os.environ, "MINILAB_CONTRACTS_DIR": str(checkout / "contracts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert synced.returncode == 0, synced.stderr
    return checkout / "dbt_athena"
