"""Who calls, and whether they may: the one place where the laptop's AWS decides it.

A caller is known by the access key alone: signatures, session tokens and the end of a session are
not looked at. Asked are the policies of the role, or the user, itself. Not asked: policies of
resources (a bucket's, a queue's, a key's), trust policies, session policies, permissions
boundaries and what an organization forbids.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from moto.iam.access_control import CreateAccessKeyFailure, IAMPolicy, IAMUserAccessKey
from moto.iam.exceptions import NotFoundException
from moto.iam.models import get_account_id_from, iam_backends
from moto.sts.models import sts_backends

from minilab_local.credentials import CREDENTIALS
from minilab_local.iam.policy import Context, Decision, Policies
from minilab_local.iam.questions import Asked

log = logging.getLogger(__name__)

_PARTITION = "aws"
_KEPT = 1_000


class UnknownCaller(Exception):
    """No role's session and no user has this access key."""


class AccessDenied(Exception):
    """The message is AWS's: who may not do what, on what, and why."""


@dataclass
class Denial:
    """What was refused, how often, and when last (seconds since 1970)."""

    role: str
    action: str
    resource: str
    why: str
    times: int = 0
    last: float = 0.0


@dataclass(frozen=True)
class _Caller:
    arn: str
    role: str
    """The role's name, or the user's."""
    policies: Policies
    context: Context


class Guard:
    """Decides for the laptop's AWS; keeps callers and what it refused in memory."""

    def __init__(self) -> None:
        self._callers: dict[str, _Caller] = {}
        self._denials: dict[tuple[str, str, str], Denial] = {}
        self._lock = threading.Lock()

    def check(self, access_key: str, asked: Asked) -> None:
        """Raises:
        UnknownCaller, AccessDenied: the request must be refused.
        """
        if not self.may_do_everything(access_key):
            for action, resource in asked.questions:
                self.require(access_key, action, resource, asked.context)

    @staticmethod
    def may_do_everything(access_key: str) -> bool:
        return access_key == CREDENTIALS["AWS_ACCESS_KEY_ID"]

    def require(
        self, access_key: str, action: str, resource: str, context: Context | None = None
    ) -> None:
        """Raises:
        UnknownCaller, AccessDenied: the caller may not do this.
        """
        if self.may_do_everything(access_key):
            return
        caller = self._caller(access_key)
        decision = caller.policies.decide(action, resource, {**caller.context, **(context or {})})
        if decision is not Decision.ALLOWED:
            why = decision.value.format(action=action)
            self._note(caller, action, resource, why)
            raise AccessDenied(
                f"User: {caller.arn} is not authorized to perform: {action} "
                f"on resource: {resource} {why}"
            )

    def allows(self, access_key: str, action: str, resource: str) -> bool:
        """Ask, without a denial being noted.

        Raises:
            UnknownCaller: there is no such caller.
        """
        if self.may_do_everything(access_key):
            return True
        caller = self._caller(access_key)
        return caller.policies.decide(action, resource, caller.context) is Decision.ALLOWED

    def forget_callers(self) -> None:
        """IAM changed."""
        self._callers = {}

    def denials(self) -> list[dict[str, Any]]:
        """What was refused since the server started, the latest last; a thousand at most."""
        with self._lock:
            return [asdict(denial) for denial in self._denials.values()]

    def _note(self, caller: _Caller, action: str, resource: str, why: str) -> None:
        key = caller.role, action, resource
        with self._lock:
            first = key not in self._denials
            denial = self._denials.pop(key, None) or Denial(*key, why)
            denial.times, denial.last = denial.times + 1, time.time()
            self._denials[key] = denial
            while len(self._denials) > _KEPT:
                del self._denials[next(iter(self._denials))]
        if first:
            log.warning("denied: %s may not %s on %s (%s)", *key, why)

    def _caller(self, access_key: str) -> _Caller:
        callers = self._callers  # what is found now must not outlive a change of IAM
        if known := callers.get(access_key):
            return known
        account = get_account_id_from(access_key)
        caller = _session(access_key, account) or _user(access_key, account)
        if caller is None:
            raise UnknownCaller(access_key)
        callers[access_key] = caller
        return caller


def _session(access_key: str, account: str) -> _Caller | None:
    session = sts_backends[account][_PARTITION].get_assumed_role_from_access_key(access_key)
    if session is None:
        return None
    role = session.role_arn.rpartition("/")[2]
    return _caller(session.arn, session.role_arn, role, account, _policies_of_role(role, account))


def _policies_of_role(name: str, account: str) -> list[Any]:
    iam = iam_backends[account][_PARTITION]
    try:
        role = iam.get_role(name)
    except NotFoundException:  # deleted since, or never made
        return []
    return [*role.policies.values(), *role.managed_policies.values()]


def _user(access_key: str, account: str) -> _Caller | None:
    try:
        user = IAMUserAccessKey(account, _PARTITION, access_key, {})
    except CreateAccessKeyFailure:
        return None
    name = user.arn.rpartition("/")[2]
    return _caller(user.arn, user.arn, name, account, user.collect_policies())


def _caller(arn: str, principal: str, name: str, account: str, policies: list[Any]) -> _Caller:
    # moto's IAMPolicy reads each of the forms in which moto keeps a policy.
    documents: list[Mapping[str, Any]] = [IAMPolicy(policy)._policy_json for policy in policies]
    context = {"aws:principalarn": principal, "aws:principalaccount": account}
    return _Caller(arn, name, Policies(documents), context)


_guard: Guard | None = None


def install(guard: Guard | None) -> None:
    """Make it the one of this process; None: nothing is enforced."""
    global _guard
    _guard = guard


def installed() -> Guard | None:
    return _guard
