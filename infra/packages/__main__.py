"""The command line: ``python -m infra.packages``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from infra.packages.build import Built, build_all
from infra.packages.image_locks import image_locks
from infra.packages.settings import ARCHITECTURES, ROOT, Architecture, read_plan
from minilab.errors import MinilabError


@click.group()
def main() -> None:
    """Build what AWS runs of this project."""


@main.command()
@click.argument("names", nargs=-1, metavar="[PACKAGE]...")
@click.option(
    "--architecture", type=click.Choice(ARCHITECTURES), default="arm64", show_default=True
)
@click.option("--python", "python_", help="Another version than packages.toml says.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "dist" / "lambda")
def build(
    names: tuple[str, ...], architecture: Architecture, python_: str | None, out: Path
) -> None:
    """Build the zip of each Lambda function, or of those named, and their manifest.json.

    Example: python -m infra.packages build ingest --architecture x86_64
    """
    plan = read_plan()
    if unknown := set(names) - plan.packages.keys():
        raise click.UsageError(f"No package {', '.join(sorted(unknown))} in packages.toml.")
    specs = [plan.packages[name] for name in names or plan.packages]
    runtime = plan.runtime(architecture, python_)
    try:
        built = build_all(plan, specs, runtime, out)
    except MinilabError as error:
        raise click.ClickException(str(error)) from error
    _tell(built, f"python{runtime.python}, {architecture}: {out}")


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; fail where a file would change.")
def locks(check: bool) -> None:
    """Write the lock file of each container image, from requirements.lock.

    Example: python -m infra.packages locks --check
    """
    try:
        files = image_locks(read_plan())
    except MinilabError as error:
        raise click.ClickException(str(error)) from error
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    if check and stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        raise click.ClickException(f"Not up to date: {names}.\n  → Run make lock.")
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
        click.echo(f"wrote {path.relative_to(ROOT)}")


def _tell(built: list[Built], title: str) -> None:
    table = Table(
        "package", "modules", "distributions", "zipped", "unzipped", "sha256", title=title
    )
    for each in built:
        table.add_row(
            each.contents.spec.name,
            str(len(each.contents.imports.modules)),
            str(len(each.contents.locked)),
            f"{each.archive.zipped / 1e6:.1f} MB",
            f"{each.archive.unzipped / 1e6:.1f} MB",
            each.archive.sha256,
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main(prog_name="python -m infra.packages")
