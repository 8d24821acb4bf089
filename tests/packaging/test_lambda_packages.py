"""Lambda packages: what is in them, that they run alone, and that they are the same each time."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.packages.build import Built, build, build_all, contents_of
from infra.packages.imports import ImportsError, walk
from infra.packages.settings import PackageSpec, Runtime, read_plan
from minilab.errors import MinilabError
from tests.packaging.checkout import copy_checkout

if TYPE_CHECKING:
    from conftest import Lab

PLAN = read_plan()
ARM = PLAN.runtime("arm64")
KAFKA = {"minilab.bus.kafka": "not for a test"}
STAND_IN = PackageSpec("stand-in", "minilab.stand_in.lambda_handler", KAFKA)

# What each handler says to an event that asks nothing of it.
HARMLESS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ingest": (
        {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/v1/health",
            "rawQueryString": "",
            "headers": {"host": "api.example"},
            "requestContext": {
                "requestId": "r-1",
                "stage": "$default",
                "http": {
                    "method": "GET",
                    "path": "/v1/health",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "test",
                },
            },
            "isBase64Encoded": False,
        },
        {"statusCode": 200},
    ),
    "processor": ({"Records": []}, {"batchItemFailures": []}),
}

_INVOKE = """
import importlib, json, sys
module, function, folder, event = sys.argv[1:]
sys.path.insert(0, folder)
sys.dont_write_bytecode = True

class Context:
    function_name, function_version, memory_limit_in_mb = "test", "1", 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:test"
    aws_request_id = "request-1"

    @staticmethod
    def get_remaining_time_in_millis():
        return 30_000

handler = getattr(importlib.import_module(module), function)
answer = handler(json.loads(event), Context())
outside = [
    name for name, module in sys.modules.items()
    if (file := getattr(module, "__file__", None)) and not file.startswith(folder)
    and name.partition(".")[0] not in sys.stdlib_module_names and name != "__main__"
]
print(json.dumps({"answer": answer, "outside": outside}))
"""


def unpack(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


NO_AWS = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
}


def invoke(
    python: str, folder: Path, handler: str, event: object, environ: Mapping[str, str] = NO_AWS
) -> dict[str, Any]:
    """Call a handler in a process that sees nothing but the package and the standard library."""
    module, _, function = handler.rpartition(".")
    done = subprocess.run(
        [python, "-I", "-S", "-c", _INVOKE, module, function, str(folder), json.dumps(event)],
        env={"PATH": os.defpath, "POWERTOOLS_TRACE_DISABLED": "true", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["outside"] == []
    return said["answer"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def stand_in(
    tmp_path_factory: pytest.TempPathFactory, here: tuple[Runtime, str]
) -> tuple[Built, Path, str]:
    """The stand-in's package, built from one checkout: what it is, where, and its interpreter."""
    runtime, python = here
    folder = tmp_path_factory.mktemp("first")
    out = folder / "out"
    out.mkdir()
    return build(PLAN, STAND_IN, runtime, out, copy_checkout(folder / "a")), out, python


def test_a_package_runs_alone(stand_in: tuple[Built, Path, str], tmp_path: Path) -> None:
    built, out, python = stand_in
    folder = unpack(out / built.file, tmp_path / "task")
    answer = invoke(python, folder, STAND_IN.handler, {})
    assert answer["services"] == ["sqs", "dynamodb"]
    assert "product.page_viewed.v1" in answer["contracts"]
    assert "tenants" in answer["tables"]


def test_the_same_checkout_gives_the_same_bytes_anywhere(
    stand_in: tuple[Built, Path, str], here: tuple[Runtime, str], tmp_path: Path
) -> None:
    built, out, _ = stand_in
    root = copy_checkout(tmp_path / "deeper" / "another-name")
    for path in root.rglob("*.py"):  # as if cloned at another time, by someone with another umask
        os.utime(path, (1, 1))
        path.chmod(0o700)
    again = build(PLAN, STAND_IN, here[0], tmp_path, root)
    assert (tmp_path / again.file).read_bytes() == (out / built.file).read_bytes()

    (root / "minilab" / "errors.py").open("a").write("\n# a change\n")
    assert build(PLAN, STAND_IN, here[0], tmp_path, root).archive.sha256 != built.archive.sha256


def test_a_package_holds_nothing_that_never_runs(stand_in: tuple[Built, Path, str]) -> None:
    built, out, _ = stand_in
    with zipfile.ZipFile(out / built.file) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    suffixes = (".pyc", ".pyi", ".c", ".h")
    assert not [n for n in names if n.endswith(suffixes) or "__pycache__" in n or "/tests/" in n]
    info = [n for n in names if ".dist-info/" in n]
    assert {n.rpartition("/")[2] for n in info} == {"METADATA"}
    assert len(info) == len(built.contents.locked)
    described = {n.split("/")[2] for n in names if re.match("botocore/data/[^/]+/", n)}
    assert described == set(built.contents.aws_services)
    own = {n for n in names if n.startswith("minilab/") and n.endswith(".py")}
    assert len(own) == len(built.contents.imports.modules)
    assert "minilab/landing/loop.py" not in own
    assert "minilab/bus/kafka.py" not in own


