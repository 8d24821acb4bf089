"""The recorder: every process of a program, nothing else of it changed, nothing lost by a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.packages.settings import ROOT
from tests.support.aws_calls.launch import split
from tests.support.aws_calls.parts import (
    acting_as,
    part_of_modules,
    part_of_process,
    workgroup_module,
)
from tests.support.aws_calls.recording import permissions, read, without_deployment

CALL = """
import boto3
from botocore.stub import Stubber

def call(queue):
    client = boto3.session.Session(region_name="us-east-1").client(
        "sqs", aws_access_key_id="nobody", aws_secret_access_key="nothing"
    )
    url = f"https://sqs.example/1/{queue}"
    with Stubber(client) as stubber:
        stubber.add_response("purge_queue", {}, {"QueueUrl": url})
        client.purge_queue(QueueUrl=url)
"""


def record(folder: Path, *arguments: str, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.aws_calls", "run", str(folder), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def queues(folder: Path) -> list[str]:
    return sorted(call.resource.rpartition(":")[2] for call in read(folder))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "caller.py").write_text(CALL)
    (tmp_path / "as_module.py").write_text("from caller import call\ncall('module')\n")
    (tmp_path / "as_script.py").write_text(
        "import sys\nfrom caller import call\ncall(sys.argv[1])\n"
    )
    return tmp_path


def test_children_are_recorded_however_python_starts_them(program: Path) -> None:
    (program / "main.py").write_text(
        "import multiprocessing, os, subprocess, sys, threading\n"
        "from caller import call\n"
        "def python(*arguments):\n"
        "    subprocess.run([sys.executable, *arguments], check=True)\n"
        "if __name__ == '__main__':\n"
        "    call('itself')\n"
        "    threading.Thread(target=call, args=['thread']).start()\n"
        "    python('-c', 'from caller import call; call(\"code\")')\n"
        "    python('-u', '-Wignore', '-m', 'as_module')\n"
        "    python('as_script.py', 'script')\n"
        "    python('-c', 'import subprocess, sys;'\n"
        '        \'subprocess.run([sys.executable, "as_script.py", "grandchild"], check=True)\')\n'
        "    for method in ('fork', 'spawn', 'forkserver'):\n"
        "        context = multiprocessing.get_context(method)\n"
        "        child = context.Process(target=call, args=[method])\n"
        "        child.start(); child.join()\n"
        "        assert child.exitcode == 0\n"
    )
    record(program / "calls", "main.py", cwd=program)
    by_command = ["code", "grandchild", "itself", "module", "script", "thread"]
    assert queues(program / "calls") == sorted([*by_command, "fork", "spawn", "forkserver"])
    assert set(read(program / "calls").values()) == {1}


def test_a_killed_process_leaves_what_it_did(program: Path) -> None:
    (program / "main.py").write_text(
        "import os, signal\n"
        "from caller import call\n"
        "call('before')\n"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )
    with pytest.raises(AssertionError):
        record(program / "calls", "main.py", cwd=program)
    assert queues(program / "calls") == ["before"]


def test_calls_are_counted(program: Path) -> None:
    (program / "main.py").write_text(
        "from caller import call\nfor _ in range(25): call('often')\ncall('once')\n"
    )
    record(program / "calls", "main.py", cwd=program, MINILAB_ENV="t1")
    assert {c.resource: n for c, n in read(program / "calls").items()} == {
        "arn:aws:sqs:*:*:often": 25,
        "arn:aws:sqs:*:*:once": 1,
    }


SHOW = (
    "import sys, __main__; print(sys.argv, sys.path[0], __name__, __main__.__name__,"
    " sys.flags.isolated, sys.flags.no_site, sys.flags.optimize, sys.warnoptions,"
    " sorted(sys._xoptions)); {end}"
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", SHOW.format(end="sys.exit(3)"), "a", "-m"],
        ["-u", "-O", "-W", "error", "-X", "dev", "-c", SHOW.format(end="1"), "-c"],
        ["-Wdefault", "-c", SHOW.format(end="1")],
        ["-m", "shown", "-x", "--", "y"],
        ["-Im", "json.tool", "--help"],
        ["-ISc", SHOW.format(end="1")],
        ["-mshown", "z"],
        ["folder/shown_too.py", "-c", "1"],
        ["folder/shown_too.py"],
        ["-P", "folder/shown_too.py"],
        ["-c", "raise SystemExit('said')"],
        ["-c", "import nothing_of_that_name"],
        ["-m", "nothing_of_that_name"],
        ["--version"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_a_recorded_program_finds_everything_as_without(
    tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "folder").mkdir()
    for path in ("shown.py", "folder/shown_too.py"):
        (tmp_path / path).write_text(SHOW.format(end="sys.exit(4)"))
    plain = [sys.executable, *arguments]
    recorded = [sys.executable, "-m", "tests.support.aws_calls", "run", "calls", *arguments]
    results = []
    for command in (plain, recorded):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        results.append((done.returncode, done.stdout, done.stderr.splitlines()[-1:]))
    (code, said, _), (recorded_code, recorded_said, _) = results
    assert (recorded_code, recorded_said) == (code, said)


def test_a_program_from_stdin_runs_unrecorded(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.aws_calls", "run", "calls", "-"]
    done = subprocess.run(
        command,
        input="print('here')",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "here\n"


@pytest.mark.parametrize(
    ("arguments", "options", "command"),
    [
        (["-c", "x", "-u"], [], ["-c", "x", "-u"]),
        (["-uc", "x"], ["-u"], ["-c", "x"]),
        (["-IBm", "a.b", "-c"], ["-IB"], ["-m", "a.b", "-c"]),
        (["-mvenv"], [], ["-m", "venv"]),
        (["-X", "dev", "-W", "error", "a.py"], ["-X", "dev", "-W", "error"], ["a.py"]),
        (["-Xfrozen_modules=off", "a.py"], ["-Xfrozen_modules=off"], ["a.py"]),
        (["-Werror::m.c", "-c", "y"], ["-Werror::m.c"], ["-c", "y"]),
        (["-V"], ["-V"], []),
        ([], [], []),
    ],
)
def test_options_of_python_are_told_from_the_program(
    arguments: list[str], options: list[str], command: list[str]
) -> None:
    assert split(arguments) == (options, command)


@pytest.mark.parametrize(
    ("command", "parent", "part"),
    [
        ("-m minilab.cli process --once", None, "processor"),
        ("-m minilab.cli processes", None, "operator"),
        ("-m minilab.cli land billing", "laptop", "lander"),
        ("-m minilab.cli failed list", None, "operator"),
        ("-m minilab.cli query -", None, "query"),
        ("-m dagster api execute_run {}", "dagster-daemon", "dagster-run"),
        ("-m minilab_local.gateway.server --fd 3", "laptop", "ingest"),
        ("-m minilab_local.aws.server", "laptop", None),
        ("-m minilab_local.supervisor --home x", None, "laptop"),
        ("-m minilab_dagster.run --json", "laptop", "dagster-run"),
        ("-m dagster api grpc --lazy-load-user-code", "dagster-daemon", "dagster-code"),
        ("-m dagster dev -w workspace.yaml", "laptop", "dagster-daemon"),
        ("-m dagster_webserver -w x", "dagster-daemon", "dagster-webserver"),
        ("-c from dbt.cli.main import cli; cli() build", "dagster-run", "dbt"),
        ("-c from multiprocessing.forkserver import main; main()", "dagster-daemon", "dagster-run"),
        ("-c import sys", "processor", "processor"),
        ("-m pytest -n 2", "laptop", None),
    ],
)
def test_a_process_is_known_by_its_command(
    command: str, parent: str | None, part: str | None
) -> None:
    kind, _, rest = command.partition(" ")
    arguments = [kind, rest] if kind == "-c" else [kind, *rest.split(" ")]
    assert part_of_process(arguments, parent) == part


@pytest.mark.parametrize(
    ("modules", "part"),
    [
        ([], "tests"),
        (["minilab.lake.athena"], "library"),
        (["minilab.aws", "minilab.ingest.clients", "minilab.ingest.handler"], "ingest"),
        (["minilab.bus.sqs", "minilab.processing.deliver"], "processor"),
        (["minilab.landing.sqs", "minilab_dagster.defs.raw.assets"], "dagster-run"),
        (["minilab.landing.sqs", "minilab_dagster.defs.raw.sensors"], "dagster-code"),
        (["minilab.landing.store", "minilab.landing.loop", "minilab.cli.land"], "lander"),
        (["minilab_local.athena.store", "minilab_local.aws.app"], "athena"),
        (["minilab_local.athena.store", workgroup_module("minilab-t1")], "athena"),
        (
            ["minilab_local.athena.store", workgroup_module("minilab-t1-analysts")],
            "athena-analysts",
        ),
        (["minilab_local.aws.s3"], "laptop"),
    ],
)
def test_a_call_in_a_test_is_the_part_that_the_test_called(modules: list[str], part: str) -> None:
    assert part_of_modules(modules) == part


def test_a_test_says_whose_part_it_plays() -> None:
    with acting_as("dagster-daemon"):
        assert part_of_modules([]) == part_of_modules(["minilab.cli.query"]) == "dagster-daemon"
    assert part_of_modules([]) == "tests"


def test_what_athena_reads_is_told(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from minilab_local.athena.catalog import Catalog, TableName\n"
        "from minilab_local.athena.store import Realm, Store\n"
        "realm = Realm('123456789012', 'us-east-1', 'http://nowhere')\n"
        "Catalog(realm).table(TableName('t1_raw', 'events'))\n"
        "try: Store(realm).list('minilab-t1-lake', 'raw/')\n"
        "except Exception: pass\n"
    )
    record(tmp_path / "calls", "main.py", cwd=tmp_path, MINILAB_ENV="t1")
    assert {f"{c.service}:{c.operation} {c.resource}" for c in read(tmp_path / "calls")} == {
        "glue:GetTable arn:aws:glue:*:*:table/t1_raw/events",
        "glue:GetDatabase arn:aws:glue:*:*:database/t1_raw",
        "s3:ListObjectsV2 arn:aws:s3:::minilab-${env}-lake",
    }


def test_a_call_in_a_thread_is_of_who_gave_it_the_work(program: Path) -> None:
    """In a test's process; elsewhere the process is the part, whatever its threads."""
    package = program / "minilab" / "ingest"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "handler.py").write_text(
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from caller import call\n"
        "def handle(pool):\n"
        "    pool.submit(call, 'pool').result()\n"
        "    list(pool.map(call, ['map']))\n"
        "    pool.submit(lambda: pool.submit(call, 'nested')).result().result()\n"
        "    thread = threading.Thread(target=call, args=['thread'])\n"
        "    thread.start(); thread.join()\n"
    )
    (program / "test_it.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from caller import call\n"
        "from minilab.ingest.handler import handle\n"
        "def test_it():\n"
        "    with ThreadPoolExecutor(2) as pool:\n"
        "        pool.submit(call, 'own').result()\n"
        "        handle(pool)\n"
        "        pool.submit(call, 'own').result()\n"
    )
    arguments = ("-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(program), "test_it.py")
    record(program / "calls", *arguments, cwd=program, PYTHONPATH=f"{program}:{ROOT}")
    parts = {call.resource.rpartition(":")[2]: call.part for call in read(program / "calls")}
    ingest = dict.fromkeys(("pool", "map", "nested", "thread"), "ingest")
    assert parts == {"own": "tests", **ingest}


def test_the_deployment_is_taken_out_of_names() -> None:
    arn = "arn:aws:sqs:*:*:minilab-t12ab-billing"
    assert without_deployment(arn, "t12ab", "x") == "arn:aws:sqs:*:*:minilab-${env}-billing"
    assert without_deployment(arn, "t1", "x") == arn
    table = "arn:aws:glue:*:*:table/t12ab_raw/events"
    assert without_deployment(table, "dev", "t12ab").endswith("table/${database}_raw/events")


def test_a_recording_becomes_permissions(program: Path) -> None:
    (program / "main.py").write_text("from caller import call\ncall('minilab-t1-ingest.fifo')\n")
    record(program / "calls", "main.py", cwd=program, MINILAB_ENV="t1")
    assert permissions(read(program / "calls")) == {
        "tests": {"sqs:PurgeQueue": {"arn:aws:sqs:*:*:minilab-${env}-ingest.fifo"}}
    }
