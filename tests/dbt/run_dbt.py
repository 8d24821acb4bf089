"""dbt as a person runs it: a process of its own in ``dbt_athena/``, its target elsewhere."""

from __future__ import annotations

import json
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
