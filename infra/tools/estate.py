"""What a deployment consists of, read from the plans of its stacks.

    python -m infra.tools.estate PLANS     write infra/generated/estate.json

``PLANS`` is a folder of ``<stack>.json``, each what ``terraform show -json`` says of a plan that
knows every value (``make infra-test`` leaves one, ``.minilab/plans``). The estate names accounts,
what lies in them, and every way from one account into another that a policy, a share or a
connection opens. It has no ids, so the same plans give the same estate on any cloud.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.tools.plan_json import Resource, listed, policies, resources

ESTATE = Path(__file__).resolve().parents[1] / "generated" / "estate.json"

Plans = Mapping[str, dict[str, Any]]

THINGS = {
    "aws_apigatewayv2_api": ("api", "name"),
    "aws_athena_workgroup": ("workgroup", "name"),
    "aws_cloudtrail": ("trail", "name"),
    "aws_cloudwatch_dashboard": ("dashboard", "dashboard_name"),
    "aws_db_instance": ("database", "identifier"),
    "aws_dynamodb_table": ("table", "name"),
    "aws_ecr_repository": ("repository", "name"),
    "aws_ecs_service": ("service", "name"),
    "aws_ecs_task_definition": ("task", "family"),
    "aws_glue_catalog_database": ("catalog", "name"),
    "aws_lambda_function": ("function", "function_name"),
    "aws_msk_cluster": ("kafka", "cluster_name"),
    "aws_oam_sink": ("sink", "name"),
    "aws_s3_bucket": ("bucket", "bucket"),
    "aws_sns_topic": ("topic", "name"),
    "aws_sqs_queue": ("queue", "name"),
    "aws_vpclattice_service": ("lattice service", "name"),
    "aws_vpclattice_service_network": ("service network", "name"),
}
"""Of each type that is shown: what it is called, and the attribute that has its name."""

COUNTED = {
    "aws_budgets_budget": "budgets",
    "aws_cloudwatch_composite_alarm": "alarms",
    "aws_cloudwatch_metric_alarm": "alarms",
    "aws_kms_key": "keys",
    "aws_organizations_account": "member accounts",
    "aws_organizations_policy": "service control policies",
}
"""What there are too many of to name."""

ECHOES = {"aws_dynamodb_table", "aws_s3_bucket", "aws_sns_topic", "aws_sqs_queue"}
"""These repeat a policy that a resource of its own sets."""

_ORDER = ("kind", "to", "on", "from", "as", "may", "where")

_ROLE = re.compile(r"^arn:[\w-]+:iam::(\d{12}):role/(?:[\w+=,.@/-]*/)?([^/]+)$")
_ROOT = re.compile(r"^arn:[\w-]+:iam::(\d{12}):root$")
_ACCOUNT = re.compile(r"^arn:[\w-]+:[\w-]+:[\w-]*:(\d{12}):")


def estate(plans: Plans) -> dict[str, Any]:
    """Accounts by name with what lies in them, and the ways between them.

    The plan of ``organization`` has to be among them: it knows which id is whose.
    """
    return _Reader(plans).read()


class _Reader:
    """The plans of one environment, and what their ids stand for."""

    def __init__(self, plans: Plans) -> None:
        self._all = [resource for plan in plans.values() for resource in resources(plan)]
        self._environment: str = next(
            plan["variables"]["environment"]["value"]
            for plan in plans.values()
            if "environment" in plan.get("variables", {})
        )
        accounts = self._of("organizations_account")
        named = self._of("organizations_organizational_unit")
        units = {unit.values["id"]: unit.values["name"] for unit in named}
        self._unit = {r.values["name"]: units[r.values["parent_id"]] for r in accounts}
        self._name_of_id: dict[str, str] = {r.values["id"]: r.values["name"] for r in accounts}
        self._units_by_arn = {unit.values["arn"]: unit.values["name"] for unit in named}
        self._aliases = {
            (self._account(r), r.values.get("target_key_id")): r.values["name"]
            for r in self._of("kms_alias")
        }

    def read(self) -> dict[str, Any]:
        names = ["management", *self._unit]
        return {
            "accounts": {name: self._lies_in(name) for name in sorted(names)},
            "ways": sorted(
                [*self._policies(), *self._connections()],
                key=lambda way: [str(way.get(part, "")) for part in _ORDER],
            ),
        }

    # --- what lies where -------------------------------------------------------------------------

    def _lies_in(self, account: str) -> dict[str, Any]:
        here = [resource for resource in self._all if self._account(resource) == account]
        things: dict[str, list[str]] = {}
        counts: dict[str, int] = {}
        for resource in here:
            if resource.type in THINGS:
                kind, attribute = THINGS[resource.type]
                name = self._short(resource.values[attribute])
                things.setdefault(kind, []).append(name + self._public(resource))
            elif resource.type in COUNTED:
                kind = COUNTED[resource.type]
                counts[kind] = counts.get(kind, 0) + 1
        found: dict[str, Any] = {
            "unit": self._unit.get(account),
            "things": {kind: sorted(named) for kind, named in sorted(things.items())},
            "counts": dict(sorted(counts.items())),
            "roles": self._runs_as(here),
        }
        vpcs = [self._vpc(resource, here) for resource in here if resource.type == "aws_vpc"]
        if vpcs:
            (found["vpc"],) = vpcs
        return found

    @staticmethod
    def _public(resource: Resource) -> str:
        reached = resource.type == "aws_apigatewayv2_api"
        reached = reached and not resource.values["disable_execute_api_endpoint"]
        return " (public)" if reached else ""

    def _vpc(self, vpc: Resource, here: list[Resource]) -> dict[str, Any]:
        own = vpc.values["id"]

        def of(kind: str, attribute: str = "vpc_id") -> list[Resource]:
            return [r for r in here if r.type == kind and r.values.get(attribute) == own]

        endpoints: dict[str, list[str]] = {"Gateway": [], "Interface": []}
        for endpoint in of("aws_vpc_endpoint"):
            service = ".".join(endpoint.values["service_name"].split(".")[3:])
            endpoints[endpoint.values["vpc_endpoint_type"]].append(service)
        return {
            "cidr": vpc.values["cidr_block"],
            "zones": sorted(subnet.values["availability_zone"][-1] for subnet in of("aws_subnet")),
            "gateway endpoints": sorted(endpoints["Gateway"]),
            "interface endpoints": sorted(endpoints["Interface"]),
            "in the service network": bool(
                of("aws_vpclattice_service_network_vpc_association", "vpc_identifier")
            ),
        }

    def _runs_as(self, here: list[Resource]) -> dict[str, str]:
        """By role: what runs as it."""
        found = {}
        for resource in here:
            if resource.type == "aws_lambda_function":
                role, what = resource.values["role"], "function"
            elif resource.type == "aws_ecs_task_definition":
                role, what = resource.values["task_role_arn"], "task"
            elif resource.type == "aws_iam_role" and self._for_people(resource):
                role, what = resource.values["arn"], "people"
            else:
                continue
            found[self._short(_matched(_ROLE, role)[2])] = what
        return dict(sorted(found.items()))

    @staticmethod
    def _for_people(role: Resource) -> bool:
        """A role that its own account's people may take."""
        trust = json.loads(role.values["assume_role_policy"])
        own = _matched(_ROLE, role.values["arn"])[1]
        return any(
            "AWS" in statement["Principal"]
            and any(_matched(_ROOT, arn)[1] == own for arn in listed(statement["Principal"]["AWS"]))
            and "aws:PrincipalArn" not in json.dumps(statement.get("Condition", {}))
            for statement in trust["Statement"]
            if isinstance(statement["Principal"], dict)
        )

    # --- ways between accounts -------------------------------------------------------------------

    def _policies(self) -> Iterator[dict[str, Any]]:
        """What a policy on a resource lets another account do with it."""
        for resource in self._all:
            if resource.type in ECHOES:
                continue
            account = self._account(resource)
            for _, policy in policies(resource):
                for statement in policy["Statement"]:
                    if statement["Effect"] != "Allow" or "Principal" not in statement:
                        continue
                    for source, actor in self._let_in(statement):
                        if source != account:
                            yield self._way(resource, statement, source, actor)

    def _let_in(self, statement: dict[str, Any]) -> list[tuple[str, str]]:
        """Accounts and roles that a statement lets in; a service, by whose resource it acts."""
        conditions = {
            key: listed(value)
            for operator, keys in statement.get("Condition", {}).items()
            if "Not" not in operator
            for key, value in keys.items()
        }
        principal = statement["Principal"]
        by_role = [
            (self._name_of(found[1]), self._short(found[2]))
            for arn in conditions.get("aws:PrincipalArn", [])
            if (found := _ROLE.match(arn))
        ]
        if by_role:
            return by_role
        if principal == "*":
            return []
        if "AWS" in principal:
            return [
                (self._name_of(_matched(_ROOT, arn)[1]), "") for arn in listed(principal["AWS"])
            ]
        sources = [
            found[1]
            for arn in conditions.get("aws:SourceArn", [])
            if (found := _ACCOUNT.match(arn))
        ]
        service = str(principal.get("Service", "")).removesuffix(".amazonaws.com")
        return [(self._name_of(source), service) for source in sources]

    def _way(
        self, resource: Resource, statement: dict[str, Any], source: str, actor: str
    ) -> dict[str, Any]:
        kind, name = self._target(resource)
        way = {
            "kind": "policy",
            "from": source,
            "as": actor,
            "to": self._account(resource),
            "on": f"{kind} {name}",
            "may": sorted(listed(statement["Action"])),
        }
        if kind == "lattice service":
            equal = statement["Condition"]["StringEquals"]
            paths = statement["Condition"]["StringLike"]["vpc-lattice-svcs:RequestPath"]
            way |= {
                "kind": "lattice",
                "may": sorted(listed(equal["vpc-lattice-svcs:RequestMethod"])),
                "where": sorted(listed(paths)),
            }
        elif kind == "bucket":
            way["where"] = sorted(
                arn.split(":::")[1].partition("/")[2] for arn in listed(statement["Resource"])
            )
            way["where"] = [re.sub(r"\d{12}|o-\w+", "…", path) for path in way["where"]]
        return way

    def _target(self, resource: Resource) -> tuple[str, str]:
        """What a policy is on."""
        values, account = resource.values, self._account(resource)
        match resource.type:
            case "aws_sqs_queue_policy":
                return "queue", self._short(values["queue_url"].rsplit("/", 1)[1])
            case "aws_s3_bucket_policy":
                return "bucket", self._short(values["bucket"])
            case "aws_kms_key":
                alias = self._aliases.get((account, values.get("key_id")))
                return "key", self._short((alias or values["description"]).removeprefix("alias/"))
            case "aws_dynamodb_resource_policy":
                return "table", self._short(values["resource_arn"].rsplit("/", 1)[1])
            case "aws_glue_resource_policy":
                return "catalog", "minilab"
            case "aws_msk_cluster_policy":
                return "kafka", self._only("aws_msk_cluster", account, "cluster_name")
            case "aws_oam_sink_policy":
                return "sink", self._only("aws_oam_sink", account, "name")
            case "aws_sns_topic_policy":
                return "topic", self._short(values["arn"].rsplit(":", 1)[1])
            case "aws_iam_role":
                return "role", self._short(values["name"])
            case "aws_vpclattice_auth_policy":
                arn = values["resource_identifier"]
                service = next(r for r in self._of("vpclattice_service") if r.values["arn"] == arn)
                return "lattice service", self._short(service.values["name"])
        raise ValueError(f"{resource.address} lets another account in: say what it is on")

    def _connections(self) -> Iterator[dict[str, Any]]:
        """Ways that are resources themselves."""
        for link in self._of("oam_link"):
            sink = next(
                r for r in self._of("oam_sink") if r.values["arn"] == link.values["sink_identifier"]
            )
            yield {
                "kind": "metrics",
                "from": self._account(link),
                "to": self._account(sink),
                "on": f"sink {self._short(sink.values['name'])}",
                "may": sorted(link.values["resource_types"]),
            }
        for connection in self._of("msk_vpc_connection"):
            (cluster,) = self._of("msk_cluster")
            yield {
                "kind": "privatelink",
                "from": self._account(connection),
                "as": "connection",
                "to": self._account(cluster),
                "on": f"kafka {self._short(cluster.values['cluster_name'])}",
                "may": [connection.values["authentication"]],
            }
        for trail in self._of("cloudtrail"):
            (bucket,) = [
                r
                for r in self._of("s3_bucket")
                if r.values["bucket"] == trail.values["s3_bucket_name"]
            ]
            yield {
                "kind": "trail",
                "from": self._account(trail),
                "to": self._account(bucket),
                "on": f"bucket {self._short(bucket.values['bucket'])}",
                "may": ["every account's" if trail.values["is_organization_trail"] else "its own"],
            }
        for share in self._of("ram_principal_association"):
            unit, owner = self._units_by_arn[share.values["principal"]], self._account(share)
            network = self._only("aws_vpclattice_service_network", owner, "name")
            for account, its_unit in self._unit.items():
                if its_unit == unit and account != owner:
                    yield {
                        "kind": "share",
                        "from": account,
                        "to": owner,
                        "on": f"service network {network}",
                        "unit": unit,
                    }

    # --- names ------------------------------------------------------------------------------------

    def _of(self, kind: str) -> list[Resource]:
        return [resource for resource in self._all if resource.type == f"aws_{kind}"]

    def _only(self, kind: str, account: str, attribute: str) -> str:
        (found,) = [r for r in self._all if r.type == kind and self._account(r) == account]
        return self._short(str(found.values[attribute]))

    def _account(self, resource: Resource) -> str:
        alias = resource.provider.partition(".")[2]
        return alias.replace("_", "-") or "management"

    def _name_of(self, account_id: str) -> str:
        return self._name_of_id.get(account_id, "management")

    def _short(self, name: str) -> str:
        """A name without what every name here has."""
        name = re.sub(r"-\d{12}$", "", name)
        return name.removeprefix(f"minilab-{self._environment}-").replace(
            f"minilab-{self._environment}", "minilab"
        )


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.match(text)
    if found is None:
        raise ValueError(f"{text} does not look like {pattern.pattern}")
    return found


def read_plans(folder: Path) -> dict[str, dict[str, Any]]:
    """The plans in a folder, by stack."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def document(plans: Plans) -> str:
    """The text of ``infra/generated/estate.json``."""
    return json.dumps(estate(plans), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    (folder,) = arguments
    ESTATE.write_text(document(read_plans(Path(folder))))
    print(f"written: {ESTATE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
