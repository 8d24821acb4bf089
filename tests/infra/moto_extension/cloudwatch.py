"""CloudWatch: metrics of other accounts, and alarms that are made of others."""

from __future__ import annotations

import re

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from .registry import stub

_put_metric_alarm = CloudWatchResponse.put_metric_alarm
_delete_alarms = CloudWatchResponse.delete_alarms


def _named_in(rule: str) -> set[str]:
    """The alarms that a composite alarm's rule names, as ``infra/`` writes it."""
    return set(re.findall(r'ALARM\("([^"]+)"\)', rule))


@stub(CloudWatchResponse, "PutMetricAlarm", "keeps the account that a metric is in")
def put_metric_alarm(self: CloudWatchResponse) -> ActionResult:
    answer = _put_metric_alarm(self)
    alarm = self.cloudwatch_backend.alarms[self._get_param("AlarmName")]
    for query, given in zip(alarm.metric_data_queries, self._get_param("Metrics", []), strict=True):
        query.account_id = given.get("AccountId")  # type: ignore[attr-defined]
    return answer


@stub(CloudWatchResponse, "PutCompositeAlarm", "missing in moto; the alarms of its rule must exist")
def put_composite_alarm(self: CloudWatchResponse) -> ActionResult:
    missing = _named_in(self._get_param("AlarmRule")) - self.cloudwatch_backend.alarms.keys()
    if missing:
        raise ValidationError(f"the alarms {sorted(missing)} in the alarm rule do not exist")
    return _put_metric_alarm(self)


@stub(CloudWatchResponse, "DeleteAlarms", "an alarm in the rule of another stays")
def delete_alarms(self: CloudWatchResponse) -> ActionResult:
    names = set(self._get_param("AlarmNames", []))
    for alarm in self.cloudwatch_backend.alarms.values():
        used = names & _named_in(alarm.rule or "")
        if used and alarm.name not in names:
            raise ValidationError(f"the composite alarm {alarm.name} depends on {sorted(used)}")
    return _delete_alarms(self)
