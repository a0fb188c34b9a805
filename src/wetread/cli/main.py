"""Commands for the people who run the system."""

from __future__ import annotations

import dataclasses
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from wetread.cli import dicom
from wetread.kit.config import Settings, SettingsError, default_data_folder, load_settings
from wetread.kit.errors import WetreadError
from wetread.security.rules import Role

if TYPE_CHECKING:
    from wetread.app.serve import Supervisor

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Wetread: a PACS and RIS in one system.",
)
user_app = typer.Typer(no_args_is_help=True, help="Accounts: add, list, invite, disable.")
token_app = typer.Typer(no_args_is_help=True, help="API tokens of an account: add, revoke.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit trail: verify its chain.")
store_app = typer.Typer(
    no_args_is_help=True, help="The object stores: list them, move one, read everything again."
)
demo_app = typer.Typer(invoke_without_command=True, help="The demo hospital, and the 3 AM case played in it.")
dicom.add_to(app)
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")
app.add_typer(audit_app, name="audit")
app.add_typer(store_app, name="store")
app.add_typer(demo_app, name="demo")

out = Console()
err = Console(stderr=True)

DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (WETREAD_DATA).")]


def _settings(**overrides: Any) -> Settings:
    try:
        return load_settings(**overrides)
    except SettingsError as error:
        _stop(str(error))


def _stop(message: str) -> NoReturn:
    err.print(message, style="bold red", highlight=False, markup=False)
    raise typer.Exit(2)


def _supervise(settings: Settings, *, demo: bool) -> None:
    from wetread.app.checks import UnsafeSetup
    from wetread.app.logging import configure
    from wetread.app.postgres import PostgresFailed
    from wetread.app.serve import Supervisor
    from wetread.security.service import KeyUnsafe

    configure(settings, "supervisor")
    supervisor = Supervisor(settings)
    try:
        settings = supervisor.prepare()
        if demo:
            _found_demo(settings)
            code = supervisor.run(when_ready=lambda opened: _build_demo(opened, supervisor))
        else:
            code = supervisor.run(when_ready=_announce)
    except (UnsafeSetup, KeyUnsafe, PostgresFailed) as error:
        supervisor.end()
        _stop(str(error))
    raise typer.Exit(code)


@app.command()
def serve(
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    http_port: Annotated[int | None, typer.Option(help="Web and DICOMweb.")] = None,
    dicom_port: Annotated[int | None, typer.Option(help="DICOM node.")] = None,
    hl7_port: Annotated[int | None, typer.Option(help="HL7 over MLLP.")] = None,
    roles: Annotated[str | None, typer.Option(help="web,dicom,hl7,worker: which parts run here.")] = None,
) -> None:
    """Runs the system. On an empty folder it prints a one-time link for the first administrator."""
    _supervise(
        _settings(
            data=data, host=host, http_port=http_port, dicom_port=dicom_port, hl7_port=hl7_port, roles=roles
        ),
        demo=False,
    )


def _announce(settings: Settings) -> None:
    from wetread.app.accounts import first_administrator_link
    from wetread.app.build import build_house

    house = build_house(settings, part="setup")
    try:
        link = first_administrator_link(house)
    finally:
        house.close()
    out.print(f"Wetread is ready at {settings.base_url}", highlight=False)
    if link:
        out.print(f"Make the first administrator, once, within three days:\n  {link}", highlight=False)


@demo_app.callback()
def demo(
    context: typer.Context,
    data: DataOption = None,
    http_port: Annotated[int | None, typer.Option(help="Web and DICOMweb.")] = None,
    dicom_port: Annotated[int | None, typer.Option(help="DICOM node.")] = None,
    hl7_port: Annotated[int | None, typer.Option(help="HL7 over MLLP.")] = None,
) -> None:
    """Runs the demo hospital on this machine alone: invented patients, images made by the program."""
    if context.invoked_subcommand is not None:
        return
    settings = _settings(data=data, http_port=http_port, dicom_port=dicom_port, hl7_port=hl7_port)
    _supervise(
        dataclasses.replace(
            settings, accept_any_loopback_ae=True, mfa_required=False, session_idle_minutes=60
        ),
        demo=True,
    )


