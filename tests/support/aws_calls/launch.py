"""Starts a Python program as ``python`` would, recorded; and what it starts is recorded too.

``sys.executable`` is how Python programs start each other (multiprocessing, Dagster, xdist, the
laptop's own supervisor). In a recorded process it names a script, ``FOLDER/bin/python``, that calls
this file with what would be Python's arguments:

    launch.py FOLDER REAL_PYTHON PARENT [option]... (-c CODE | -m MODULE | SCRIPT) [argument]...

Programs started by another name are not recorded. Run as a file, so that it works under ``-I`` and
``-S`` as well; nothing but the standard library is imported.
"""

from __future__ import annotations

import builtins
import os
import runpy
import shlex
import sys
import types
from pathlib import Path

_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Python's own options, and the command: ``-c CODE …``, ``-m MODULE …`` or ``SCRIPT …``.

    ``-Im MODULE`` is ``-I`` and ``-m MODULE``. The command is empty where there is none (a prompt,
    ``--version``, a program on stdin).
    """
    options: list[str] = []
    rest = list(arguments)
    while rest:
        first = rest[0]
        if first == "-" or not first.startswith("-"):
            return options, rest if first != "-" else []
        rest.pop(0)
        letters = first[1:]
        for kind in "cm":
            before, found, after = letters.partition(kind)
            if found and before.isalpha() | (not before) and not set(before) & set("WX"):
                if before:
                    options.append(f"-{before}")
                return options, [f"-{kind}", *([after] if after else []), *rest]
        options.append(first)
        if first in _WITH_VALUE and rest:
            options.append(rest.pop(0))
    return options, []


def python_script(folder: Path, real: str, part: str | None) -> str:
    """Write the script that children are started by; those of one part share it.

    Beside it stand the programs that are installed beside the real Python.
    """
    bin_folder = folder / "bin" / (part or "by-module")
    bin_folder.mkdir(parents=True, exist_ok=True)
    script = bin_folder / "python"
    command = [real, str(Path(__file__).resolve()), str(folder), real, part or ""]
    text = f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n'
    if not script.exists() or script.read_text() != text:
        fresh = bin_folder / f".python-{os.getpid()}"
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(script)
        for program in Path(real).parent.iterdir():
            link = bin_folder / program.name
            if not program.name.startswith("python") and not link.is_symlink():
                try:
                    link.symlink_to(program)
                except FileExistsError:
                    continue  # another process was faster
    return str(script)


def launch(folder: Path, real: str, parent: str | None, arguments: list[str]) -> None:
    """Become the program that ``python ARGUMENTS`` would be."""
    options, command = split(arguments)
    if not command:
        os.execv(real, [real, *arguments])
    if options:  # Python takes them only at its start
        here = str(Path(__file__).resolve())
        os.execv(real, [real, *options, here, str(folder), real, parent or "", *command])
    _record(folder, real, parent, command)
    _run(command)


def _record(folder: Path, real: str, parent: str | None, command: list[str]) -> None:
    root = str(Path(__file__).resolve().parents[3])
    sys.path.insert(0, root)
    from tests.support.aws_calls.parts import part_of_process
    from tests.support.aws_calls.record import start_recording

    sys.path.remove(root)
    part = part_of_process(command, parent)
    start_recording(folder, part)
    sys.executable = python_script(folder, real, part)


def _run(command: list[str]) -> None:
    """As Python starts a program: with its ``sys.path``, ``sys.argv`` and ``__main__``."""
    if not sys.flags.safe_path:
        sys.path.pop(0)  # the folder of this file
    match command:
        case ["-c", code, *rest]:
            _prepend("")
            sys.argv = ["-c", *rest]
            main = types.ModuleType("__main__")
            main.__dict__["__builtins__"] = builtins
            sys.modules["__main__"] = main
            exec(compile(code, "<string>", "exec"), main.__dict__)
        case ["-m", module, *rest]:
            _prepend(str(Path.cwd()))
            sys.argv = [module, *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *rest]:
            _prepend(str(Path(script).resolve().parent))
            sys.argv = [script, *rest]
            runpy.run_path(script, run_name="__main__")


def _prepend(folder: str) -> None:
    if not sys.flags.safe_path:
        sys.path.insert(0, folder)


if __name__ == "__main__":
    _folder, _real, _parent, *_arguments = sys.argv[1:]
    launch(Path(_folder), _real, _parent or None, _arguments)
