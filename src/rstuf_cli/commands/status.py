"""`rstuf status`: one look at a repository, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import iso
from rstuf_cli.at_a_glance import health_in_words
from rstuf_cli.awaiting import key_document, show_waiting_ceremony, waiting_document
from rstuf_cli.console import Console, Style, escape, pad, width_of
from rstuf_cli.exits import ExitCode
from rstuf_cli.must_go import (
    is_of_thief,
    loose_roots_document,
    steps_in_turn,
    steps_of_keys_that_must_go,
    steps_of_loose_roots,
    steps_where_enough_leaked,
)
from rstuf_cli.out_of_reach import steps_of_lost_roles
from rstuf_cli.remedies import move_away, renewal_of, ways_of_loose_root, ways_of_older_state
from rstuf_cli.reports import clock_document, clock_in_words
from rstuf_cli.run import Run, run_of
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.waiting import event_document
from rstuf_cli.waiting_status import (
    goes_for_good,
    rotation_document,
    show_waiting,
    steps_of_dates,
    steps_of_event,
    steps_of_overtaken,
    steps_of_rotation,
    steps_of_unsigned,
    way_for_bins,
)
from rstuf_cli.wording import ago, ahead, bar, count, day, number, size

# A role's line: a mark, then columns with gaps between them, on the narrowest terminal.
_COLUMNS, _MARK, _GAP = 79, 2, 2
_BAR, _SHORTEST = 20, 6
# Seconds between two looks of those who keep looking.
_PAUSE, _LONGEST_PAUSE = 5, 86400
# So many bins are named, and so many delegated roles that are healthy.
_FEW, _MANY = 3, 20
_LONGEST_NAME = 22
# Fewer superseded files, and smaller ones, are in nobody's way.
_MANY_FILES, _MANY_BYTES = 1000, 100_000_000

EXAMPLES = {
    "status": """
