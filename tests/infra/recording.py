"""The AWS calls of the code, recorded while its own tests run in a process beside these."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WATCHED = ("tests/accounts", "tests/ingest", "tests/processing")


@dataclass(frozen=True)
class Recording:
    """A run of the watched tests, and where their calls are written."""

    folder: Path
    process: subprocess.Popen[str]
    told: Path

    def finished(self) -> Path:
        """The folder of the calls, once all tests are through.

        Raises:
            AssertionError: a watched test failed; carries the end of what pytest printed.
        """
        code = self.process.wait()
        assert code == 0, f"pytest {' '.join(WATCHED)}:\n{self.told.read_text()[-3000:]}"
        return self.folder


@contextmanager
def recording_calls(folder: Path) -> Iterator[Recording]:
    """Start the watched tests; whatever is left of them at the end is stopped."""
    told = folder.with_suffix(".log")
    with told.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.aws_calls", "run", str(folder)),
                *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *WATCHED),
            ],
            cwd=Path(__file__).parents[2],
            # It is a run of its own, not a worker of this one.
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield Recording(folder, process, told)
    finally:
        process.terminate()
        process.wait(timeout=60)
