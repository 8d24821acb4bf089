"""Parliament over policies: ``[[name, policy], …]`` as JSON in, ``[[name, issue, detail], …]`` out.

Run by the Python of the scanners' environment, which has nothing of the project.
"""

from __future__ import annotations

import json
import sys

from parliament import analyze_policy_string

found = [
    [name, finding.issue, str(finding.detail)]
    for name, policy in json.load(sys.stdin)
    for finding in analyze_policy_string(policy).findings
]
json.dump(found, sys.stdout)
