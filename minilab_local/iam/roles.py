"""The roles that Terraform makes on AWS, made in the laptop's IAM and taken there.

Read from ``infra/generated/role_policies.json``, which is written from Terraform's plans. On the
laptop all accounts are one, and buckets have no account at the end of their names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minilab.errors import MinilabError
from minilab.settings import Settings
from minilab_local.credentials import CREDENTIALS

ADMINISTRATOR = "administrator"
"""The account's root, by the name under which it can be asked for."""
OPERATOR = "operator"
"""Who works with tenants and failed events."""
ANALYST = "analyst"
"""Who asks what the marts know, in a workgroup with a bucket of its own."""

FILE = Path("infra") / "generated" / "role_policies.json"
_PLACEHOLDER = re.compile(r"\$\{([a-z_]+(?:\.[a-z0-9-]+)?)\}")
_SESSION = "laptop"

Variables = dict[str, str]
"""What an AWS client reads from its environment, and for an analyst the platform too."""


@dataclass(frozen=True)
class Role:
    """``name`` is its name in IAM; ``policies`` are its inline policies by name."""

    name: str
    trust: Mapping[str, Any]
    policies: Mapping[str, Mapping[str, Any]]


def roles_of(text: str, settings: Settings, account: str) -> dict[str, Role]:
    """The roles of a deployment, by their names without the environment's.

    ``text`` is the file's.
    """
    names = {
        "environment": settings.env,
        "region": settings.region,
        "organization": "o-laptop",
        "database_prefix": settings.database_prefix,
        "workgroup": settings.athena_workgroup,
        "bucket_suffix": "",
    }

    def name(found: re.Match[str]) -> str:
        return account if found[1].startswith("account.") else names[found[1]]

    return {
        short: Role(role["name"], role["trust"], role["policies"])
        for short, role in json.loads(_PLACEHOLDER.sub(name, text)).items()
    }


class Roles:
    """The roles of one deployment in the stack's IAM."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        """``root``: the checkout. ``environment``: the stack's own, with the keys of its root,
        and the ``MINILAB_…`` variables of the deployment.

        Raises:
            MinilabError: the checkout has no file of roles.
        """
        import boto3

        path = root / FILE
        if not path.is_file():
            raise MinilabError(f"There is no {FILE} in {root}: which roles there are stands there.")
        session = boto3.session.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        endpoint = environment["AWS_ENDPOINT_URL"]
        self._iam = session.client("iam", endpoint_url=endpoint)
        self._sts = session.client("sts", endpoint_url=endpoint)
        self._s3 = session.client("s3", endpoint_url=endpoint)
        self._athena = session.client("athena", endpoint_url=endpoint)
        self._account: str = self._sts.get_caller_identity()["Account"]
        settings = Settings.from_env(environment)
        self._roles = roles_of(path.read_text(), settings, self._account)
        # As the analytics stack names them, and tells them to analysts.
        self.of_analysts = {
            "MINILAB_ATHENA_WORKGROUP": f"minilab-{settings.env}-analysts",
            "MINILAB_RESULTS_BUCKET": f"minilab-{settings.env}-answers",
        }

    @property
    def names(self) -> list[str]:
        """What can be taken."""
        return [*sorted(self._roles), ADMINISTRATOR]

    @property
    def of_a_person(self) -> str:
        """The one for a shell, when none is asked for."""
        return OPERATOR if OPERATOR in self._roles else ADMINISTRATOR

    def make(self) -> None:
        """Bring the stack's IAM in line with the file, and make what only analysts use."""
        self._s3.create_bucket(Bucket=self.of_analysts["MINILAB_RESULTS_BUCKET"])
        workgroup = self.of_analysts["MINILAB_ATHENA_WORKGROUP"]
        groups = self._athena.list_work_groups()["WorkGroups"]
        if workgroup not in [group["Name"] for group in groups]:
            self._athena.create_work_group(Name=workgroup)
        for role in self._roles.values():
            trust = json.dumps(role.trust)
            try:
                self._iam.create_role(RoleName=role.name, AssumeRolePolicyDocument=trust)
            except self._iam.exceptions.EntityAlreadyExistsException:
                self._iam.update_assume_role_policy(RoleName=role.name, PolicyDocument=trust)
            there = self._iam.list_role_policies(RoleName=role.name)["PolicyNames"]
            for policy in set(there) - role.policies.keys():
                self._iam.delete_role_policy(RoleName=role.name, PolicyName=policy)
            for policy, document in role.policies.items():
                self._iam.put_role_policy(
                    RoleName=role.name, PolicyName=policy, PolicyDocument=json.dumps(document)
                )

    def assume(self, name: str) -> Variables:
        """A new session of a role, as variables.

        Raises:
            MinilabError: there is no such role, or it has not been made for this deployment.
        """
        if name == ADMINISTRATOR:
            return {key: CREDENTIALS[key] for key in _KEYS}
        if (role := self._roles.get(name)) is None:
            raise MinilabError(
                f"There is no role {name!r}.", hint=f"The roles are: {', '.join(self.names)}."
            )
        try:
            self._iam.get_role(RoleName=role.name)
        except self._iam.exceptions.NoSuchEntityException:
            raise MinilabError(
                f"The role {role.name} has not been made in the laptop's IAM.",
                hint="Make it: minilab local up --detach (with this shell's MINILAB_ENV).",
            ) from None
        session = self._sts.assume_role(
            RoleArn=f"arn:aws:iam::{self._account}:role/{role.name}", RoleSessionName=_SESSION
        )["Credentials"]
        keys = {
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        }
        return keys | (self.of_analysts if name == ANALYST else {})


_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
