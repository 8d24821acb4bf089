"""What the API answers, route by route, whatever goes wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property

import msgspec

from minilab.errors import MinilabError
from minilab.events.registry import Registry, load_registry
from minilab.ingest.accept import Desk, accept
from minilab.ingest.environment import Environment
from minilab.ingest.judge import Judge
from minilab.ingest.limits import RateLimits
from minilab.ingest.message import JSON, Reply, Request, json_reply, problem_reply
from minilab.ingest.openapi import openapi_document
from minilab.ingest.outcome import RETRY_SECONDS, reply_to
from minilab.ingest.problems import (
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    RATE_LIMITED,
    UNAVAILABLE,
    Problem,
    ProblemError,
    unavailable,
)
from minilab.ingest.telemetry import count_outcome, count_problem, logger
from minilab.settings import Settings

SCHEMA = "application/schema+json"
_CACHED = {"Cache-Control": "public, max-age=60"}
_METRICS = {RATE_LIMITED: "Throttled", UNAVAILABLE: "Deferred", INTERNAL: "Failed"}


class Api:
    """The API of one deployment. Shared by threads."""

    def __init__(self, registry: Registry, environment: Environment) -> None:
        """Raises RegistryError where a contract cannot be used."""
        self._registry = registry
        self._desk = Desk(
            environment,
            Judge(registry, environment.payloads.uri_prefix),
            RateLimits(environment.counter),
        )

    @classmethod
    def of(cls, settings: Settings) -> Api:
        """The API of this deployment's contracts, on AWS."""
        return cls(load_registry(), Environment.of(settings))

    def post_events(self, request: Request, stream: str | None = None) -> Reply:
        """``POST /v1/events`` and ``POST /v1/streams/{stream}/events``."""
        started = time.perf_counter()
        try:
            if stream is not None and stream not in self._registry.streams:
                raise ProblemError(Problem(NOT_FOUND, f"There is no stream {stream[:200]!r}."))
            outcome = accept(self._desk, request, stream)
        except Exception as error:
            problem, events = _problem_of(error), getattr(error, "events", 1)
            metric = _METRICS.get(problem.reason, "Refused")
            count_problem(metric, stream, events, _milliseconds_since(started))
            return problem_reply(problem, request.id)
        count_outcome(outcome, _milliseconds_since(started))
        return reply_to(outcome, request.id)

    def get_health(self, request: Request) -> Reply:
        """``GET /v1/health``: the process is up. AWS is not asked: a probe would only add load."""
        return json_reply(200, {"status": "ok"}, {"Cache-Control": "no-store"})

    def get_contracts(self, request: Request) -> Reply:
        """``GET /v1/contracts``: the streams and the types that have a contract."""
        return Reply(200, self._contracts, JSON, _CACHED)

    def get_contract(self, request: Request, kind: str) -> Reply:
        """``GET /v1/contracts/{type}``: the JSON Schema of one type's data."""
        contract = self._registry.contracts.get(kind)
        if contract is None:
            return problem_reply(
                Problem(NOT_FOUND, f"There is no contract {kind[:200]!r}."), request.id
            )
        return Reply(200, msgspec.json.encode(contract.schema), SCHEMA, _CACHED)

    def get_openapi(self, request: Request) -> Reply:
        """``GET /v1/openapi.json``: this API, as OpenAPI 3.1 describes it."""
        return Reply(200, self._openapi, JSON, _CACHED)

    def not_found(self, request: Request) -> Reply:
        detail = "What there is, is in /v1/openapi.json."
        return problem_reply(Problem(NOT_FOUND, detail), request.id)

    def method_not_allowed(self, request: Request, allowed: Sequence[str]) -> Reply:
        methods = ", ".join(allowed)
        problem = Problem(METHOD_NOT_ALLOWED, f"Use {methods}.", headers={"Allow": methods})
        return problem_reply(problem, request.id)

    @cached_property
    def _contracts(self) -> bytes:
        streams = self._registry.streams.values()
        return msgspec.json.encode(
            {
                "streams": [
                    {"name": s.name, "contract": s.contract, "description": s.description}
                    for s in streams
                ],
                "contracts": [
                    {
                        "type": contract.type,
                        "stream": contract.stream,
                        "description": contract.description,
                        "href": f"/v1/contracts/{contract.type}",
                    }
                    for stream in streams
                    for contract in self._registry.contracts_of(stream.name)
                ],
            }
        )

    @cached_property
    def _openapi(self) -> bytes:
        return msgspec.json.encode(openapi_document(self._registry))


def _problem_of(error: Exception) -> Problem:
    """How an error is answered; what was not foreseen is logged with where it happened."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, MinilabError):
        logger.warning("a request was deferred", extra={"why": error.message})
        return unavailable("The platform's storage is away or busy.", RETRY_SECONDS)
    logger.exception("a request failed")
    return Problem(INTERNAL, "The API failed on this request; it is in its logs.")


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
