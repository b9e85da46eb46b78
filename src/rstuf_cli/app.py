"""The program: its commands, its common options, and the one place where errors become text and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer

from rstuf_cli.console import Console, Form, ReaderGone, Verbosity, escape
from rstuf_cli.entry import wants_json
from rstuf_cli.grammar import Verb, program
from rstuf_cli.help import BEGIN, CARE, CLIENT, DAILY
from rstuf_cli.run import Run, run_of
from rstuf_cli.streams import Unwritable

_EPILOG = """
exit codes  0 done, 1 refused or failed, 2 usage, 3 verification failed,
            4 waiting for signatures, 5 locked by another process,
            6 storage or network, 130 interrupted;
            status --check: 7 something is due, 8 overdue
"""

_HOME = "rstuf_cli.commands"
VERBS: Final = (
    Verb(BEGIN, "demo", f"{_HOME}.demo:demo", "make a working repository from nothing, and let a client prove it"),
    Verb(
        BEGIN,
        "ceremony",
        f"{_HOME}.ceremony:ceremony",
        "make a repository of your own: asked step by step, or by a plan",
    ),
    Verb(DAILY, "artifact add", f"{_HOME}.artifact:add", "take files in, sign them and publish"),
    Verb(DAILY, "artifact remove", f"{_HOME}.remove:remove", "remove artifacts, so that clients find them no more"),
    Verb(DAILY, "artifact sync", f"{_HOME}.sync:sync", "make artifacts equal a directory"),
    Verb(DAILY, "artifact list", f"{_HOME}.artifact:list_", "list artifacts by path: length in bytes, state, path"),
    Verb(DAILY, "artifact show", f"{_HOME}.artifact:show", "show all that is signed of one artifact"),
    Verb(
        DAILY,
        "artifact why",
        f"{_HOME}.why:why",
        "explain which role is responsible for a path, and what clients find",
    ),
    Verb(DAILY, "artifact import", f"{_HOME}.artifact:import_", "take in artifacts by their records, however many"),
    Verb(DAILY, "artifact export", f"{_HOME}.export:export", "write records of artifacts, which artifact import reads"),
    Verb(DAILY, "publish", f"{_HOME}.publish:publish", "make accepted changes visible to clients, all at once"),
    Verb(CARE, "key generate", f"{_HOME}.generate:generate", "make a key pair of your own"),
    Verb(CARE, "key list", f"{_HOME}.key:list_", "list keys: what each signs, and where it is"),
    Verb(CARE, "key find", f"{_HOME}.find:find", "find keys that could sign from here: in files, agents and tokens"),
    Verb(CARE, "key show", f"{_HOME}.key:show", "show a key's fingerprint, to compare or read aloud"),
    Verb(CARE, "key add", f"{_HOME}.key:add", "let a key be known by a name, or say where it is now"),
    Verb(CARE, "key export", f"{_HOME}.key:export", "write a key's public half, for whoever needs it"),
    Verb(CARE, "sign", f"{_HOME}.sign:sign", "sign what waits for you, once you have seen what it changes"),
    Verb(CARE, "event list", f"{_HOME}.event:list_", "list what waits for signatures, the oldest first"),
    Verb(
        CARE,
        "event show",
        f"{_HOME}.event:show",
        "show who must sign something that waits, who has, and what to do next",
    ),
    Verb(CARE, "event cancel", f"{_HOME}.event:cancel", "drop something that waits, with the signatures that it has"),
    Verb(
        CARE,
        "key rotate",
        f"{_HOME}.rotate:rotate",
        "let another online key take the place of one, so that no client notices",
    ),
    Verb(CARE, "key revoke", f"{_HOME}.rotate:revoke", "let a key sign nothing any more"),
    Verb(
        CARE,
        "root update",
        f"{_HOME}.root:update",
        "change who signs root or targets, how many must, and how long roles live",
    ),
    Verb(
        CARE, "root show", f"{_HOME}.roots:show", "show a root: how long it lives, who signs what, and its fingerprint"
    ),
    Verb(
        CARE,
        "root history",
        f"{_HOME}.roots:history",
        "list every root: until when it holds or held, and what it changed",
    ),
    Verb(
        CARE, "root diff", f"{_HOME}.roots:diff", "show what a root changed over an earlier one, whatever lies between"
    ),
    Verb(
        CARE,
        "bundle export",
        f"{_HOME}.bundling:export",
        "write what waits for signatures to a file, for a key holder who is away",
    ),
    Verb(CARE, "bundle inspect", f"{_HOME}.bundle:inspect", "show what a bundle would have you sign"),
    Verb(CARE, "bundle sign", f"{_HOME}.bundle:sign", "sign a bundle, once you have seen what it changes"),
    Verb(CARE, "bundle import", f"{_HOME}.bundling:import_", "take signatures in that were made elsewhere"),
    Verb(CARE, "delegation add", f"{_HOME}.delegation:add", "delegate some of the paths to a role of their own"),
    Verb(
        CARE,
        "delegation update",
        f"{_HOME}.delegation:update",
        "let a delegation be for other paths, have other keys, or come at another place",
    ),
    Verb(CARE, "delegation remove", f"{_HOME}.delegation:remove", "delegate to a role no more"),
    Verb(
        CARE, "delegation list", f"{_HOME}.delegation:list_", "list the delegations, in the order in which clients look"
    ),
    Verb(
        CARE,
        "delegation prepare",
        f"{_HOME}.prepare:prepare",
        "make and sign the next version of a role that you may sign, on your own machine",
    ),
    Verb(
        CARE,
        "delegation accept",
        f"{_HOME}.accept:accept",
        "publish a role that somebody signed elsewhere, byte for byte as it is",
    ),
    Verb(CARE, "delegation why", f"{_HOME}.delegation:why", "explain which delegations are for a path"),
    Verb(
        CARE,
        "bins advise",
        f"{_HOME}.bins:advise",
        "compare numbers of bins: what clients download, and which can read",
    ),
    Verb(CARE, "bins resize", f"{_HOME}.bins:resize", "share the artifacts out over another number of bins"),
    Verb(CARE, "status", f"{_HOME}.status:status", "show roles, keys and expiry at a glance, and what to do next"),
    Verb(CARE, "renew", f"{_HOME}.renew:renew", "sign again what is due, before it expires"),
    Verb(CARE, "prune", f"{_HOME}.prune:prune", "remove metadata files that no client needs any more"),
    Verb(
        CARE,
        "recover state",
        f"{_HOME}.recover_state:state",
        "make a state that is lost anew, from what is published",
    ),
    Verb(
        CARE,
        "recover metadata",
        f"{_HOME}.recover_metadata:metadata",
        "bring back what is lost of the metadata, from the state",
    ),
    Verb(CARE, "recover copy", f"{_HOME}.recover:copy", "go on from a copy of the workspace that was put back"),
    Verb(
        CARE,
        "recover online-key",
        f"{_HOME}.recover_keys:online_key",
        "put another key in the place of an online key that is lost or leaked",
    ),
    Verb(
        CARE,
        "recover root-key",
        f"{_HOME}.recover_keys:root_key",
        "put another key in the place of a root key that is lost or leaked, while enough others are left",
    ),
    Verb(
        CARE,
        "recover root-keys",
        f"{_HOME}.recover_keys:root_keys",
        "say what can be done when too many root keys leaked or are lost, and what cannot",
    ),
    Verb(
        CARE,
        "recover loose-root",
        f"{_HOME}.recover_loose_root:loose_root",
        "go on from a root that was proposed here, and that somebody published",
    ),
    Verb(CARE, "recover root", f"{_HOME}.recover_keys:root", "sign a root that has expired, or soon will, for longer"),
    Verb(CARE, "verify", f"{_HOME}.verify:verify", "audit what is published, with the eyes of clients"),
    Verb(CARE, "lint", f"{_HOME}.lint:lint", "say which clients can read a repository, and what keeps others out"),
    Verb(
        CARE, "doctor", f"{_HOME}.doctor:doctor", "say what is wrong with a workspace, whatever it is, and what helps"
    ),
    Verb(
        CARE, "log", f"{_HOME}.log:log", "show who did what and when, the newest last, or check that nobody changed it"
    ),
    Verb(
        CARE,
        "completion",
        f"{_HOME}.completion:completion",
        "print a script that completes commands, options and names",
    ),
    Verb(CLIENT, "trust add", f"{_HOME}.trust:add", "pin the root that a repository is verified from"),
    Verb(CLIENT, "trust list", f"{_HOME}.trust:list_", "list the repositories that you trust"),
    Verb(CLIENT, "trust show", f"{_HOME}.trust:show", "show a pinned root, and what was seen from it on"),
    Verb(CLIENT, "trust remove", f"{_HOME}.trust:remove", "trust a repository no more, and forget what was seen of it"),
    Verb(CLIENT, "map make", f"{_HOME}.map:make", "write a map of repositories, or add a mapping to one"),
    Verb(CLIENT, "map show", f"{_HOME}.map:show", "show which repositories a map names, and for what each is asked"),
    Verb(CLIENT, "map check", f"{_HOME}.map:check", "say whether a map can be relied on, and what to know of it"),
    Verb(
        CLIENT,
        "download",
        f"{_HOME}.download:download",
        "download artifacts, verified from the root that you pinned",
    ),
)
_NOUNS: Final = {
    "artifact": "The files that clients download and verify.",
    "recover": "Ways back, for a repository that something serious has happened to.",
    "key": "Keys: what they sign, where they are, and how to compare them.",
    "event": "What waits for signatures: who has signed, and who is missing.",
    "root": "Who signs what, and for how long: the roots, one after the other.",
    "bundle": "What goes to key holders who are away, and what they sign: files that cross an air gap.",
    "delegation": "Roles with keys of their own, for some of the paths.",
    "bins": "Over how many bins the artifacts are shared out.",
    "map": "Which repositories are asked for what, and how many of them must say the same (TAP 4).",
    "trust": "The roots that you pinned, from which downloads are verified.",
}


def whole_program() -> Any:
    """The tree of commands; each is loaded when it is called."""
    return program(_rstuf, VERBS, nouns=_NOUNS, epilog=_EPILOG)


def main(argv: Sequence[str] | None = None, *, ready: Callable[[], object] = lambda: None) -> int:
    """Run one command line; the process's own by default.

    Args:
        ready: called once Ctrl-C is told of here, whenever it comes.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _fill_standard_descriptors()
    form = Form.JSON if wants_json(arguments) else Form.TEXT
    console = Console(out=sys.stdout, err=sys.stderr, form=form)
    run = Run(console)
    code = _carry_out(run, arguments, ready)
    try:
        console.flush()
    except Unwritable as error:
        # What was not written was not said: that is no success.
        if not code:
            run.keeps("all that the command did; only its answer is lost")
        told = _tell(console, error, run)
        return code or told
    return code


