"""What only the laptop's own tests need: the shared stack's home, and homes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from minilab_local import stack as local_stack


@pytest.fixture(scope="session")
def stack_home(stack: dict[str, str]) -> Path:
    """The home of the session's shared stack, found by the port that it listens on."""
    port = int(stack["AWS_ENDPOINT_URL"].rpartition(":")[2])
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "minilab_local.supervisor" in command:
            home = Path(command[command.index("--home") + 1])
            if local_stack.status(home).endpoint == f"http://127.0.0.1:{port}":
                return home
    raise AssertionError("the shared stack is not running")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty home; whatever was started in it is stopped."""
    home = tmp_path / "home"
    yield home
    local_stack.stop(home)
