"""`rstuf root …`: who signs what, for how long, and what each root before said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf.errors import InvalidInput
from rstuf_cli import proposing
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.losses import LetBack, ask_back
from rstuf_cli.must_go import leaks_document, steps_of_leaks_left, warn_of_enough, warn_of_left
from rstuf_cli.reports import sign
from rstuf_cli.review_document import review_document, root_changes_document
from rstuf_cli.run import Run, run_of
from rstuf_cli.sitting import Sitting, list_review
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.transcript import Transcript, TranscriptFile, refuse_without_result
from rstuf_cli.trusting import expiry, show_field
from rstuf_cli.waiting import dropped_document, tell_dropped
from rstuf_cli.wording import both, count, fingerprint, listed, number, period

EXAMPLES = {
    "root update": """
rstuf root update --add carol --threshold 2
rstuf root update --remove bob --add bob-2   in one root, and one event
rstuf root update --expires 365d --renew-before 60d
rstuf root update --add carol --dry-run      shows it, and opens nothing
rstuf root update --role timestamp --expires 1d
""",
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

_HELP: Final = "rstuf root update --help"
_UNASKED: Final = "--dry-run shows it, and --yes says that it is"
_SHORT: Final = 8
_HARDLY: Final = timedelta(days=1)


class RoleChoice(StrEnum):
    """Roles that an update is about."""

    ROOT = "root"
    TARGETS = "targets"
    SNAPSHOT = "snapshot"
    TIMESTAMP = "timestamp"
    BINS = "bins"


_BY_PEOPLE: Final = (RoleChoice.ROOT, RoleChoice.TARGETS)


def update(
    ctx: typer.Context,
    *,
    role: Annotated[
        RoleChoice,
        typer.Option("--role", metavar="ROLE", help="Whose: root, the default; targets; or for periods any."),
    ] = RoleChoice.ROOT,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="NAME", help="Let this key sign it, too. Repeatable.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="NAME", help="Let this key sign it no more. Repeatable.")
    ] = None,
    threshold: Annotated[
        int | None, typer.Option("--threshold", metavar="N", help="How many of its keys must sign.", min=1)
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="PERIOD", help="How long it lives from when it is signed: 365d.")
    ] = None,
    renew_before: Annotated[
        str | None,
        typer.Option("--renew-before", metavar="PERIOD", help="Renew it when less is left; by default a third."),
    ] = None,
    no_sign: Annotated[
        bool, typer.Option("--no-sign", help="Only open the event; rstuf sign signs it, or bundles do.")
    ] = False,
    let_back: LetBack = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would change, and open nothing.")] = False,
    transcript: TranscriptFile = None,
) -> int:
    """Change who signs root or targets, how many must, and how long roles live.

    You see what the new root changes against the one in force, and are asked; --yes answers beforehand. Then it waits
    for its signatures in an event: the keys that are here sign at once, and once those of both roots have, it is
    published. What the online key signs alone lives for another time from its next version on, without an event. Exit
    code 4 says that it waits.
    """
    run = run_of(ctx)
    changed = rstuf.RootUpdate(
        role=rstuf.RoleName(role.value), add=tuple(add or ()), remove=tuple(remove or ()), threshold=threshold
    )
    keys = bool(changed.add or changed.remove or threshold is not None)
    spans = expires is not None or renew_before is not None
    if not keys and not spans:
        raise UsageFault("nothing is to change: name a key, a threshold or a period", hint=_HELP)
    if role not in _BY_PEOPLE and keys:
        raise UsageFault(f"the online key signs {role}", hint="rstuf key rotate NAME lets another take its place")
    if role is RoleChoice.TARGETS and keys and spans:
        raise UsageFault("change the keys of targets and its periods one after the other", hint=_HELP)
    if not dry_run and keys:
        proposing.refuse_unasked(run, hint=_UNASKED)
    if dry_run:
        refuse_without_result(run, transcript)
    record = Transcript(run, transcript)
    with run.open() as repository:
        if not dry_run:
            repository.events.catch_up()
        periods = _periods(repository, role, expires, renew_before) if spans else None
        if role is not RoleChoice.ROOT and periods is not None:
            return record.end(_set_periods(run, repository, role, periods, dry_run=dry_run))
        changed = rstuf.RootUpdate(changed.role, changed.add, changed.remove, changed.threshold, periods)
        signs = not no_sign
        code = propose(run, repository, changed, keys_sign=signs, dry_run=dry_run, unasked=_UNASKED, let_back=let_back)
    return record.end(code)


def propose(
    run: Run,
    repository: rstuf.Repository,
    update: rstuf.RootUpdate,
    *,
    keys_sign: bool,
    dry_run: bool = False,
    unasked: str = "--yes says that it is",
    let_back: bool = False,
    then: Sequence[Step] = (),
) -> int:
    """Show what an update changes, ask, open its event, sign with the keys that are here, and tell how far it came.

    Args:
        then: what is to be done after it.
    """
    if not dry_run:
        repository.events.take_up()
    proposal = repository.events.propose(update)
    sitting = Sitting.begin(run, repository)
    reviews = [sitting.review(bundle) for bundle in repository.events.preview(proposal)]
    if not dry_run:
        proposing.refuse_unasked(run, hint=unasked)
    if dry_run:
        run.console.document({"opened": False, "reviews": [review_document(review) for review in reviews]})
        for review in reviews:
            list_review(run.console, review)
        run.console.result("nothing was opened: --dry-run")
        return ExitCode.DONE
    for review in reviews:
        sitting.show(review)
    stays = _warn_of_leaks(run, repository, proposal)
    what = "Open and sign" if keys_sign else "Open"
    question = f"{what} {listed([review.event for review in reviews])}?"
    if not proposing.ask_drop(run, repository, proposal.drops) and not proposing.agrees(run, question):
        run.console.note("nothing was changed")
        return ExitCode.REFUSED
    added = [name for each in (update, *update.others) for name in each.add]
    ask_back(run, repository, added, let_back=let_back)
    run.interrupted = f"rstuf event list tells whether {listed([review.event for review in reviews])} waits"
    names = [view.event.name for view in repository.events.open(proposal, drop=bool(proposal.drops))]
    dropped = repository.events.replaced(proposal.drops)
    tell_dropped(run.console, dropped)
    run.keeps(f"{listed(names)}, as far as signed")
    run.interrupted = "rstuf sign does what is left"
    # What targets says must be visible before the root that changes who signs it.
    standing = proposing.sign_here(sitting, reviews[::-1], keys=keys_sign)
    # What was dropped may have been about to take out another key.
    steps = merged([*proposing.steps_of(standing), *then, *(() if then else steps_of_leaks_left(repository))])
    run.console.document(
        {
            "opened": True,
            "events": names,
            "dropped": dropped_document(dropped),
            **proposing.standing_document(standing),
            "reviews": [review_document(review) for review in reviews],
            "leaked": leaks_document(stays),
            "next_steps": steps_document(steps),
        }
    )
    proposing.tell_standing(run.console, standing)
    if proposal.losses:
        warn_of_enough(run.console, repository.status())
    show_steps(run.console, steps, now=SystemClock().now())
    return standing.exit_code


def _warn_of_leaks(run: Run, repository: rstuf.Repository, proposal: rstuf.RootProposal) -> list[rstuf.KeyStatus]:
    """Say which keys that leaked stay, since what takes them out is to be dropped."""
    if not proposal.drops:
        return []
    removed = {keyid for role in proposal.changes.roles.values() for keyid in role.removed}
    return warn_of_left(run.console, repository.status(), proposal.drops, going=removed - proposal.lists)


def _periods(
    repository: rstuf.Repository, role: RoleChoice, expires: str | None, renew_before: str | None
) -> rstuf.Periods:
    before = None if renew_before is None else rstuf.parse_duration(renew_before)
    if expires is not None:
        return rstuf.Periods.of(rstuf.parse_duration(expires), before)
    return rstuf.Periods.of(repository.events.periods(role.value).expires, before)


def _set_periods(
    run: Run, repository: rstuf.Repository, role: RoleChoice, periods: rstuf.Periods, *, dry_run: bool
) -> int:
    before = repository.events.periods(role.value)
    if not dry_run and periods != before:
        repository.events.set_periods(role.value, periods)
    console = run.console
    console.document(
        {
            "opened": False,
            "role": role.value,
            "changed": periods != before and not dry_run,
            "before": _periods_document(before),
            "periods": _periods_document(periods),
        }
    )
    told = f"{_span(before.expires)} → {_span(periods.expires)}"
    if before == periods:
        console.result(f"{role.value} lives for {_span(periods.expires)} already")
        return ExitCode.DONE
    mark = "  " if dry_run else f"{sign(console, ok=True)} "
    console.result(f"{mark}{role.value} lives for {told}, renewed when {_span(periods.renew_before)} are left")
    if dry_run:
        console.result("nothing was changed: --dry-run")
    else:
        console.result("  that holds from its next version on")
        show_steps(console, [Step(f"rstuf renew --force {role.value}", "makes it now")], now=SystemClock().now())
    return ExitCode.DONE


def _periods_document(periods: rstuf.Periods) -> dict[str, str]:
    return {
        "expires": rstuf.format_duration(periods.expires),
        "renew_before": rstuf.format_duration(periods.renew_before),
    }


def _span(duration: timedelta) -> str:
    return period(duration)


# --- looking


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