def _rstuf(
    ctx: typer.Context,
    *,
    repo: Annotated[
        str | None,
        typer.Option(
            "--repo", metavar="DIR", help="The workspace: by default RSTUF_REPO, then the nearest one from here up."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write exactly one JSON document on stdout.")] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more; -v -v for tracebacks.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say errors, and what was asked for, alone.")] = False,
    wait: Annotated[
        int, typer.Option("--wait", metavar="SECONDS", max=86400, help="How long to wait for a lock; 60 by default.")
    ] = 60,
    accept_clock: Annotated[
        bool, typer.Option("--accept-clock", help="Vouch for the clock, however far ahead it looks.")
    ] = False,
    passphrase_file: Annotated[
        list[str] | None,
        typer.Option(
            "--passphrase-file", metavar="[KEY=]FILE", help="Where the passphrase of a key, or of all, is; repeatable."
        ),
    ] = None,
    passphrase_fd: Annotated[
        list[str] | None,
        typer.Option("--passphrase-fd", metavar="[KEY=]N", help="The same, from an open descriptor; repeatable."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Answer yes to every question but those for secrets.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Say which rstuf this is.")] = False,
) -> None:
    """A TUF repository from the command line."""
    # The grammar has taken them.
    del repo, json, verbose, quiet, wait, accept_clock, passphrase_file, passphrase_fd, yes
    run = run_of(ctx)
    if version:
        from importlib.metadata import version as version_of

        run.console.line(f"rstuf {version_of('rstuf')}")
        run.console.document({"version": version_of("rstuf")})
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        if run.console.is_json:
            from rstuf_cli.failures import UsageFault

            raise UsageFault("missing command", hint="rstuf --help")
        run.console.page(ctx.get_help())


def _carry_out(run: Run, arguments: Sequence[str], ready: Callable[[], object]) -> int:
    """Parse and run; every way to fail ends here."""
    try:
        try:
            ready()
            command = whole_program()
            with command.make_context("rstuf", list(arguments), obj=run) as context:
                return int(context.command.invoke(context) or 0)
        finally:
            run.close()
    except typer.Exit as stop:
        return stop.exit_code
    except (ReaderGone, BrokenPipeError):
        return 0
    except (KeyboardInterrupt, Exception) as error:
        return _tell(run.console, error, run)


def _tell(console: Console, error: BaseException, run: Run) -> int:
    """Say what went wrong; the exit code. Loaded only when something did."""
    from rstuf.errors import Interrupted
    from rstuf_cli.failures import failure_of, show_failure, usage_failure

    debug = console.verbosity is Verbosity.DEBUG
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else None
        if hasattr(error, "possibilities"):
            from rstuf_cli.suggestions import unknown_option

            failure = failure_of(unknown_option(error, command=command))
        else:
            failure = usage_failure(error.format_message(), command=command)
    elif isinstance(error, KeyboardInterrupt):
        failure = failure_of(Interrupted(run.interruption))
    else:
        if debug:
            console.error([_escaped_traceback(error)])
        failure = failure_of(error, verbose=debug)
    show_failure(console, failure, kept=run.kept, data=run.kept_data)
    return int(failure.exit_code)


def _escaped_traceback(error: BaseException) -> str:
    import traceback

    return "\n".join(escape(line) for line in "".join(traceback.format_exception(error)).splitlines())


def _fill_standard_descriptors() -> None:
    """Put /dev/null where a standard descriptor is closed, so that no file of ours gets its number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
