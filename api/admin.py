"""`allocator admin`: keys, the log and the database of the service, at the machine itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder; ALLOCATOR_DATA or ./allocator-data unless given.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
admin_app = typer.Typer(name="admin", help="Keys, log and database of the service.", no_args_is_help=True)


class RoleName(StrEnum):
    """Roles that can be named; the same as `api.keys.Role`, which needs the database to be imported."""

    HUB = "hub"
    PLANNER = "planner"
    PROVIDER = "provider"
    AUDITOR = "auditor"


@admin_app.command("add-key")
def add_key(
    name: Annotated[str, typer.Argument(help="Who holds it.")],
    role: Annotated[RoleName, typer.Option(help="What it is for.")],
    provider: Annotated[list[str] | None, typer.Option(help="Provider code; may be given more than once.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once."""
    from api import commands
    from api.keys import Role

    commands.add_key(data, name, Role(role.value), provider or [], as_json=as_json)


@admin_app.command("keys")
def list_keys(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List every key: id, role, providers, holder."""
    from api import commands

    commands.list_keys(data, as_json=as_json)


@admin_app.command("revoke-key")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="Its id.")], data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Make a key useless from now on."""
    from api import commands

    commands.drop_key(data, key_id, as_json=as_json)


@admin_app.command("upgrade")
def upgrade(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Bring the database up to this version; `serve` does it too."""
    from api import commands

    commands.upgrade_database(data, as_json=as_json)


@admin_app.command("backup")
def backup(
    out: Annotated[Path, typer.Argument(help="File to write.")], data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Copy the SQLite database while the service runs."""
    from api import commands

    commands.back_up(data, out, as_json=as_json)


@admin_app.command("check-log")
def check_log(
    export: Annotated[Path | None, typer.Argument(help="An exported log; without it the one in the database.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the hash chain of the log; exit 5 where it does not hold."""
    from api import commands

    if export is None:
        commands.check_log(data, as_json=as_json)
    else:
        commands.check_export(export, as_json=as_json)
