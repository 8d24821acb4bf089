"""What Lambda calls: an event of API Gateway in (HTTP API, payload format 2.0), an answer out.

Importing this touches no AWS; clients and contracts are made at the first request and kept. Many
threads may call the handler at once, as an ASGI server does. Powertools' resolver keeps the request
that it serves on itself and on its class, so each thread has a resolver of its own.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from minilab.ingest.api import Api
from minilab.ingest.message import Reply, Request
from minilab.ingest.telemetry import begin, tracer
from minilab.settings import Settings

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def make_handler(open_api: Callable[[], Api]) -> Handler:
    """A handler whose API is opened at the first request."""
    lock = threading.Lock()
    opened: list[Api] = []
    local = threading.local()

    def resolver() -> _Resolver:
        with lock:
            if not opened:
                opened.append(open_api())
            return _Resolver(opened[0])

    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        if not hasattr(local, "resolver"):
            local.resolver = resolver()
        answer: dict[str, Any] = local.resolver.resolve(event, context)
        return answer

    return handle


class _Resolver(APIGatewayHttpResolver):
    """Powertools' resolver with the API's routes, for one thread."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api
        self._allowed: list[tuple[re.Pattern[str], list[str]]] = []
        self._add("POST", "/v1/events", api.post_events)
        self._add("POST", "/v1/streams/<stream>/events", api.post_events)
        self._add("GET", "/v1/contracts", api.get_contracts)
        self._add("GET", "/v1/contracts/<kind>", api.get_contract)
        self._add("GET", "/v1/openapi.json", api.get_openapi)
        self._add("GET", "/v1/health", api.get_health)
        self.not_found(lambda _: self._response(self._refuse()))

    def resolve(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        self._request = Request.of(event)
        self._event = APIGatewayProxyEventV2(dict(event))
        begin(self._request.id)
        return super().resolve(event, context)

    @property
    def current_event(self) -> APIGatewayProxyEventV2:  # type: ignore[override]
        """Powertools keeps it on a class that all resolvers share."""
        return self._event

    def _add(self, method: str, rule: str, answer: Callable[..., Reply]) -> None:
        methods = ["GET", "HEAD"] if method == "GET" else [method]
        self._allowed.append((re.compile(re.sub("<[a-z]+>", "[^/]+", rule)), methods))

        def respond(**path: str) -> Response[str]:
            return self._response(answer(self._request, **path))

        self.route(rule, method=methods)(respond)

    def _refuse(self) -> Reply:
        """There is no such route; or there is, for other methods."""
        for path, methods in self._allowed:
            if path.fullmatch(self._event.path) and self._event.http_method not in methods:
                return self._api.method_not_allowed(self._request, methods)
        return self._api.not_found(self._request)

    def _response(self, reply: Reply) -> Response[str]:
        without_body = self._event.http_method == "HEAD"
        return Response(
            status_code=reply.status,
            content_type=reply.media_type,
            headers=dict(reply.headers),
            body="" if without_body else reply.body.decode(),
        )


lambda_handler = tracer.capture_lambda_handler(
    make_handler(lambda: Api.of(Settings.from_env())), capture_response=False
)
