"""`rstuf root show, history, diff`: what the newest root says, and each before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf.errors import InvalidInput
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.review_document import root_changes_document
from rstuf_cli.run import run_of
from rstuf_cli.trusting import expiry, show_field
from rstuf_cli.wording import both, count, fingerprint, listed, number

EXAMPLES = {
    "root show": """
rstuf root show
rstuf root show 1
""",
    "root history": """
rstuf root history
rstuf root history --json
""",
    "root diff": """
rstuf root diff         what the newest root changed
rstuf root diff 2       root v2 beside the newest
rstuf root diff 1 4     any two
""",
}

_SHORT: Final = 8
_HARDLY: Final = timedelta(days=1)

Version = Annotated[int | None, typer.Argument(metavar="[VERSION]", help="Which root; the newest by default.", min=1)]


def show(ctx: typer.Context, *, version: Version = None) -> None:
    """Show a root: how long it lives, who signs what, and its fingerprint."""
    run = run_of(ctx)
    with run.open() as repository:
        version = version or repository.visible_versions().root
        data = _root(repository, version)
        names: Mapping[Any, str] = {entry.keyid: entry.name for entry in repository.keys()}
        newest = repository.visible_versions().root
    facts = rstuf.read_root(data)
    run.console.document(
        {
            "version": facts.pin.version,
            "newest": version == newest,
            "sha256": facts.pin.sha256,
            "words": rstuf.fingerprint_words(facts.pin.sha256),
            "expires": iso(facts.expires),
            "roles": {
                name: {
                    "threshold": role.threshold,
                    "keys": [{"keyid": keyid, "name": names.get(keyid)} for keyid in role.keyids],
                }
                for name, role in facts.roles.items()
            },
        }
    )
    if not run.console.is_json:
        _show(run.console, facts, names, newest=newest)


def _show(console: Console, facts: rstuf.RootFacts, names: Mapping[Any, str], *, newest: int) -> None:
    now, version = SystemClock().now(), facts.pin.version
    rank = "the newest" if version == newest else f"the newest is v{number(newest)}"
    console.line(f"{console.paint(f'root v{number(version)}', Style.STRONG)}  ·  {rank}")
    console.line()
    past = "" if facts.expires > now else "! expired "
    show_field(console, "expires", f"{past}{both(facts.expires, now)}")
    for name, role in facts.roles.items():
        keys = [f"{escape(names.get(keyid, 'unnamed'))} ({fingerprint(keyid[:_SHORT])} …)" for keyid in role.keyids]
        show_field(console, escape(name), f"{role.threshold} of {count(len(keys), 'key')}: {listed(keys)}")
    groups = fingerprint(facts.pin.sha256)
    show_field(console, "sha256", groups[:39])
    show_field(console, "", groups[40:])


def history(ctx: typer.Context) -> None:
    """List every root: until when it holds or held, and what it changed."""
    run = run_of(ctx)
    with run.open() as repository:
        roots = repository.events.roots()
        names: Mapping[Any, str] = {entry.keyid: entry.name for entry in repository.keys()}
    run.console.document(
        {
            "roots": [
                {
                    "version": root.version,
                    "expires": iso(root.changes.expires),
                    "summary": summary_of(root.changes, names),
                    "changes": root_changes_document(root.changes),
                }
                for root in roots
            ]
        }
    )
    now, width = SystemClock().now(), max(len(f"v{root.version}") for root in roots)
    for root in roots:
        head = f"{f'v{root.version}':<{width}}  {expiry(root.changes.expires, now)}"
        run.console.prose(f"{head}  {escape(summary_of(root.changes, names))}", indent=width + 2)


def diff(
    ctx: typer.Context,
    *,
    older: Annotated[
        int | None, typer.Argument(metavar="[A]", help="The older root; the one before B by default.", min=1)
    ] = None,
    newer: Annotated[
        int | None, typer.Argument(metavar="[B]", help="The newer root; the newest by default.", min=1)
    ] = None,
) -> None:
    """Show what a root changed over an earlier one, whatever lies between."""
    run = run_of(ctx)
    with run.open() as repository:
        newer = newer or repository.visible_versions().root
        older = older if older is not None else newer - 1
        changes = repository.events.difference(older, newer)
        names: Mapping[Any, str] = {entry.keyid: entry.name for entry in repository.keys()}
    run.console.document({"from": older or None, "to": newer, **root_changes_document(changes)})
    if not run.console.is_json:
        _show_changes(run.console, changes, names)


def _show_changes(console: Console, changes: rstuf.RootChanges, names: Mapping[Any, str]) -> None:
    now = SystemClock().now()
    before = "nothing" if changes.old_version is None else f"root v{number(changes.old_version)}"
    console.line(console.paint(f"{before} → root v{number(changes.new_version)}", Style.STRONG))
    console.line()
    if changes.expires_before is not None:
        show_field(console, "expires", f"{changes.expires_before:%Y-%m-%d} → {both(changes.expires, now)}")
    else:
        show_field(console, "expires", both(changes.expires, now))
    for name, role in changes.roles.items():
        now_must, kept = f"{role.threshold} of {len(role.keyids)}", len(role.kept) + len(role.removed)
        old_must = now_must if role.threshold_before is None else f"{role.threshold_before} of {kept}"
        must = f"{now_must}, unchanged" if old_must == now_must else f"{old_must} → {now_must}"
        show_field(console, escape(name), must if changes.old_version is not None else now_must)
        for mark, keyids in (("+", role.added), ("-", role.removed)):
            for keyid in keyids:
                show_field(console, "", f"{mark} {escape(names.get(keyid, 'unnamed'))} ({fingerprint(keyid[:16])} …)")
    for line in changes.foreign:
        show_field(console, "not TUF's", escape(line))


def summary_of(changes: rstuf.RootChanges, names: Mapping[Any, str]) -> str:
    """What a root changed, in one line. From outside: whoever shows it escapes it."""
    if changes.old_version is None:
        role = changes.roles[next(iter(changes.roles))]
        return f"the first: {role.threshold} of {count(len(role.keyids), 'key')} sign it"
    parts: dict[str, list[str]] = {}
    for name, role in changes.roles.items():
        said = [f"+ {names.get(keyid, keyid[:_SHORT])}" for keyid in role.added]
        said += [f"- {names.get(keyid, keyid[:_SHORT])}" for keyid in role.removed]
        if role.threshold != role.threshold_before:
            said.append(f"threshold {role.threshold_before} → {role.threshold}")
        if said:
            parts.setdefault(", ".join(said), []).append(name)
    return "; ".join(f"{listed(roles)}: {said}" for said, roles in parts.items()) or _unchanged(changes)


def _unchanged(changes: rstuf.RootChanges) -> str:
    """What a root brings that lets the same keys sign as before."""
    before = changes.expires_before
    if before is None or abs(changes.expires - before) < _HARDLY:
        return "signed again, to expire at about the same time"
    return "signed again, for longer" if changes.expires > before else "signed again, to expire sooner"


def _root(repository: rstuf.Repository, version: int) -> bytes:
    data = repository.root(version)
    if data is None:
        raise InvalidInput(f"there is no root v{version} here", hint="rstuf root history lists them")
    return data
