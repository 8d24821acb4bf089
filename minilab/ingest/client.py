"""A client of the API for events that lie in a file: batches, patience, and an answer a line.

Lines go in their order, some hundred a request. What the API defers is sent again when it says so;
what it refuses because of its neighbours (a batch too large for the tenant's limit) in halves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import urllib3

from minilab.bus.publisher import CLOUDEVENT, CLOUDEVENTS_BATCH, pack
from minilab.errors import MinilabError
from minilab.settings import Settings
from minilab.tenants.keys import split_key

MAX_EVENTS = 500
"""In one request; the API takes more, but answers the sooner the less it is."""
MAX_BYTES = 1024 * 1024
_TRIES = 30
"""Of one request that the API defers or limits: some minutes."""
_RETRY = (429, 503)
_SECONDS = urllib3.Timeout(connect=5, read=30)

_raw = msgspec.json.Decoder(msgspec.Raw).decode
_document = msgspec.json.Decoder(dict[str, Any]).decode

Status = Literal["accepted", "duplicate", "rejected", "deferred"]


class ApiError(MinilabError):
    """The API cannot be reached, or does not let this client send."""


@dataclass(frozen=True)
class Line:
    number: int
    text: bytes
    """Not blank."""


@dataclass(frozen=True)
class Told:
    """What the API said of one line."""

    line: int
    status: Status
    problem: Mapping[str, Any] = field(default_factory=dict)
    """RFC 9457, where it was not taken."""


class ApiClient:
    """Posts to one path of the API with one key. Not to be shared by threads."""

    def __init__(
        self,
        settings: Settings,
        key: str,
        stream: str | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Without a stream, each event's type tells its own.

        Raises:
            ApiError: it is not said where the API is, or the key is missing or none.
        """
        if not settings.api_url:
            raise ApiError(
                "It is not said where the API is.",
                hint="Set MINILAB_API_URL, such as https://api.example.com; "
                'on a laptop: eval "$(minilab local env)".',
            )
        if split_key(key) is None:
            raise ApiError(
                "There is no API key, or what there is is none.",
                hint="Set MINILAB_API_KEY to mlk_…; make one with: minilab tenants create NAME",
            )
        path = "/v1/events" if stream is None else f"/v1/streams/{stream}/events"
        self._url = settings.api_url + path
        self._headers = {"Authorization": f"Bearer {key}", "User-Agent": "minilab-send"}
        self._http = urllib3.PoolManager(timeout=_SECONDS, retries=urllib3.Retry(2, redirect=0))
        self._sleep = sleep
        self.sent_bytes = 0

    def send(self, lines: Iterable[Line]) -> Iterator[Told]:
        """Send events, one a line; say of each what became of it, batch by batch.

        Raises:
            ApiError: the API cannot be reached, or refuses whatever this client sends.
        """
        for batch in _batches(lines):
            yield from self._send(batch)

    def _send(self, batch: Sequence[Line]) -> Iterator[Told]:
        left = list(batch)
        for attempt in range(1, _TRIES + 1):
            answer = self._post(left)
            if answer.status == 413 and len(left) > 1:
                half = len(left) // 2
                yield from self._send(left[:half])
                yield from self._send(left[half:])
                return
            told = _told(left, answer)
            again = {each.line for each in told if each.status == "deferred"}
            if attempt == _TRIES:
                again = set()
            yield from (each for each in told if each.line not in again)
            left = [line for line in left if line.number in again]
            if not left:
                return
            self._sleep(answer.retry_after)

    def _post(self, lines: Sequence[Line]) -> _Answer:
        alone = len(lines) == 1
        body = lines[0].text if alone else pack([line.text for line in lines])
        batched = not alone or body.lstrip().startswith(b"[")
        headers = self._headers | {"Content-Type": CLOUDEVENTS_BATCH if batched else CLOUDEVENT}
        self.sent_bytes += len(body)
        try:
            response = self._http.request("POST", self._url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(
                f"The API at {self._url} cannot be reached: {error}",
                hint="Is MINILAB_API_URL right, and the API up?",
            ) from error
        return _Answer.of(response, self._url)


@dataclass(frozen=True)
class _Answer:
    status: int
    document: Mapping[str, Any]
    retry_after: float

    @classmethod
    def of(cls, response: Any, url: str) -> _Answer:
        """Raises ApiError where the API refuses this client, or is none."""
        try:
            document = _document(response.data)
        except msgspec.MsgspecError:
            document = {}
        if response.status in (401, 404, 405) or document.get("reason") == "suspended":
            raise ApiError(
                f"{url} answered {response.status}: "
                f"{document.get('detail') or document.get('title') or 'no problem document'}",
                hint="Look at MINILAB_API_KEY, MINILAB_API_URL and --stream.",
            )
        if (response.status >= 500 and response.status not in _RETRY) or not document:
            raise ApiError(
                f"{url} answered {response.status}: {response.data[:200]!r}",
                hint="Nothing is known of the lines of this request; send them again.",
            )
        wait = response.headers.get("Retry-After", "")
        return cls(response.status, document, float(wait) if wait.isdigit() else 1.0)


def _told(lines: Sequence[Line], answer: _Answer) -> list[Told]:
    """What an answer says of the lines of its request."""
    results = answer.document.get("results")
    if results is None:
        status: Status = "rejected"
        if answer.status == 202:
            status = answer.document["status"]
        elif answer.status in _RETRY or answer.document.get("reason") == "in_progress":
            status = "deferred"
        problem = {} if answer.status == 202 else answer.document
        return [Told(line.number, status, problem) for line in lines]
    if len(lines) == 1:  # a line that is itself a batch: it is what the worst of its events is
        worst = max(results, key=lambda result: _WORSE.index(result["status"]))
        return [Told(lines[0].number, worst["status"], worst.get("problem", {}))]
    return [
        Told(lines[result["index"]].number, result["status"], result.get("problem", {}))
        for result in results
    ]


_WORSE: tuple[Status, ...] = ("duplicate", "accepted", "rejected", "deferred")


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines by request. One that is no JSON object goes alone, so that it spoils no batch."""
    batch: list[Line] = []
    room = MAX_BYTES
    for line in lines:
        fits = _is_object(line.text)
        if batch and (not fits or len(batch) == MAX_EVENTS or len(line.text) >= room):
            yield batch
            batch, room = [], MAX_BYTES
        if not fits:
            yield [line]
            continue
        batch.append(line)
        room -= len(line.text) + 1
    if batch:
        yield batch


def _is_object(text: bytes) -> bool:
    try:
        text.decode()
        return bytes(_raw(text)).startswith(b"{")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
