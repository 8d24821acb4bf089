"""Where the laptop's state lies, and the small files that the stack's processes share.

The home is ``MINILAB_HOME``, else ``.minilab/`` beside the nearest ``workspace.yaml`` upwards,
else ``.minilab/`` here.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minilab.errors import MinilabError


def find_home(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Path:
    """The home that the commands use when none is named; it need not exist yet."""
    named = (os.environ if environ is None else environ).get("MINILAB_HOME")
    if named:
        return Path(named).expanduser().absolute()
    here = (cwd or Path.cwd()).absolute()
    return (find_checkout(here) or here) / ".minilab"


def find_checkout(here: Path) -> Path | None:
    """The nearest folder upwards from ``here`` that holds ``workspace.yaml``."""
    for folder in (here, *here.parents):
        if (folder / "workspace.yaml").is_file():
            return folder
    return None


def run_file(home: Path) -> Path:
    """Written by the supervisor alone: process ids, ports, environment, phase."""
    return home / "run" / "stack.json"


def ports_file(home: Path) -> Path:
    """The ports of the last run, taken again if they are free."""
    return home / "run" / "ports.json"


def services_file(home: Path) -> Path:
    """What is asked of the supervisor beyond AWS and Kafka (``minilab_local.services``)."""
    return home / "run" / "services.json"


def logs(home: Path) -> Path:
    return home / "logs"


def read_json(path: Path) -> dict[str, Any]:
    """The document, or {} where there is none or it is damaged (it describes only a process)."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the file in one step, so that a reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fresh.write_text(json.dumps(document, indent=1))
    fresh.replace(path)


@contextmanager
def locked(home: Path, timeout: float = 120.0) -> Iterator[None]:
    """Hold the home's lock: one start, stop or reset at a time. A dead holder holds nothing.

    Raises:
        MinilabError: the lock was not to be had within ``timeout`` seconds.
    """
    path = home / "run" / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise MinilabError(
            f"Cannot write to {home}: {error.strerror}.",
            hint="Choose another place with MINILAB_HOME=/some/folder.",
        ) from None
    with file:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise MinilabError(
                        f"Another `minilab local` command holds {path} for {timeout:.0f} s now.",
                        hint="Wait for it, or end it, and try again.",
                    ) from None
                time.sleep(0.05)
        yield


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message; "" where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
