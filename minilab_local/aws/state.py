"""What the laptop's AWS knows, kept through a stop and through a crash.

Objects are files already. Everything else lives in moto's memory and here: a *snapshot* (all of
moto's backends, pickled) and a *journal* of what was acknowledged since. A change is journalled
before its answer is sent, in one of two ways:

- SQS and S3, and the calls that carry DynamoDB's items, which are the traffic, say what changed
  (``minilab_local.aws.sqs``, ``…s3``, ``…dynamodb``).
- Every other changing request is kept as it came, with the moment and the seed of the random
  numbers it was carried out with, and is carried out again. Such requests are done one at a time.

**Not kept through a crash** (SIGKILL; an orderly stop keeps it): Athena's query executions and
their results' metadata (the result files stay), Step Functions executions, what moto only logs of
sent notifications, and the few secrets that moto takes from the operating system's randomness (STS
session tokens, KMS key material, ids of DynamoDB streams' shards): they differ afterwards.
**Not kept through a loss of power**: what the kernel had not written yet.
"""

from __future__ import annotations

import copyreg
import gc
import io
import logging
import pickle
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import moto
from moto.core.base_backend import BackendDict

from minilab_local.aws import dynamodb, objects, repeatable, s3, sqs
from minilab_local.aws.journal import Journal, read

log = logging.getLogger(__name__)

WsgiApp = Callable[..., Iterable[bytes]]

_LONG_JOURNAL = 64 << 20
# What says by itself how to make its changes again
_SERVICES = {"s3": s3, "sqs": sqs, "dynamodb": dynamodb}

_MANY_REQUESTS = 2_000  # each takes a millisecond or two to carry out again
_LOOK_SECONDS = 2.0


class StateError(Exception):
    """The kept state cannot be read."""


