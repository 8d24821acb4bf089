"""The AWS calls of the whole platform, recorded in a process beside these tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.aws_calls.scenario import CALLS


@dataclass(frozen=True)
class Recording:
    """The tests and the main job under way, and where their calls are written."""

    folder: Path
    process: subprocess.Popen[str]
    told: Path

    def finished(self) -> Path:
        """The folder of the calls, once all is through.

        Raises:
            AssertionError: a test or the main job failed; carries the end of what was printed.
        """
        code = self.process.wait()
        assert code == 0, self.told.read_text()[-5000:]
        return self.folder / CALLS


@contextmanager
def recording_calls(folder: Path) -> Iterator[Recording]:
    """Start recording; whatever is left of it at the end is stopped."""
    told = folder.with_suffix(".log")
    with told.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.aws_calls", "platform", str(folder)],
            cwd=Path(__file__).parents[2],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield Recording(folder, process, told)
    finally:
        process.terminate()
        process.wait(timeout=60)
