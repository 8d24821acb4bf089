"""Steps of a long command, told as they happen: what is starting, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Prints one line per step on stderr and keeps each step's seconds."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """Run one step: a spinner meanwhile where there is a terminal, then its seconds."""
        started = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"▸ {text} …")
        try:
            with self._console.status(f"{text} …"):
                yield
        except BaseException:
            self._console.print(f"[red]✗[/red] {text}")
            raise
        self.seconds[name] = round(time.monotonic() - started, 2)
        self._console.print(f"[green]✓[/green] {text} [dim]{self.seconds[name]:.1f} s[/dim]")

    def say(self, text: str) -> None:
        """A line between or within steps."""
        self._console.print(text)
