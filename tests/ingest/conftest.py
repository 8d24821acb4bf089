from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from minilab.ingest import clients
from minilab.ingest.api import Api
from minilab.ingest.environment import Environment
from minilab.ingest.handler import Handler, make_handler
from minilab.settings import Settings
from tests.conftest import Lab
from tests.ingest.client import Client, new_tenant


@dataclass(frozen=True)
class Front:
    """The API of one lab, and clients of it."""

    lab: Lab
    handler: Handler

    @property
    def settings(self) -> Settings:
        return self.lab.settings

    def client(self, key: str | None = None) -> Client:
        """One of a new tenant that may do everything, if no key is given."""
        return Client(self.handler, key or new_tenant(self.settings)[1])

    def with_environment(self, change: Callable[[Environment], Environment], key: str) -> Client:
        """One of an API whose world was changed."""
        environment = change(Environment.of(self.settings))
        api = Api(self.lab.registry, environment)
        return Client(make_handler(lambda: api), key)


@pytest.fixture(scope="module")
def front(lab: Lab) -> Iterator[Front]:
    clients._client.cache_clear()  # it may have been made for another endpoint
    yield Front(lab, make_handler(lambda: Api.of(lab.settings)))


@pytest.fixture
def client(front: Front) -> Client:
    return front.client()
