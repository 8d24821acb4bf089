"""The list of stubs, and how a stub joins moto."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.responses import BaseResponse
from moto.core.utils import camelcase_to_underscores


@dataclass(frozen=True)
class Stub:
    """One AWS action that moto answers only, or answers rightly only, with this extension."""

    service: str
    """As boto3 names it."""
    action: str
    why: str


STUBS: list[Stub] = []


def service_of(response: type[BaseResponse]) -> str:
    return str(response().boto3_service_name)


def stub(response: type[BaseResponse], action: str, why: str) -> Callable[[Any], Any]:
    """Make the decorated function moto's answer to ``action``."""

    def join(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        mended(response, action, why)
        setattr(response, camelcase_to_underscores(action), handler)
        return handler

    return join


def mended(response: type[BaseResponse], action: str, why: str) -> None:
    """List an action of moto's own that answers rightly only with a change made here."""
    STUBS.append(Stub(service_of(response), action, why))