def _found_demo(settings: Settings) -> None:
    """What must be there before the doors open: the first order may come at once."""
    from wetread.app.accounts import ensure_demo_accounts
    from wetread.app.build import build_house
    from wetread.app.demo.run import foundations

    house = build_house(settings, part="demo")
    try:
        ensure_demo_accounts(house)
        foundations(house)
    finally:
        house.close()


def _build_demo(settings: Settings, supervisor: Supervisor) -> None:
    import json

    from rich.table import Table

    table = Table("role", "user", "password", title=f"Wetread's demo hospital is open at {settings.base_url}")
    for account in json.loads((settings.data / "demo-credentials.json").read_text()):
        table.add_row(account["role"], account["username"], account["password"])
    out.print(table)
    out.print(
        f"DICOM {settings.ae_title}@{settings.host}:{settings.dicom_port}   HL7 {settings.host}:{settings.hl7_port}"
    )
    out.print(f"Data in {settings.data}. Ctrl-C ends it; it goes on where it stopped.", highlight=False)
    play = f"{_command()} demo stat"
    if settings.data != default_data_folder():
        play += f" --data {shlex.quote(str(settings.data))}"
    out.print(f"Play the 3 AM case from another terminal: {play}", highlight=False, soft_wrap=True)
    supervisor.accompany([sys.executable, "-m", "wetread", "part", "demo"])


def _command() -> str:
    """This program, as it can be called from where it was called."""
    called = sys.argv[0]
    return shlex.quote(called) if Path(called).name == "wetread" else "wetread"


