"""The one base of every error that a person is meant to read."""

from __future__ import annotations


class MinilabError(Exception):
    """Says what happened and where (``message``) and what to do about it (``hint``)."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message
