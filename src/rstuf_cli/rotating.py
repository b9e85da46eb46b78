"""Another online key: made where the old one lies, let in by a new root, and told of however far it came."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import rstuf
from rstuf.errors import SigningError
from rstuf_cli import proposing
from rstuf_cli.console import escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.losses import ask_back, said_of, steps_of_leaky
from rstuf_cli.must_go import step_to_take_number, warn_of_left
from rstuf_cli.named_keys import find_key
from rstuf_cli.new_online_key import Wish, made_key
from rstuf_cli.review_document import review_document
from rstuf_cli.rotation_checks import check_lost, check_new, check_online, check_same, without_to
from rstuf_cli.rotation_ending import Ending, tell_ending
from rstuf_cli.run import Run
from rstuf_cli.sitting import Sitting
from rstuf_cli.steps import Step
from rstuf_cli.waiting import ROTATING, dropped_document, tell_dropped

DEFAULT_OVERLAP: Final = "1d"
_ANSWERS: Final = "--yes says that it is; with --no-sign, rstuf sign signs its root later"
_ONLINE: Final = ("timestamp", "snapshot", "targets")
_WHY: Final = {
    rstuf.RotationKind.PLANNED: "both keys sign until clients know the new one; none of them notices",
    rstuf.RotationKind.LOST: "it can sign nothing more: a new root comes first, and everything is signed anew after it",
    rstuf.RotationKind.LEAKED: "a new root names the new key alone, and everything is signed anew: that is what lets "
    "clients forget whatever was signed with the leaked one",
}
# From the one that asks for least to the one that asks for most.
_GRAVITY: Final = tuple(_WHY)


def replace_online_key(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish) -> int:
    """Let another key take the place of an online key, or go on with that; the exit code."""
    going, view = repository.rotations.current(), find_key(repository, old.name)
    said_at_once = wish.why is not rstuf.RotationKind.PLANNED
    said_gone = said_at_once and wish.to is None
    after = _successor(repository, old) if going is None and said_gone else None
    gone = not view.uses and not _is_of(going, old) and (old.report is not None or (going is not None and view.retired))
    if after is not None or (said_gone and gone):
        return _tell_gone(run, repository, old, wish, after=after)
    # Before a key is made for it, or anybody asked.
    repository.rotations.refuse_behind(wish.why)
    signs_online = view.status.online or view.status.stray
    if going is None and signs_online and not any(use.role in _ONLINE or use.role == "root" for use in view.uses):
        return _go_on(run, repository, wish, old, gone=_take_out(run, repository, old, wish))
    if going is None:
        return _go_on(run, repository, wish, old, gone=_begin(run, repository, old, wish))
    if said_at_once:
        return _must_go(run, repository, going, old, wish)
    return _carry_on(run, repository, going, old, wish)


def _must_go(run: Run, repository: rstuf.Repository, going: rstuf.Rotation, old: rstuf.KeyEntry, wish: Wish) -> int:
    """A key is lost or leaked while another one takes the place of one: what comes of that depends on which it is."""
    new = _entry(repository, going.new)
    if old.keyid == going.new:
        # Never hastened: that would leave the very key in charge that must go.
        return _renounce(run, repository, going, old, wish)
    if old.keyid == going.old and going.root_version is None and new.is_leaked:
        # Hastened, it would wait for a root that lets in a key which leaked, and that never comes out.
        return _renounce(run, repository, going, old, wish)
    if repository.rotations.goes_along(old.name):
        return _go_along(run, repository, going, old, wish)
    return _carry_on(run, repository, going, old, wish)


def _carry_on(run: Run, repository: rstuf.Repository, going: rstuf.Rotation, old: rstuf.KeyEntry, wish: Wish) -> int:
    """Go on with the rotation, at once where its old key must go."""
    goes = _entry(repository, going.old)
    kind = max(wish.why, going.kind, key=_GRAVITY.index)
    if kind is rstuf.RotationKind.PLANNED:
        repository.rotations.refuse_leaks_in_good_order(goes.name)
    check_same(repository, going, old, wish)
    opened: list[rstuf.EventView] = []
    if kind is not rstuf.RotationKind.PLANNED:
        # Else another root that waits is waited for.
        opened = _in_the_way(repository, goes, kind, new=going.new)
        warn_of_left(run.console, repository.status(), opened, going={goes.keyid})
    if kind is not going.kind:
        proposing.refuse_unasked(run)
        proposing.ask_drop(run, repository, opened)
        proposing.ask_typed(run, goes.name, to="let go of it at once")
        run.interrupted = _goes_on(goes.name)
        repository.rotations.hasten(kind, drop=_dropped(opened))
    elif opened:
        proposing.refuse_unasked(run)
        proposing.ask_drop(run, repository, opened)
        repository.rotations.propose_anew(_dropped(opened))
    run.interrupted = _goes_on(goes.name)
    return _go_on(run, repository, wish, goes, gone=opened)


def _is_of(going: rstuf.Rotation | None, key: rstuf.KeyEntry) -> bool:
    return going is not None and key.keyid in {going.old, going.new}


def _in_the_way(
    repository: rstuf.Repository, old: rstuf.KeyEntry, kind: rstuf.RotationKind, *, new: rstuf.KeyId | None = None
) -> list[rstuf.EventView]:
    """What waits and would have to go."""
    return repository.rotations.in_the_way(old.name, new=new, kind=kind)


def _begin(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish) -> list[rstuf.EventView]:
    """Let the new key sign, too, or alone; what that dropped."""
    # Refused before a key is made for it.
    check_online(repository, old, wish)
    if wish.why is rstuf.RotationKind.PLANNED:
        repository.rotations.refuse_leaks_in_good_order(old.name)
    check_new(repository, old, wish)
    check_lost(run, old, wish)
    opened = _in_the_way(repository, old, wish.why)
    if wish.keys_sign or opened or wish.why is not rstuf.RotationKind.PLANNED:
        proposing.refuse_unasked(run, hint=_ANSWERS)
    run.console.note(f"{escape(old.name)} is to be replaced: {_WHY[wish.why]}")
    new = _settled(run, repository, old, wish, opened=opened, going={old.keyid})
    repository.rotations.rotate(old.name, new, kind=wish.why, overlap=wish.overlap, drop=_dropped(opened))
    return opened


def _take_out(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish) -> list[rstuf.EventView]:
    """Root names another key already, so nothing but targets has to be signed without this one; what that dropped."""
    if wish.to is not None:
        planned = wish.why is rstuf.RotationKind.PLANNED
        hint = f"rstuf key rotate {old.name}, without --to" if planned else without_to(old.name, wish)
        raise UsageFault(f"another key has the place of {old.name} already", hint=hint)
    proposing.refuse_unasked(run, hint=_ANSWERS)
    run.console.note(f"root does not name {escape(old.name)}; targets is signed without it, so that it signs no bins")
    keeping = [view for view in _in_the_way(repository, old, wish.why) if view.event.role == "targets"]
    proposing.ask_drop(run, repository, keeping)
    if wish.why is not rstuf.RotationKind.PLANNED:
        proposing.ask_typed(run, old.name, to="let it sign nothing any more")
    run.interrupted = _goes_on(old.name)
    repository.rotations.take_out_stray(old.name, kind=wish.why, drop=_dropped(keeping))
    return keeping


def _settled(
    run: Run,
    repository: rstuf.Repository,
    old: rstuf.KeyEntry,
    wish: Wish,
    *,
    opened: Sequence[rstuf.EventView],
    going: Collection[str],
) -> str:
    """The name of the key that takes the place of those that go, once a person has agreed to all of that.

    Args:
        old: the one that was named.
        going: the ids of all of them.
    """
    if opened:
        warn_of_left(run.console, repository.status(), opened, going=going)
    proposing.ask_drop(run, repository, opened)
    if wish.to is not None:
        ask_back(run, repository, [wish.to], let_back=wish.let_back)
    if wish.why is not rstuf.RotationKind.PLANNED:
        proposing.ask_typed(run, old.name, to="replace it at once")
    new = wish.to if wish.to is not None else made_key(run, repository, old, wish)
    if wish.to is None:
        run.keeps(f"the key {new}")
    run.interrupted = _goes_on(old.name)
    return new


def _goes_on(name: str) -> str:
    """What Ctrl-C leaves from here on: run again after its end, another key would be replaced."""
    return f"as long as rstuf key list says that {name} signs, run it again with that name: it goes on from here"


def _renounce(run: Run, repository: rstuf.Repository, going: rstuf.Rotation, named: rstuf.KeyEntry, wish: Wish) -> int:
    """The key that takes the place of another must go itself.

    Args:
        named: of the two, the one that was said to be lost or leaked now.
    """
    old, new, loss = _entry(repository, going.old), _entry(repository, going.new), rstuf.Loss(wish.why.value)
    of_new = named.keyid == new.keyid
    if of_new and repository.rotations.old_key_stays():
        return _call_off(run, repository, old, new, wish)
    goes = old if going.root_version is None else new
    check_new(repository, goes, wish, like=named)
    proposing.refuse_unasked(run, hint=_ANSWERS)
    run.console.note(
        f"{escape(new.name)} was to take the place of {escape(old.name)}, and must go too: another one replaces both"
    )
    opened = _in_the_way(repository, goes, wish.why)
    third = _settled(run, repository, named, wish, opened=opened, going={old.keyid, new.keyid})
    desk, drop = repository.rotations, _dropped(opened)
    if of_new:
        desk.renounce(loss, to=third, overlap=wish.overlap, drop=drop)
    else:
        desk.renounce(rstuf.Loss.LEAKED, old=loss, to=third, overlap=wish.overlap, drop=drop)
    return _go_on(run, repository, wish, named, gone=opened)


def _go_along(run: Run, repository: rstuf.Repository, going: rstuf.Rotation, named: rstuf.KeyEntry, wish: Wish) -> int:
    """Root does not name it any more, and it goes with the key of which another one takes the place."""
    old, new = _entry(repository, going.old), _entry(repository, going.new)
    goes_with = f"{named.name} goes with {old.name}, whose place {new.name} takes"
    if wish.to is not None:
        raise UsageFault(f"{goes_with}, so nothing takes its own", hint=without_to(named.name, wish))
    opened: list[rstuf.EventView] = []
    if going.kind is not rstuf.RotationKind.PLANNED:
        opened = _in_the_way(repository, old, going.kind, new=going.new)
        warn_of_left(run.console, repository.status(), opened, going={old.keyid, named.keyid})
    said = named.is_leaked or (named.is_lost and wish.why is rstuf.RotationKind.LOST)
    if opened or not said:
        proposing.refuse_unasked(run)
    run.console.note(escape(goes_with))
    proposing.ask_drop(run, repository, opened)
    if not said:
        proposing.ask_typed(run, named.name, to="let it sign nothing any more")
        repository.events.report_loss(named.name, rstuf.Loss(wish.why.value))
    run.interrupted = _goes_on(named.name)
    if opened:
        repository.rotations.propose_anew(_dropped(opened))
    told = f"{escape(new.name)} signs alone now; nothing names {escape(named.name)} any more"
    return _go_on(run, repository, wish, named, gone=opened, told=told)


def _call_off(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, new: rstuf.KeyEntry, wish: Wish) -> int:
    """Nothing names the new key but a root that waits, and the old one is well: it stays."""
    if wish.to is not None:
        raise UsageFault(f"{old.name} is well and stays, so nothing takes its place", hint=without_to(new.name, wish))
    proposing.refuse_unasked(run)
    run.console.note(f"{escape(new.name)} is not let in: {escape(old.name)} stays, and goes on alone")
    # What names the new key goes; so does targets, where people have handed the bins over: it must hand them back.
    views, handed = repository.events.views(), bool(find_key(repository, new.name).uses)
    opened = [view for view in views if view.lists(new.keyid) or (handed and view.event.role == "targets")]
    proposing.ask_drop(run, repository, opened)
    proposing.ask_typed(run, new.name, to="let it sign nothing any more")
    try:
        repository.rotations.renounce(rstuf.Loss(wish.why.value), drop=_dropped(opened))
    except SigningError as error:
        error.hint = f"if {old.name} is gone as well: rstuf recover online-key {old.name} --lost; then this again"
        raise
    steps = [step_to_take_number(view) for view in opened if view.event.role == "root" and proposing.signed_in(view)]
    told = f"{escape(new.name)} signs nothing any more; {escape(old.name)} stays, and signs alone"
    return _go_on(run, repository, wish, new, gone=opened, told=told, steps=steps)


def _dropped(opened: Sequence[rstuf.EventView]) -> list[rstuf.SigningEvent]:
    """What goes for it, as it was shown."""
    return [each for view in opened for each in (view.event, *proposing.replaced_with(view))]


def _entry(repository: rstuf.Repository, keyid: str) -> rstuf.KeyEntry:
    return next(entry for entry in repository.keys() if entry.keyid == keyid)


def _successor(repository: rstuf.Repository, old: rstuf.KeyEntry) -> str | None:
    """The name of the online key, where it took the place of `old`, which signs nothing any more; else None."""
    view, newest = find_key(repository, old.name), repository.visible_versions().root
    roots = (repository.root(version) for version in range(newest, 0, -1))
    signers = [rstuf.read_root(data).roles["timestamp"].keyids for data in roots if data is not None]
    if view.uses or not any(old.keyid in keyids for keyids in signers[1:]):
        return None
    return next((entry.name for entry in repository.keys() if entry.keyid in signers[0]), None)


def _tell_gone(run: Run, repository: rstuf.Repository, old: rstuf.KeyEntry, wish: Wish, *, after: str | None) -> int:
    """It was replaced before, or never let in: what is said of it is noted, and nothing else is done."""
    leaked = wish.why is rstuf.RotationKind.LEAKED
    if old.report is None or (leaked and old.is_lost):
        proposing.refuse_unasked(run)
        if leaked:
            proposing.ask_typed(run, old.name, to="note that it leaked: nothing can ever let it sign then")
        repository.events.report_loss(old.name, rstuf.Loss(wish.why.value))
    noted = find_key(repository, old.name).entry
    told = f"{escape(old.name)} signs nothing{f' any more: {escape(after)} took its place' if after else ''}"
    told = f"{told}; noted as {said_of(noted)}"
    if repository.rotations.current() is not None:
        # What is said in the end is of the one that goes on.
        run.console.note(told)
    return _go_on(run, repository, wish, old, told=told, steps=steps_of_leaky(repository))


def _go_on(
    run: Run,
    repository: rstuf.Repository,
    wish: Wish,
    goes: rstuf.KeyEntry,
    *,
    gone: Sequence[rstuf.EventView] = (),
    told: str = "the new key signs alone now; nothing names the old one any more",
    steps: Sequence[Step] = (),
) -> int:
    """Sign what waits with the keys that are here, let out what is complete, and tell how far it came.

    Args:
        goes: the key that signs nothing in the end.
        gone: what was shown to be dropped for it.
        told: what it came to, once that is so.
        steps: what is then to be done.
    """
    desk = repository.events
    replaced = desk.replaced(gone)
    dropped = desk.go_on()
    tell_dropped(run.console, [*replaced, *dropped])
    views = [view for view in desk.views() if view.event.kind in ROTATING or view.event.role == "targets"]
    document: dict[str, Any] = {"dropped": dropped_document([*replaced, *dropped])}
    standing = proposing.Standing(waiting=tuple(views))
    if wish.keys_sign and any(view.here for view in views):
        proposing.refuse_unasked(run, hint=_ANSWERS)
        sitting = Sitting.begin(run, repository)
        reviews = [sitting.review(desk.bundle(view.event.name)) for view in views]
        for review in reviews:
            sitting.show(review)
        document["reviews"] = [review_document(review) for review in reviews]
        names = [view.event.name for view in views]
        if proposing.agrees(run, f"Sign {' and '.join(names)} with the keys that are here?"):
            standing = proposing.sign_here(sitting, reviews, keys=True)
            desk.complete()
    run.progress.close()
    ending = Ending(goes, told, (*steps, Step("rstuf verify", "looks at all of it, as clients do")))
    return tell_ending(run, repository, standing, document, ending=ending)