class State:
    """Opens the state below ``folder``, brings it back, and keeps it from then on."""

    def __init__(self, folder: Path, moto_app: WsgiApp) -> None:
        self._folder = folder
        self._moto_app = moto_app
        self._request_count = 0
        self._snapshot_size = 0
        self._closed = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._number = max((number for number, _ in self._snapshots()), default=0)
        for service in _SERVICES.values():
            service.install(lambda record: None)
        with _no_search_for_garbage():
            self._recover()
        self._journal = Journal(self._journal_path(self._number))
        for name, service in _SERVICES.items():
            service.install(lambda record, name=name: self._journal.append(name, record))
        self._remove_old()
        threading.Thread(target=self._watch, name="state", daemon=True).start()

    # Keeping

    def request(
        self, service: str, action: str, environ: dict[str, Any], start: Callable[..., Any]
    ) -> list[bytes]:
        """Let moto carry out a request that may change something, and journal it if it did."""
        body = environ["wsgi.input"].getvalue()
        with dynamodb.lock:
            now, seed = time.time(), secrets.randbits(64)
            heads: list[tuple[str, Any]] = []
            with repeatable.as_of(now, seed):
                answer = list(
                    self._moto_app(environ, lambda line, headers, *_: heads.append((line, headers)))
                )
            line, headers = heads[-1]
            if line[:1] in "23":
                told = {k: v for k, v in environ.items() if isinstance(v, str)}
                told["moto.preserved_header_names"] = environ["moto.preserved_header_names"]
                self._journal.append("request", (service, action, now, seed, told, body))
                self._request_count += 1
        start(line, headers)
        return answer

    def snapshot(self) -> None:
        """Write everything anew and begin an empty journal. Changes wait meanwhile."""
        with dynamodb.lock, s3.lock, sqs.lock:
            began = time.monotonic()
            with _no_search_for_garbage():
                content, unkept = _dump()
            number = self._number + 1
            fresh = self._snapshot_path(number).with_suffix(".tmp")
            fresh.write_bytes(content)
            self._journal_path(number).unlink(missing_ok=True)
            journal = Journal(self._journal_path(number))
            if unkept:  # those services live on by their requests alone
                for kind, record in read(self._journal.path):
                    if kind == "request" and record[0] in unkept:
                        journal.append(kind, record)
            fresh.replace(self._snapshot_path(number))
            self._journal.close()
            self._journal, self._number = journal, number
            self._request_count, self._snapshot_size = 0, len(content)
        self._remove_old()
        log.info("saved %.1f MB in %.2f s", len(content) / 1e6, time.monotonic() - began)

    def close(self) -> None:
        """Save all that was not saved. No request may run any more."""
        self._closed.set()
        if self._journal.size or self._number == 0:
            try:
                self.snapshot()
            except Exception:  # nothing is lost: the journal is carried out at the next start
                log.exception("saving failed; the next start reads the journal instead")
        objects.sweep()

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            objects.sweep()
            long = self._journal.size > max(_LONG_JOURNAL, 2 * self._snapshot_size)
            if long or self._request_count > _MANY_REQUESTS:
                try:
                    self.snapshot()
                except Exception:  # the journal still has everything: try again later
                    log.exception("saving failed; the journal goes on")
                    self._closed.wait(60)

    # Bringing back

    def _recover(self) -> None:
        began = time.monotonic()
        path = self._snapshot_path(self._number)
        if path.exists():
            self._snapshot_size = path.stat().st_size
            _load(path)
        counts = dict.fromkeys(("request", *_SERVICES), 0)
        for kind, record in read(self._journal_path(self._number)):
            counts[kind] += 1
            if kind == "request":
                self._repeat(*record)
            else:
                _SERVICES[kind].redo(record)
        strays = objects.remove_all_but(s3.named_files())
        self._request_count = counts["request"]
        if any(counts.values()):
            log.warning(
                "brought back what was acknowledged before a crash: %s changes of S3, %s of SQS, "
                "%s of DynamoDB's items, %s requests. Not kept: running queries, Athena's query "
                "history since the last save. %s stray files removed. (%.2f s)",
                *(counts["s3"], counts["sqs"], counts["dynamodb"], counts["request"], strays),
                time.monotonic() - began,
            )

    def _repeat(
        self, service: str, action: str, now: float, seed: int, told: dict[str, Any], body: bytes
    ) -> None:
        environ = {
            **told,
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        lines: list[str] = []
        try:
            with repeatable.as_of(now, seed):
                list(self._moto_app(environ, lambda line, *_: lines.append(line)))
        except Exception as error:
            lines.append(f"{type(error).__name__}: {error}")
        if lines[-1][:1] not in "23":
            log.error("not brought back: %s %s (%s)", service, action, lines[-1])

    # Files

    def _snapshot_path(self, number: int) -> Path:
        return self._folder / f"snapshot-{number:06d}.pickle"

    def _journal_path(self, number: int) -> Path:
        return self._folder / f"journal-{number:06d}.log"

    def _snapshots(self) -> list[tuple[int, Path]]:
        return [(int(p.stem.split("-")[1]), p) for p in self._folder.glob("snapshot-*.pickle")]

    def _remove_old(self) -> None:
        current = {self._snapshot_path(self._number), self._journal_path(self._number)}
        for path in self._folder.iterdir():
            if path not in current:
                path.unlink()


@contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """Among millions of objects that are made to stay, it takes longer than making them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# A snapshot: {(module, name) of a BackendDict: {account: {region: backend}}}, and bucket owners


def _backend_dicts() -> dict[tuple[str, str], BackendDict[Any]]:
    """Every BackendDict that holds something, by where it is to be found."""
    found = {}
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("moto.") and module_name.endswith(".models"):
            for name, value in vars(module).items():
                if isinstance(value, BackendDict) and value and name.endswith("_backends"):
                    found[module_name, name] = value
    return _without_aliases(found)


def _without_aliases(
    found: dict[tuple[str, str], BackendDict[Any]],
) -> dict[tuple[str, str], BackendDict[Any]]:
    """A module that imports another's backends names them too: keep each one's own place."""
    homes: dict[int, tuple[str, str]] = {}
    for (module, name), value in found.items():
        known = homes.get(id(value))
        of_own = value.backend.__module__ == module
        if known is None or of_own:
            homes[id(value)] = (module, name)
    return {place: found[place] for place in homes.values()}


def _dump() -> tuple[bytes, set[str]]:
    """(snapshot, names of services that cannot be pickled)."""
    places = {
        place: {account: dict(regions.items()) for account, regions in backends.items()}
        for place, backends in _backend_dicts().items()
    }
    services = {place: backends.service_name for place, backends in _backend_dicts().items()}
    unkept = set()
    try:
        content = _pickled(places)
    except Exception:
        for place in list(places):
            try:
                _pickled(places[place])
            except Exception as error:
                if services[place] in _SERVICES:  # these have no requests to live on
                    raise
                log.warning("%s is kept by its requests alone: %s", services[place], error)
                unkept.add(services[place])
                del places[place]
        content = _pickled(places)
    return content, unkept


def _pickled(places: Any) -> bytes:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.dispatch_table = {
        **copyreg.dispatch_table,
        # A lock's state is not worth keeping.
        type(threading.Lock()): lambda lock: (threading.Lock, ()),
        type(threading.RLock()): lambda lock: (threading.RLock, ()),
        threading.Condition: lambda condition: (threading.Condition, ()),
        threading.Event: lambda event: (threading.Event, ()),
        dynamodb.Item: dynamodb.reduced,
    }
    owners = dict(s3.moto_s3.s3_backends.bucket_accounts)
    pickler.dump({"moto": moto.__version__, "backends": places, "bucket_owners": owners})
    return buffer.getvalue()


def _load(path: Path) -> None:
    try:
        with path.open("rb") as file:
            document = pickle.load(file)
    except Exception as error:
        raise StateError(
            f"The saved state {path} cannot be read ({type(error).__name__}: {error}); it may be "
            f"of another version than moto {moto.__version__}. To begin with an empty state: "
            "minilab local reset"
        ) from error
    for (module, name), accounts in document["backends"].items():
        backends = getattr(_imported(module), name)
        for account, regions in accounts.items():
            for region, backend in regions.items():
                backends[account][region] = backend
    s3.moto_s3.s3_backends.bucket_accounts.update(document["bucket_owners"])


def _imported(module: str) -> Any:
    import importlib

    return importlib.import_module(module)
