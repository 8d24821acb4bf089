"""CloudWatch Observability Access Manager, which moto has nothing of: sinks, and links to them.

A link is refused unless the sink's policy lets its account.
"""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from moto import backend_index
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from .registry import stub
from .resource_policy import lets


class ResourceNotFoundException(ServiceException):
    code = "ResourceNotFoundException"


class ConflictException(ServiceException):
    code = "ConflictException"


class AccessDeniedException(ServiceException):
    code = "AccessDeniedException"


class OAMBackend(BaseBackend):
    """What one account has in one region, by ARN."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.sinks: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, str] = {}
        self.links: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}

    @property
    def _url_module(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(
            url_bases=[r"https?://oam\.(.+)\.amazonaws\.com"],
            url_paths={
                "{0}/(?P<action>[A-Z][A-Za-z]+)$": OAMResponse.dispatch,
                "{0}/tags/(?P<ResourceArn>.+)$": OAMResponse.dispatch,
            },
        )


oam_backends = BackendDict(OAMBackend, "oam")

# moto finds a service by its address, and then a module of its own by the service's name.
backend_index.backend_url_patterns.append(
    ("oam", re.compile(r"https?://oam\.(.+)\.amazonaws\.com"))
)
sys.modules["moto.oam"] = sys.modules[__name__]


class OAMResponse(BaseResponse):
    def __init__(self) -> None:
        super().__init__(service_name="oam")

    @property
    def backend(self) -> OAMBackend:
        found: OAMBackend = oam_backends[self.current_account][self.region]
        return found

    def new(self, kind: str) -> dict[str, Any]:
        """The names of a new thing; its tags are kept."""
        identifier = str(uuid4())
        arn = f"arn:aws:oam:{self.region}:{self.current_account}:{kind}/{identifier}"
        self.backend.tags[arn] = self._get_param("Tags") or {}
        return {"Arn": arn, "Id": identifier}

    def one(self, things: dict[str, Any], parameter: str) -> Any:
        arn = self._get_param(parameter)
        if arn not in things:
            raise ResourceNotFoundException(f"{arn} does not exist")
        return things[arn]

    def tagged(self, thing: dict[str, Any]) -> ActionResult:
        return ActionResult({**thing, "Tags": self.backend.tags[thing["Arn"]]})


# --- sinks ---------------------------------------------------------------------------------------


@stub(OAMResponse, "CreateSink", "moto has no OAM")
def create_sink(self: OAMResponse) -> ActionResult:
    if self.backend.sinks:
        raise ConflictException("an account has one sink in a region")
    sink = {**self.new("sink"), "Name": self._get_param("Name")}
    self.backend.sinks[sink["Arn"]] = sink
    return self.tagged(sink)


@stub(OAMResponse, "GetSink", "moto has no OAM")
def get_sink(self: OAMResponse) -> ActionResult:
    return self.tagged(self.one(self.backend.sinks, "Identifier"))


@stub(OAMResponse, "DeleteSink", "moto has no OAM; a sink with links stays")
def delete_sink(self: OAMResponse) -> ActionResult:
    sink = self.one(self.backend.sinks, "Identifier")
    for regions in oam_backends.values():
        if any(link["SinkArn"] == sink["Arn"] for link in regions[self.region].links.values()):
            raise ConflictException(f"{sink['Arn']} has links")
    del self.backend.sinks[sink["Arn"]]
    self.backend.policies.pop(sink["Arn"], None)
    return ActionResult({})


@stub(OAMResponse, "PutSinkPolicy", "moto has no OAM")
def put_sink_policy(self: OAMResponse) -> ActionResult:
    sink = self.one(self.backend.sinks, "SinkIdentifier")
    self.backend.policies[sink["Arn"]] = self._get_param("Policy")
    return get_sink_policy(self)


@stub(OAMResponse, "GetSinkPolicy", "moto has no OAM")
def get_sink_policy(self: OAMResponse) -> ActionResult:
    policy = self.one(self.backend.policies, "SinkIdentifier")
    sink = self.one(self.backend.sinks, "SinkIdentifier")
    return ActionResult({"Policy": policy, "SinkArn": sink["Arn"], "SinkId": sink["Id"]})


# --- links ---------------------------------------------------------------------------------------


@stub(OAMResponse, "CreateLink", "moto has no OAM; a sink's policy lets an account link, or not")
def create_link(self: OAMResponse) -> ActionResult:
    sink = self._get_param("SinkIdentifier")
    _check(self, sink, "oam:CreateLink")
    link = {
        **self.new("link"),
        "Label": self.current_account,
        "LabelTemplate": self._get_param("LabelTemplate"),
        "ResourceTypes": self._get_param("ResourceTypes"),
        "SinkArn": sink,
    }
    self.backend.links[link["Arn"]] = link
    return self.tagged(link)


def _check(self: OAMResponse, sink: str, action: str) -> None:
    owner = oam_backends[sink.split(":")[4]][self.region]
    types = self._get_param("ResourceTypes")
    if sink not in owner.sinks or not lets(
        owner.policies.get(sink),
        self.current_account,
        action,
        sink,
        {"oam:ResourceTypes": types},
    ):
        raise AccessDeniedException(
            f"the policy of {sink} does not let {self.current_account} show it {types}"
        )


@stub(OAMResponse, "GetLink", "moto has no OAM")
def get_link(self: OAMResponse) -> ActionResult:
    return self.tagged(self.one(self.backend.links, "Identifier"))


@stub(OAMResponse, "DeleteLink", "moto has no OAM")
def delete_link(self: OAMResponse) -> ActionResult:
    link = self.one(self.backend.links, "Identifier")
    del self.backend.links[link["Arn"]]
    return ActionResult({})


@stub(OAMResponse, "ListTagsForResource", "moto has no OAM")
def list_tags_for_resource(self: OAMResponse) -> ActionResult:
    arn = unquote(self.uri_match["ResourceArn"])
    if arn not in self.backend.tags:
        raise ResourceNotFoundException(f"{arn} does not exist")
    return ActionResult({"Tags": self.backend.tags[arn]})