def test_a_package_for_arm_has_code_for_arm(checkout: Path, tmp_path: Path) -> None:
    built = build(PLAN, STAND_IN, ARM, tmp_path, checkout)
    with zipfile.ZipFile(tmp_path / built.file) as archive:
        compiled = [archive.read(n) for n in archive.namelist() if n.endswith(".so")]
    # ELF: the machine is at byte 18; 183 is AArch64.
    assert {int.from_bytes(content[18:20], "little") for content in compiled} == {183}


def test_the_manifest_says_what_lambda_will_say(
    checkout: Path, here: tuple[Runtime, str], tmp_path: Path
) -> None:
    build_all(PLAN, [STAND_IN], here[0], tmp_path, checkout)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    package = manifest["packages"]["stand-in"]
    content = (tmp_path / package["file"]).read_bytes()
    digest = hashlib.sha256(content)
    assert package["sha256"] == digest.hexdigest()
    assert package["source_code_hash"] == base64.b64encode(digest.digest()).decode()
    assert package["zipped_bytes"] == len(content) < 50 * 1024 * 1024
    assert package["unzipped_bytes"] < 250 * 1024 * 1024
    assert manifest["runtime"] == f"python{here[0].python}"
    lock = (checkout / "requirements.lock").read_text()
    assert all(f"\n{n}=={v} " in lock for n, v in package["distributions"].items())


@pytest.mark.parametrize("statement", ["import pandas", "from pyarrow import parquet"])
def test_nothing_heavy_gets_in(checkout: Path, statement: str) -> None:
    module = checkout / "minilab" / "settings.py"
    module.write_text(f"{module.read_text()}\ndef _heavy():\n    {statement}\n")
    with pytest.raises(MinilabError, match=r"must not hold .*\(for minilab.settings\)"):
        contents_of(PLAN, STAND_IN, ARM, checkout)


def test_what_is_left_out_must_be_there_to_leave_out(checkout: Path) -> None:
    spec = replace(STAND_IN, leave_out={**KAFKA, "minilab.nothing": "no reason"})
    with pytest.raises(MinilabError, match=r"does not import: minilab\.nothing"):
        contents_of(PLAN, spec, ARM, checkout)


def test_what_is_needed_to_import_a_handler_cannot_be_left_out(checkout: Path) -> None:
    with pytest.raises(ImportsError, match=r"minilab\.settings is to be left out, but minilab"):
        walk(checkout, "minilab.stand_in", ["minilab.settings"])


def test_imports_are_followed_as_python_would(tmp_path: Path) -> None:
    files = {
        "app/__init__.py": "",
        "app/main.py": (
            "from typing import TYPE_CHECKING\n"
            "from . import near\n"
            "from app.sub import inner, NAME\n"
            "if TYPE_CHECKING:\n    import for_types\nelse:\n    import not_for_types\n"
            "def later():\n    import importlib\n    importlib.import_module('app.named')\n"
        ),
        "app/near.py": "import os.path, others.deep\nFILE = 'near.json'",
        "app/near.json": "{}",
        "app/named.py": "def f(): from . import lazy",
        "app/lazy.py": "x = lambda: client('sqs', 1)",
        "app/sub/__init__.py": "NAME = 'no file.txt'",
        "app/sub/inner.py": "from ..unused_alias import thing",
        "app/unused_alias.py": "thing = 1",
        "app/never.py": "import forgotten",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = walk(tmp_path, "app.main")
    assert sorted(found.modules) == [
        *("app", "app.lazy", "app.main", "app.named", "app.near"),
        *("app.sub", "app.sub.inner", "app.unused_alias"),
    ]
    assert found.foreign == {"others": "app.near", "not_for_types": "app.main"}
    assert [path.name for path in found.data_files] == ["near.json"]
    assert found.aws_services == ["sqs"]


def test_a_module_named_by_a_computed_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import importlib\nimportlib.import_module('a' + 'b')\n")
    with pytest.raises(ImportsError, match=r"app\.py:2 imports a module by a name"):
        walk(tmp_path, "app")


@pytest.mark.parametrize("name", sorted(PLAN.packages))
def test_each_function_answers_from_its_package_alone(
    name: str, here: tuple[Runtime, str], tmp_path: Path, lab: Lab
) -> None:
    spec = PLAN.packages[name]
    names = ("AWS_", "MINILAB_")
    environ = {k: v for k, v in lab.environ.items() if k.startswith(names)}
    runtime, python = here
    built = build(PLAN, spec, runtime, tmp_path)
    folder = unpack(tmp_path / built.file, tmp_path / "task")
    event, expected = HARMLESS[name]
    answer = invoke(python, folder, spec.handler, event, environ)
    assert expected.items() <= answer.items()


@pytest.mark.parametrize("name", sorted(PLAN.packages))
def test_each_function_holds_nothing_heavy(name: str) -> None:
    spec = PLAN.packages[name]
    contents = contents_of(PLAN, spec, ARM)
    heavy = {"pandas", "pyarrow", "numpy", "dagster", "awswrangler"}
    assert not heavy & {entry.name for entry in contents.locked}
    assert not [m for m in contents.imports.modules if m.startswith("minilab.cli")]
