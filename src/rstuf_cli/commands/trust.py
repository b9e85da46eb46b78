"""`rstuf trust add, list, show, remove`: the roots that a person pinned, from which all downloads are verified."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import FingerprintDiffers, InvalidFingerprint
from rstuf_cli import prompts
from rstuf_cli.console import Console, Style, Verbosity, escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import read_small
from rstuf_cli.reports import sign
from rstuf_cli.run import run_of
from rstuf_cli.trusting import (
    TrustDir,
    expiry,
    open_store,
    root_document,
    show_field,
    show_fingerprint,
    show_root,
    trusted_document,
)
from rstuf_cli.wording import both, number

_HELP: Final = "rstuf trust add --help"

EXAMPLES = {
    "trust add": """
rstuf trust add acme https://updates.example.org/ --root 1.root.json
rstuf trust add acme https://updates.example.org/ --fingerprint 3f9ac21e…
rstuf trust add acme https://updates.example.org/     asks for the fingerprint
rstuf trust add lab /media/mirror --root 1.root.json --artifacts /media/files
rstuf trust add acme https://mirror.example.org/      from now on there
""",
    "trust list": """
rstuf trust list
""",
    "trust show": """
rstuf trust show acme
rstuf trust show acme --json
""",
    "trust remove": """
rstuf trust remove acme            asks for the name again
rstuf trust remove acme --yes      asks nothing
""",
}

_MAX_ROOT_BYTES = 512_000


def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it: lower-case letters, digits, . _ -")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Where its metadata is: a URL, or a directory.")],
    *,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="FILE", help="The root to pin, as you got it from its publisher.")
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(
            "--fingerprint",
            metavar="TEXT",
            help="The SHA-256 of the root's file, as hex or words. Without --root, "
            "the root is fetched from URL and must have it.",
        ),
    ] = None,
    root_version: Annotated[
        int | None, typer.Option("--root-version", metavar="N", help="Which root to fetch; by default the first.")
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            "--artifacts",
            metavar="URL",
            help="Where contents are; by default at targets/ below URL, or beside a URL that ends in metadata/.",
        ),
    ] = None,
    plain_names: Annotated[
        bool, typer.Option("--plain-names", help="Contents are served without their hash before their name.")
    ] = False,
    trust_dir: TrustDir = None,
) -> None:
    """Pin the root that a repository is verified from.

    All trust begins here, and it cannot begin with the server that is to be verified: have the root's file, or its
    fingerprint, from its publisher by another way. For a name that is trusted already no root is needed: then it is
    looked for at these URLs, from the root that is pinned.
    """
    run = run_of(ctx)
    if root is not None and root_version is not None:
        raise UsageFault("--root-version is of a root to fetch, and --root names a file", hint=_HELP)
    if root_version == 0:
        raise UsageFault("roots are numbered from 1 on", hint=_HELP)
    known, naming = rstuf.trust_name(name), rstuf.Naming.PLAIN if plain_names else None
    wanted = rstuf.parse_fingerprint(fingerprint) if fingerprint is not None else None
    version = root_version if root_version is not None else 1
    store = open_store(run, trust_dir)
    if root is None and wanted is None and root_version is None and known in store.names():
        run.interrupted = f"rstuf trust show {known} tells where it is"
        _tell_moved(run.console, *store.move(known, url, artifacts=artifacts, naming=naming), store)
        return
    if root is not None:
        data, where = read_small(root, limit=_MAX_ROOT_BYTES), str(root)
    elif wanted is None and not prompts.person_is_there():
        raise UsageFault(
            "nothing says which root to trust, and what the server sends cannot",
            hint="name its file, --root FILE, or what its publisher gives as its --fingerprint TEXT",
        )
    else:
        data, where = rstuf.fetch_root(url, version=version), f"root version {version} at {rstuf.shown_place(url)}"
    facts = rstuf.read_root(data)
    if wanted is not None:
        rstuf.check_fingerprint(data, wanted, where=where)
    elif root is None:
        _ask_fingerprint(run.console, data, where)
    run.interrupted = f"rstuf trust list tells whether {known} is trusted"
    trusted = store.add(known, url, root=data, artifacts=artifacts, naming=naming or rstuf.Naming.HASHED)
    run.console.document({**trusted_document(trusted, store.memory(known)), "root": root_document(facts)})
    if not run.console.is_json:
        _tell_added(run.console, trusted, facts)


def _ask_fingerprint(console: Console, data: bytes, where: str) -> None:
    """Let a person type the fingerprint that they were given; the one that was fetched is not shown before.

    Raises:
        FingerprintDiffers: it is another root's.
        InvalidFingerprint: it is none.
    """
    text = (
        f"{where} is there. That proves nothing yet: whoever runs that server, or stands on the way to it, could have "
        "put it there. Its publisher gives its fingerprint elsewhere: in print, on another site, by voice."
    )
    for line in console.fold(escape(text), indent=0):
        console.note(line)
    for remaining in range(prompts.TRIES - 1, -1, -1):
        try:
            rstuf.check_fingerprint(
                data, rstuf.parse_fingerprint(prompts.ask("fingerprint, as hex or words:")), where=where
            )
        except (FingerprintDiffers, InvalidFingerprint) as error:
            # Who is close has mistyped it; who is far off has met another root.
            if not remaining or (isinstance(error, FingerprintDiffers) and not error.is_slip):
                raise
            for line in console.fold(f"! {escape(error.message)}; try again", indent=2):
                console.note(line)
        else:
            return


def _tell_added(console: Console, trusted: rstuf.Trusted, facts: rstuf.RootFacts) -> None:
    now = SystemClock().now()
    console.result(
        f"{sign(console, ok=True)} {trusted.name} is trusted, from root version {number(facts.pin.version)} on"
    )
    console.result("")
    if console.verbosity is not Verbosity.QUIET:
        show_root(console, facts, now)
        _show_places(console, trusted)
    if facts.expires <= now:
        console.note("note:  this root has expired; a newer one must be found where it is looked for")
    console.result("")
    console.result("try next")
    console.result(f"  rstuf download PATH --from {trusted.name}")


def _tell_moved(console: Console, before: rstuf.Trusted, after: rstuf.Trusted, store: rstuf.TrustStore) -> None:
    facts, changed = rstuf.read_root(store.root(after.name)), _changes(before, after)
    console.document(
        {
            **trusted_document(after, store.memory(after.name)),
            "root": root_document(facts),
            "changed": [field for field, _, _ in changed],
        }
    )
    if console.is_json:
        return
    still = f"root version {number(facts.pin.version)} stays what it is trusted by"
    if not changed:
        console.result(f"{sign(console, ok=True)} {after.name} is looked for there already; {still}")
        return
    console.result(f"{sign(console, ok=True)} {after.name} is looked for elsewhere now; {still}")
    console.result("")
    for _, old, new in changed:
        console.folded_result(f"  {old}", indent=4)
        console.folded_result(f"    → {new}", indent=6)


def _changes(before: rstuf.Trusted, after: rstuf.Trusted) -> list[tuple[str, str, str]]:
    """What differs: the field, and how it was and is, for people."""
    naming = {rstuf.Naming.HASHED: "names with their hash", rstuf.Naming.PLAIN: "plain names"}
    both = [
        ("url", *(f"metadata  {escape(rstuf.shown_place(each.url))}" for each in (before, after))),
        ("artifacts", *(f"contents  {escape(rstuf.shown_place(each.artifacts))}" for each in (before, after))),
        ("naming", *(f"contents under {naming[each.naming]}" for each in (before, after))),
    ]
    return [(field, old, new) for field, old, new in both if old != new]


def list_(ctx: typer.Context, *, trust_dir: TrustDir = None) -> None:
    """List the repositories that you trust."""
    run = run_of(ctx)
    store = open_store(run, trust_dir)
    found = [(store.get(name), store.memory(name)) for name in store.names()]
    run.console.document({"repositories": [trusted_document(trusted, memory) for trusted, memory in found]})
    if not found and not run.console.is_json:
        run.console.note("nothing is trusted yet: rstuf trust add NAME URL --root FILE")
    now, width = SystemClock().now(), max((len(trusted.name) for trusted, _ in found), default=0)
    for trusted, memory in found:
        root = memory.roles["root"].version if memory is not None and "root" in memory.roles else trusted.pin.version
        seen = f"seen {both(memory.updated, now)}" if memory is not None else "not seen yet"
        run.console.line(
            f"{trusted.name:<{width}}  root v{number(root)}  {escape(rstuf.shown_place(trusted.url))}  {seen}"
        )


def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called here.")],
    *,
    trust_dir: TrustDir = None,
) -> None:
    """Show a pinned root, and what was seen from it on.

    Nothing is fetched. What was seen last is what no download goes back behind.
    """
    run, known = run_of(ctx), rstuf.trust_name(name)
    store = open_store(run, trust_dir)
    trusted, memory = store.get(known), store.memory(known)
    facts = rstuf.read_root(store.root(known))
    run.console.document({**trusted_document(trusted, memory), "root": root_document(facts)})
    if run.console.is_json:
        return
    console, now = run.console, SystemClock().now()
    console.line(console.paint(trusted.name, Style.STRONG))
    show_field(console, "pinned", f"root version {number(trusted.pin.version)}, {both(trusted.added, now)}")
    show_fingerprint(console, trusted.pin.sha256)
    _show_places(console, trusted)
    if memory is None:
        show_field(console, "seen", "nothing yet; the first download looks")
        return
    show_field(console, "seen", both(memory.updated, now))
    for role, seen in memory.roles.items():
        show_field(console, "", f"{escape(role):<9}  v{number(seen.version)}, {expiry(seen.expires, now)}")


def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called here.")],
    *,
    trust_dir: TrustDir = None,
) -> None:
    """Trust a repository no more, and forget what was seen of it.

    What was downloaded stays. Pinned again, it is met as for the first time: an old state that it was seen beyond would
    be believed. So the name is asked for once more; --yes answers beforehand.
    """
    run, known = run_of(ctx), rstuf.trust_name(name)
    store = open_store(run, trust_dir)
    if known not in store.names():
        store.get(known)
    if not run.options.yes:
        _ask_name(known)
    run.interrupted = f"rstuf trust list tells whether {known} is trusted"
    store.remove(known)
    run.console.document({"name": known, "removed": True})
    run.console.result(f"{sign(run.console, ok=True)} {known} is trusted no more")


def _ask_name(name: str) -> None:
    if not prompts.person_is_there():
        raise UsageFault("there is nobody to ask whether that is meant", hint="--yes says that it is")
    if prompts.ask(f"type {name} to trust it no more:").strip() != name:
        raise UsageFault("that is not its name; nothing was removed", hint="rstuf trust list shows the names")


def _show_places(console: Console, trusted: rstuf.Trusted) -> None:
    show_field(console, "metadata", escape(rstuf.shown_place(trusted.url)))
    plain = ", under plain names" if trusted.naming is rstuf.Naming.PLAIN else ""
    show_field(console, "contents", escape(rstuf.shown_place(trusted.artifacts)) + plain)