@demo_app.command("stat")
def demo_stat(
    host: str = "127.0.0.1",
    data: DataOption = None,
    dicom_port: Annotated[int | None, typer.Option()] = None,
    hl7_port: Annotated[int | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed plays the same patient.")] = None,
    pace: Annotated[float, typer.Option(help="Seconds between images; 0 for as fast as can be.")] = 0.05,
) -> None:
    """Plays the 3 AM case against the running server: order, worklist, procedure step, images."""
    from wetread.app.demo.stat import run_stat
    from wetread.app.serve import as_served

    settings = as_served(_settings(data=data))
    dicom, hl7 = dicom_port or settings.dicom_port, hl7_port or settings.hl7_port
    raise typer.Exit(run_stat(host, dicom, hl7, settings.ae_title, pace=pace, seed=seed))


@app.command(hidden=True)
def part(name: str, number: int = 1, plain_door: int | None = None, secured_door: int | None = None) -> None:
    """One process of the tree; started by `serve`, which passes the sockets that it opened."""
    settings = _settings()
    if name == "demo":
        from wetread.app.demo.run import build

        # Told to end, it ends its own processes first; what is begun is taken up at the next start.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        raise typer.Exit(build(settings))
    from wetread.app.doors import Doors
    from wetread.app.part import run_part

    run_part(settings, name, Doors.inherited(plain_door, secured_door, first=number == 1))


def _house(data: Path | None) -> Any:
    """The house of a running server (or of a database named in the settings)."""
    from wetread.app.build import build_house
    from wetread.app.postgres import EmbeddedPostgres
    from wetread.app.rooms import MODELS, load
    from wetread.app.serve import as_served

    settings = as_served(_settings(data=data))
    load(MODELS)
    if settings.database_url is None:
        server = EmbeddedPostgres(settings.data)
        if not (settings.data / "postgres").exists() or not server.answers():
            _stop(
                f"No Wetread runs on {settings.data}. Start it with `wetread serve`, or name its folder with --data."
            )
        settings = dataclasses.replace(settings, database_url=server.url)
    return build_house(settings, part="cli")


@user_app.command("add")
def user_add(
    username: str,
    display_name: str,
    role: Annotated[list[Role], typer.Option(help="May be given several times.")],
    data: DataOption = None,
) -> None:
    """Makes an account and prints the one-time link with which its owner sets a password."""
    from wetread.security.service import Actor, create_user

    house = _house(data)
    with house.offices.work(Actor.system("cli")) as work:
        user = create_user(work, username=username, display_name=display_name, roles=role)
        secret = house.identity.invite(work, user.user_pk)
    out.print(f"{house.settings.base_url}/welcome#{secret}", highlight=False, soft_wrap=True)


@user_app.command("list")
def user_list(data: DataOption = None) -> None:
    """Shows every account."""
    from rich.table import Table
    from sqlalchemy import select

    from wetread.security.model import User
    from wetread.security.service import Actor

    house = _house(data)
    table = Table("user", "name", "roles", "authenticator", "state")
    with house.offices.work(Actor.system("cli")) as work:
        for user in work.session.scalars(select(User).order_by(User.username)):
            state = "disabled" if user.disabled else "active" if user.password_hash else "invited"
            table.add_row(
                user.username,
                user.display_name,
                ", ".join(user.roles),
                "yes" if user.totp_secret else "no",
                state,
            )
    out.print(table)


@user_app.command("invite")
def user_invite(
    username: str,
    data: DataOption = None,
    reset_authenticator: Annotated[bool, typer.Option(help="Also forget the authenticator.")] = False,
) -> None:
    """Prints a new one-time link; the old password stays until it is used."""
    from wetread.security.service import Actor, end_sessions

    house = _house(data)
    with house.offices.work(Actor.system("cli")) as work:
        user = _named(work, username)
        if reset_authenticator:
            user.totp_secret = None
            end_sessions(work, user.user_pk)
        secret = house.identity.invite(work, user.user_pk)
    out.print(f"{house.settings.base_url}/welcome#{secret}", highlight=False, soft_wrap=True)


@user_app.command("disable")
def user_disable(username: str, data: DataOption = None) -> None:
    """Closes an account and ends its sessions."""
    from wetread.security.service import Actor, AuditEventID, end_sessions

    house = _house(data)
    with house.offices.work(Actor.system("cli")) as work:
        user = _named(work, username)
        user.disabled = True
        end_sessions(work, user.user_pk)
        work.audit(AuditEventID.SECURITY_ALERT, "U", object_type="user", object_id=user.user_pk)
    out.print(f"{username} is disabled.")


@token_app.command("add")
def token_add(
    username: str,
    label: str,
    scope: Annotated[
        list[str] | None, typer.Option(help="A permission; none means all of the user's.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366)] = 90,
    data: DataOption = None,
) -> None:
    """Makes a bearer token and prints it this once."""
    from wetread.security.service import Actor, create_token

    house = _house(data)
    with house.offices.work(Actor.system("cli")) as work:
        row, secret = create_token(work, _named(work, username).user_pk, label, scope or [], days=days)
        number = row.api_token_pk
    out.print(f"{secret}", highlight=False, soft_wrap=True)
    err.print(f"Token {number}, good for {days} days.")


@token_app.command("revoke")
def token_revoke(number: int, data: DataOption = None) -> None:
    """Ends a token."""
    from wetread.security.model import ApiToken
    from wetread.security.service import Actor, AuditEventID

    house = _house(data)
    with house.offices.work(Actor.system("cli")) as work:
        token = work.session.get(ApiToken, number)
        if token is None:
            _stop("There is no token of that number.")
        token.revoked_at = token.revoked_at or work.now()
        work.audit(AuditEventID.SECURITY_ALERT, "D", object_type="api_token", object_id=number)
    out.print(f"Token {number} is revoked.")


@audit_app.command("verify")
def audit_verify(
    data: DataOption = None,
    head: Annotated[
        str | None,
        typer.Option(help="A head printed earlier and kept elsewhere; it must still be in the chain."),
    ] = None,
) -> None:
    """Walks the whole chain; exit code 1 where it does not hold, naming the first record."""
    from wetread.security.service import verify

    house = _house(data)
    try:
        with house.database.transaction() as session:
            verdict = verify(session, head.strip().lower() if head else None)
    finally:
        house.close()
    if verdict.fault is not None:
        fault = verdict.fault
        record = "" if fault.audit_record_pk is None else f", record {fault.audit_record_pk}"
        err.print(
            f"The chain breaks at seal {fault.seal_number}{record}: {fault.reason}.",
            style="bold red",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(1)
    out.print(f"{verdict.sealed} sealed records hold together; {verdict.waiting} wait for their seal.")
    out.print(f"Head {verdict.head}", highlight=False, soft_wrap=True)


@store_app.command("check")
def store_check(data: DataOption = None) -> None:
    """Reads every stored object again; exit code 1 where one is not what was received, naming each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from wetread.app.wiring import wire
    from wetread.archive.integrity import check_all, integrity, objects_kept
    from wetread.security.service import Actor

    house = _house(data)
    archive = wire(house)
    system = Actor.system("cli")
    try:
        with house.database.transaction() as session:
            count = objects_kept(session)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            bar = progress.add_task("Reading", total=count)
            tally = check_all(archive, lambda now: progress.update(bar, completed=now.objects))
        with house.offices.work(system) as work:
            damaged = integrity(work, limit=1000).damaged
    finally:
        archive.close()
        house.close()
    for one in damaged:
        err.print(
            f"Object {one.stored_object_pk} ({one.role}, study {one.study_pk}): {one.reason}",
            highlight=False,
            soft_wrap=True,
        )
    out.print(f"{tally.objects} objects read again, {tally.damaged} damaged.")
    if damaged:
        raise typer.Exit(1)


@store_app.command("list")
def store_list(
    data: DataOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write, read and remove an object in each bucket.")
    ] = False,
) -> None:
    """The stores, what lies in each, and whether it answers; exit code 1 where one does not."""
    from rich.table import Table

    from wetread.app.wiring import wire
    from wetread.archive.tiering import stores_now
    from wetread.security.service import Actor

    house = _house(data)
    archive = wire(house)
    try:
        with house.offices.work(Actor.system("cli")) as work:
            found = stores_now(work, thorough=check)
    finally:
        archive.close()
        house.close()
    table = Table("Store", "Where", "Objects", "GB", "Free GB", "Takes new", "State")
    for one in found:
        table.add_row(
            one.name,
            one.where,
            f"{one.objects:,}",
            f"{one.bytes / 1e9:,.1f}",
            "" if one.free_bytes is None else f"{one.free_bytes / 1e9:,.1f}",
            "yes" if one.takes_new else "no",
            one.fault or "good",
        )
    out.print(table)
    if any(one.fault for one in found):
        raise typer.Exit(1)


@store_app.command("move")
def store_move(
    from_store: str,
    to_store: str,
    data: DataOption = None,
    mb_per_second: Annotated[
        float | None, typer.Option(min=0.1, help="No faster than that; as fast as it goes without.")
    ] = None,
    watch: Annotated[
        bool, typer.Option(help="Show the progress until the end. The server moves in either case.")
    ] = True,
) -> None:
    """Empties one store into another while the system runs; each copy is read again before the old one goes.

    Ending this command does not end the move; started again, it shows the move that is under way.
    """
    from wetread.app.wiring import wire
    from wetread.archive.moving import list_moves, start_move
    from wetread.security.service import Actor

    house = _house(data)
    archive = wire(house)
    system = Actor.system("cli")
    try:
        with house.offices.work(system) as work:
            standing = [
                one.store_move_pk
                for one in list_moves(work)
                if one.state in ("running", "paused")
                and (one.from_store, one.to_store) == (from_store, to_store)
            ]
        if standing:
            number = standing[0]
        else:
            with house.offices.work(system) as work:
                number = start_move(
                    work,
                    from_store,
                    to_store,
                    bytes_per_second=None if mb_per_second is None else int(mb_per_second * 1e6),
                ).store_move_pk
        out.print(f"Move {number}: {from_store} to {to_store}.")
        if watch:
            _watch_move(house, number)
    except WetreadError as error:
        _stop(" ".join([error.detail, *(f"{one.field} {one.reason}." for one in error.fields)]))
    finally:
        archive.close()
        house.close()


def _watch_move(house: Any, number: int) -> None:
    import time

    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from wetread.archive.model import StoreMove
    from wetread.security.service import Actor, AuditEventID

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("Moving", total=None)
        while True:
            with house.offices.work(Actor.system("cli")) as work:
                work.audit(AuditEventID.APPLICATION_ACTIVITY, "R", object_type="store_move", object_id=number)
                move = work.session.get(StoreMove, number)
                state, fault = move.state, move.last_fault
                done, failed, count = move.bytes, move.failed, move.objects
                total = max(move.bytes_at_start, done)
            progress.update(bar, completed=done, total=total, description=fault or state.capitalize())
            if state != "running":
                break
            time.sleep(1.0)
    out.print(
        f"{state.capitalize()}: {count} objects, {done / 1e9:.2f} GB; {failed} damaged stay where they are."
    )
    if state == "cancelled" or failed:
        raise typer.Exit(1)


@store_app.command("moves")
def store_moves(data: DataOption = None) -> None:
    """Moves from store to store, newest first."""
    from wetread.archive.moving import list_moves
    from wetread.security.service import Actor

    house = _house(data)
    try:
        with house.offices.work(Actor.system("cli")) as work:
            for one in list_moves(work):
                share = 100 if not one.bytes_at_start else min(100, one.bytes * 100 // one.bytes_at_start)
                out.print(
                    f"{one.store_move_pk}  {one.from_store} to {one.to_store}  {one.state}  {share} %"
                    + (f"  {one.last_fault}" if one.last_fault else ""),
                    highlight=False,
                )
    finally:
        house.close()


def _change_move(number: int, state: str, data: Path | None) -> None:
    from wetread.archive.moving import change_move
    from wetread.security.service import Actor

    house = _house(data)
    try:
        with house.offices.work(Actor.system("cli")) as work:
            move = change_move(work, number, state)
            out.print(f"Move {number} is {move.state}.")
    except WetreadError as error:
        _stop(error.detail)
    finally:
        house.close()


@store_app.command("pause")
def store_pause(number: int, data: DataOption = None) -> None:
    """Lets a move rest."""
    _change_move(number, "paused", data)


@store_app.command("resume")
def store_resume(number: int, data: DataOption = None) -> None:
    """Goes on with a move that rests."""
    _change_move(number, "running", data)


@store_app.command("cancel")
def store_cancel(number: int, data: DataOption = None) -> None:
    """Ends a move; what was moved stays moved, and the store takes new objects again."""
    _change_move(number, "cancelled", data)


@app.command()
def openapi() -> None:
    """Prints the description of the HTTP API."""
    from wetread.app.rooms import MODELS, load
    from wetread.app.web import describe

    load(MODELS)
    sys.stdout.buffer.write(describe())


def _named(work: Any, username: str) -> Any:
    from sqlalchemy import select

    from wetread.security.model import User

    user = work.session.scalar(select(User).where(User.username == username.strip().lower()))
    if user is None:
        _stop(f"There is no account named {username}.")
    return user


def main() -> None:
    """The console script."""
    try:
        app()
    except WetreadError as error:
        fields = "; ".join(f"{item.field}: {item.reason}" for item in error.fields)
        err.print(f"{error.detail} {fields}".strip(), style="bold red", highlight=False, markup=False)
        raise SystemExit(2) from None
