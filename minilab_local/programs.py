"""The platform's own programs, run as a user runs them: as processes with an environment.

The laptop imports nothing of the platform; it starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minilab.errors import MinilabError
from minilab_local.home import find_checkout


def project_root() -> Path:
    """The checkout that the current folder is in.

    Raises:
        MinilabError: it is in none.
    """
    here = Path.cwd()
    if (root := find_checkout(here)) is None:
        raise MinilabError(
            f"{here} is not inside a Mini-Lab checkout: no workspace.yaml here or above.",
            hint="Change into the folder that you cloned, and try again.",
        )
    return root


def environment_with(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with ``extra``, less what would lead an AWS client elsewhere."""
    environ = {k: v for k, v in os.environ.items() if k not in _LEFT_OUT}
    return environ | dict(extra)


_LEFT_OUT = frozenset(
    {
        *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"),
        "PYTHONDONTWRITEBYTECODE",  # each start of Dagster would compile its modules anew
    }
)


def minilab(*arguments: str) -> list[str]:
    """The command line of ``minilab`` in this same Python."""
    return [sys.executable, "-m", "minilab.cli", *arguments]


def run_json(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path,
    on_line: Callable[[str], None] | None = None,
    accept: Sequence[int] = (0,),
) -> Any:
    """Run a program that prints one JSON document on stdout; its stderr goes to ``on_line``.

    Raises:
        MinilabError: the exit code is not in ``accept``, or stdout is not JSON; the message holds
            the end of what the program said.
    """
    said: list[str] = []
    with subprocess.Popen(
        list(command),
        env=dict(environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        stdout = _Reader(process.stdout)
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line.rstrip())
            if on_line is not None:
                on_line(line.rstrip())
        output = stdout.text()
        code = process.wait()
    shown = " ".join(command[1:])
    if code not in accept:
        tail = "\n".join((said or output.splitlines())[-25:])
        raise MinilabError(f"`{shown}` ended with exit code {code}:\n{tail}")
    try:
        return json.loads(output)
    except ValueError as error:
        raise MinilabError(
            f"`{shown}` printed no JSON document: {error}\n{output[-500:]}"
        ) from error


class _Reader:
    """Drains a pipe in a thread, so that a full pipe never blocks its writer."""

    def __init__(self, pipe: Any) -> None:
        self._chunks: list[str] = []
        self._thread = threading.Thread(target=self._drain, args=(pipe,), daemon=True)
        self._thread.start()

    def _drain(self, pipe: Any) -> None:
        self._chunks.extend(pipe)

    def text(self) -> str:
        self._thread.join()
        return "".join(self._chunks)