rstuf status
rstuf status --check    for monitoring: exit 7 when due, 8 when overdue
rstuf status --json
rstuf status --watch    one screen that is drawn anew, until you press q
"""
}


def status(
    ctx: typer.Context,
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit 7 when a role is due for renewal, 8 when one has expired or is damaged."),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking, on a terminal; q or Ctrl-C ends it.")] = False,
    every: Annotated[
        int | None, typer.Argument(metavar="SECONDS", max=_LONGEST_PAUSE, help="With --watch: how often; 5 by default.")
    ] = None,
) -> int:
    """Show roles, keys and expiry at a glance, and what to do next.

    A bar shows how much of a role's life is left. Reading waits for nobody and changes nothing. While a ceremony waits
    for its signers, it says for whom, and --check exits with 4; with 8 once they cannot sign in time any more.
    """
    run = run_of(ctx)
    if watch or every is not None:
        return _watch(run, check=check, watch=watch, every=_PAUSE if every is None else every)
    with run.open(signing=True) as repository:
        waiting = repository.waiting_ceremony()
        if waiting is not None:
            return _tell_ceremony(run, repository, waiting, check=check)
        seen = repository.status()
    steps = merged(next_steps(seen))
    run.console.document(_document(seen, steps))
    if not run.console.is_json:
        _show(run.console, seen, steps)
    if not check:
        return ExitCode.DONE
    if seen.old_copy is not None:
        return ExitCode.OVERDUE
    if seen.health == rstuf.Health.HEALTHY and any(key.online and key.fault is not None for key in seen.keys):
        return ExitCode.DUE
    codes = {rstuf.Health.HEALTHY: ExitCode.DONE, rstuf.Health.DUE: ExitCode.DUE}
    return codes.get(seen.health, ExitCode.OVERDUE)


def _watch(run: Run, *, check: bool, watch: bool, every: int) -> int:
    from rstuf_cli.failures import UsageFault
    from rstuf_cli.watching import refuse_without_terminal
    from rstuf_cli.watching import watch as keep_drawing

    hint = "rstuf status, or rstuf status --check for monitoring"
    if not watch:
        raise UsageFault(f"{every} seconds between which looks?", hint=f"rstuf status --watch {every}")
    if check or run.console.is_json:
        raise UsageFault("--watch never ends by itself; it goes with neither --check nor --json", hint=hint)
    if every == 0:
        raise UsageFault("--watch needs a number of seconds above 0", hint="rstuf status --watch")
    refuse_without_terminal(hint)

    def draw(console: Console) -> None:
        # Nothing of the repository is held while somebody looks.
        with run.open(signing=True) as repository:
            waiting = repository.waiting_ceremony()
            if waiting is not None:
                show_waiting_ceremony(console, repository.events.repository_name, waiting, repository.view_keys())
                return
            seen = repository.status()
        _show(console, seen, merged(next_steps(seen)))

    # What is wrong from the start is told as ever.
    run.open(signing=True).close()
    keep_drawing(run.console, draw, every=every)
    return ExitCode.DONE


def _tell_ceremony(run: Run, repository: rstuf.Repository, waiting: rstuf.EventView, *, check: bool) -> int:
    name, keys = repository.events.repository_name, repository.view_keys()
    run.console.document(waiting_document(name, waiting, keys))
    if not run.console.is_json:
        show_waiting_ceremony(run.console, name, waiting, keys)
    if not check:
        return ExitCode.DONE
    return ExitCode.OVERDUE if waiting.expired else ExitCode.WAITING


def next_steps(seen: rstuf.Status) -> list[Step]:
    """What to do now, the most urgent first; a command stands there once for each of its reasons."""
    beside = steps_beside_events(seen)
    if seen.old_copy is not None and not is_of_thief(seen):
        return beside
    of_events = [step for view in seen.events for step in steps_of_event(seen, view)]
    return [*beside, *of_events, *steps_in_turn(seen), *steps_where_enough_leaked(seen)]


def steps_beside_events(seen: rstuf.Status) -> list[Step]:
    """The same without what is to be done about each event."""
    clock = (
        [Step("set the clock", f"it {clock_in_words(seen.clock_behind)}", about="clock-behind")]
        if seen.clock_behind
        else []
    )
    if seen.clock_suspicious is not None:
        # What follows is refused until it is set, or vouched for.
        why = f"{seen.clock_suspicious.message}; if it is right, say --accept-clock with what follows"
        clock = [Step("set the clock", why, about="clock-suspicious")]
    rotation = steps_of_rotation(seen) if seen.old_copy is None else []
    return [*clock, *_of_keys(seen), *_of_roles(seen), *rotation]


def _of_keys(seen: rstuf.Status) -> list[Step]:
    """What to do about keys that cannot sign. One that a person keeps may be away for good reasons."""
    if seen.old_copy is not None and seen.old_copy.role == "root":
        # Below a root that is not known here no key is replaced.
        return []
    going = goes_for_good(seen)
    named = next((role.keyids for role in seen.roles if role.name == "timestamp"), ())
    steps = [*steps_of_lost_roles(seen), *steps_of_keys_that_must_go(seen), *steps_of_loose_roots(seen)]
    for key in seen.keys:
        if key.fault is None or not (key.online or key.mend) or key.keyid in going:
            continue
        name = "the online key" if key.online else f"the key {key.name}"
        lost = "; nothing can be published or renewed without it" if key.online else ""
        if key.online and (key.keyid in named or _bridges(seen, key)):
            lost += "" if key.lost else f"; if it is gone for good: rstuf recover online-key {escape(key.name)} --lost"
        signer = key.signer or ""
        away = f"put back {signer.removeprefix('file:')}" if signer.startswith("file:") else f"let {signer} be reached"
        mend = key.mend or away
        if key.lost and key.keyid in named:
            mend, lost = f"rstuf recover online-key {escape(key.name)} --lost", f"{lost}; or, if it is found: {mend}"
        steps.append(Step(mend, f"{name} cannot sign: {key.fault}{lost}", about="key-away"))
    return steps


def _bridges(seen: rstuf.Status, key: rstuf.KeyStatus) -> bool:
    """Whether a key signs because an online key is being replaced in good order, whatever root names."""
    rotation = seen.rotation
    if rotation is None or rotation.kind is not rstuf.RotationKind.PLANNED or rotation.is_over(seen.now):
        return False
    return key.keyid in {rotation.old, rotation.new}


def _of_roles(seen: rstuf.Status) -> list[Step]:
    if seen.old_copy is not None and seen.old_copy.event is not None:
        return ways_of_loose_root(seen.old_copy.message)
    if seen.old_copy is not None:
        return [] if is_of_thief(seen) else ways_of_older_state(seen.old_copy.role, seen.old_copy.message)
    steps = []
    damaged = [role for role in seen.roles if role.health == rstuf.Health.DAMAGED]
    steps += move_away(seen.in_the_way)
    if any(not each.directory for each in seen.in_the_way):
        damaged = [role for role in damaged if role.name != "root"]
    if damaged and not seen.interrupted and seen.publishing is None:
        lost, bins = [role.name for role in damaged if not role.lost], [name for role in damaged for name in role.lost]
        # A lost timestamp could have been anything: publishing over it is for a person to decide.
        mend = "rstuf renew --force timestamp" if "timestamp" in lost else renewal_of(bins)
        lost += bins if len(bins) <= _FEW else [f"{number(len(bins))} bins"]
        why = f"clients cannot read {', '.join(lost)}: missing or changed; rstuf verify says more"
        steps.append(Step(mend, why, about="damaged"))
    steps += steps_of_dates(seen)
    if seen.rebuilt:
        why = "the state was made anew, and clients may have seen more than it has: signs everything far above that"
        steps.append(Step("rstuf renew", why, about="rebuilt"))
    steps += [*steps_of_unsigned(seen), *steps_of_overtaken(seen)]
    if seen.interrupted:
        why = "a publication was interrupted; this brings it to its end"
        steps.append(Step("rstuf publish", why, about="interrupted"))
    elif seen.pending_roles and seen.publishing is None:
        why, way = f"changes in {count(seen.pending_roles, 'role')} are not visible yet", way_for_bins(seen)
        command, why = ("rstuf publish", why) if way is None else (way[0], f"{why}; {way[1]}")
        steps.append(Step(command, why, about="pending"))
    if seen.prunable >= _MANY_FILES or seen.prunable_length >= _MANY_BYTES:
        why = f"{count(seen.prunable, 'metadata file')}, {size(seen.prunable_length)}, that no client needs any more"
        steps.append(Step("rstuf prune", why, about="prunable"))
    return steps


def _document(seen: rstuf.Status, steps: list[Step]) -> dict[str, Any]:
    return {
        "repository": seen.repository,
        "state": str(seen.health),
        "now": iso(seen.clock_behind.now if seen.clock_behind is not None else seen.now),
        "artifacts": seen.artifacts,
        "bins": seen.bins,
        "roles": [_role_document(role) for role in seen.roles],
        "keys": {key.keyid: key.name for key in seen.keys},
        "signers": [key_document(key) for key in seen.keys],
        "pending": seen.pending_roles,
        "interrupted": seen.interrupted,
        **({"publishing": seen.publishing} if seen.publishing is not None else {}),
        **({"clock_behind": clock_document(seen.clock_behind)} if seen.clock_behind is not None else {}),
        **({"old_copy": seen.old_copy.message} if seen.old_copy is not None else {}),
        "timestamp_version": seen.timestamp_version,
        **({"root": {"version": 1, "sha256": seen.first_root}} if seen.first_root is not None else {}),
        "last_published": iso(seen.last_published) if seen.last_published is not None else None,
        "events": [event_document(view) for view in seen.events],
        "rotation": None if seen.rotation is None else rotation_document(seen, seen.rotation),
        "unsigned_targets": seen.unsigned_targets,
        "overtaken": list(seen.overtaken),
        "loose_roots": loose_roots_document(seen),
        "root_lost": list(seen.root_lost),
        "prunable": {"files": seen.prunable, "bytes": seen.prunable_length},
        "next_steps": steps_document(steps),
    }


def _role_document(role: rstuf.RoleStatus) -> dict[str, Any]:
    return {
        "name": role.name,
        "kind": str(role.kind),
        **({"delegated_by": role.parent} if role.parent is not None else {}),
        "version": role.version,
        "count": role.count,
        "state": str(role.health),
        "signed_at": iso(role.signed_at),
        "expires": iso(role.expires),
        "sign_by": iso(role.sign_by),
        "threshold": role.threshold,
        "keyids": list(role.keyids),
        "signed_by": list(role.signed_by),
        **({"lost": list(role.lost)} if role.lost else {}),
        **({"keys_lost": list(role.beyond.lost)} if role.beyond is not None else {}),
        **({"elsewhere": True} if role.elsewhere is not None else {}),
    }


def _show(console: Console, seen: rstuf.Status, steps: list[Step]) -> None:
    things = {0: "", 1: ", one thing to do"}.get(len(steps), f", {len(steps)} things to do")
    health = console.paint(*health_in_words(seen))
    head = f"{console.paint(escape(seen.repository), Style.STRONG)}  ·  {count(seen.artifacts, 'artifact')}"
    where = f" in {count(seen.bins, 'bin')}" if seen.bins else ""
    console.line(f"{head}{where}  ·  {health}{things}")
    console.line()
    _show_roles(console, seen)
    console.line()
    if seen.last_published is not None:
        when = ago(seen.last_published, seen.now)
        console.line(
            f"  published {when}, {day(seen.last_published, seen.now)}, as timestamp v{number(seen.timestamp_version)}"
        )
        if seen.first_root is not None:
            # What the ceremony told to give to clients: whoever did not write it down finds it here.
            console.line(f"  root v1 is {seen.first_root}")
    _show_keys_away(console, seen)
    if seen.publishing is not None:
        for part in console.folded(f"  {escape(seen.publishing)}, is publishing now", indent=4):
            console.line(part)
    show_waiting(console, seen)
    soonest = min(role.sign_by for role in seen.roles)
    if seen.rotation is not None and seen.rotation.until is not None and seen.rotation.is_bridged(seen.now):
        soonest = min(soonest, seen.rotation.until)
    renews = any(step.command.startswith("rstuf renew") for step in steps)
    if soonest > seen.now and not renews and seen.health != rstuf.Health.DAMAGED and seen.old_copy is None:
        console.line(f"  rstuf renew has nothing to do before {day(soonest, seen.now)} ({ahead(soonest, seen.now)})")
    show_steps(console, steps, now=seen.now)


def _show_keys_away(console: Console, seen: rstuf.Status) -> None:
    """Keys of people that are not where the state has them; those of which there is something to do are told there."""
    for key in seen.keys:
        if key.needed and key.fault is not None and not key.online and key.mend is None:
            for part in console.folded(f"  not here: {escape(key.name)}, {escape(key.fault)}", indent=4):
                console.line(part)


def _show_roles(console: Console, seen: rstuf.Status) -> None:
    online = next((role.keyids for role in seen.roles if role.name == "timestamp"), ())
    roles, left_out = _worth_showing(seen.roles)
    names = _names(roles)
    rows = [_row(role, seen.now, online, name=names[role], bar_width=_BAR) for role in roles]
    widths = _widths(rows)
    over = _MARK + sum(widths) + _GAP * (len(widths) - 1) - _COLUMNS
    if over > 0:
        # Versions and keys take what room they need; the bars give it.
        short = max(_SHORTEST, _BAR - over)
        rows = [_row(role, seen.now, online, name=names[role], bar_width=short) for role in roles]
    for role, (name, version, keys, drawn, relative, absolute) in zip(roles, rows, strict=True):
        style = {rstuf.Health.HEALTHY: Style.GOOD, rstuf.Health.DUE: Style.WARN}.get(role.health, Style.BAD)
        mark = {rstuf.Health.HEALTHY: " ", rstuf.Health.DUE: console.paint("!", style)}.get(role.health)
        head = f"{mark or console.paint('✗', style)} {pad(name, widths[0])}  {version:>{widths[1]}}"
        life = f"{console.paint(drawn, style)}  {pad(relative, widths[4])}  {absolute}"
        console.line(f"{head}  {pad(keys, widths[2])}  {life}")
    if left_out:
        console.line(f"  and {count(left_out, 'delegated role')} more, healthy; --json lists them")


def _worth_showing(roles: Sequence[rstuf.RoleStatus]) -> tuple[list[rstuf.RoleStatus], int]:
    """Every role, but of many delegated ones that are healthy the first; and how many are left out."""
    healthy = [role for role in roles if role.parent is not None and role.health == rstuf.Health.HEALTHY]
    out = set(healthy[_MANY:]) if len(healthy) > _MANY + 1 else set()
    return [role for role in roles if role not in out], len(out)


def _names(roles: Sequence[rstuf.RoleStatus]) -> dict[rstuf.RoleStatus, str]:
    """What roles are called, those below others further in; of bins that are together, the soonest stands there."""
    bins = [role for role in roles if role.kind == rstuf.RoleKind.BIN]
    found = {}
    for role in roles:
        name = "  " * role.depth + escape(role.name)
        if role.kind == rstuf.RoleKind.BIN:
            name = "soonest bin" if len(bins) == 1 else "  " * role.depth + f"{escape(role.name)}-*"
        found[role] = name if width_of(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return found


def _widths(rows: list[tuple[str, ...]]) -> list[int]:
    return [max(width_of(row[column]) for row in rows) for column in range(len(rows[0]))]


def _row(
    role: rstuf.RoleStatus, now: datetime, online: tuple[str, ...], *, name: str, bar_width: int
) -> tuple[str, ...]:
    life = (role.expires - role.signed_at).total_seconds()
    left = (role.expires - now).total_seconds()
    keys = "online" if role.keyids == online else f"{role.threshold} of {count(len(role.keyids), 'key')}"
    relative = ahead(role.expires, now)
    return (
        name,
        "" if role.count > 1 else f"v{number(role.version)}",
        keys,
        bar(left / life if life > 0 else 0.0, width=bar_width),
        relative,
        day(role.expires, now),
    )
