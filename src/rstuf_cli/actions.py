"""What entries of the log say, in words: one line for every action that the engine records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import rstuf
from rstuf_cli.wording import count, listed, number, period, size

Details = Mapping[str, Any]
_TREE: Final = ("joins", "leaves")


def in_words(entry: rstuf.AuditEntry) -> str:
    """What was done. From outside: whoever shows it escapes it.

    Of an action that is not known, or whose details are not what they should be, the stable word.
    """
    words = WORDS.get(entry.action)
    try:
        return words(entry.details) if words is not None else entry.action
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
        return entry.action


def _added(details: Details) -> str:
    done = {what: details.get(what, 0) for what in ("added", "replaced", "removed")}
    # The first is told in full: `2 artifacts added, 1 removed`.
    parts = [f"{number(many)} {what}" for what, many in done.items() if many]
    first = next(many for many in done.values() if many)
    parts[0] = parts[0].replace(number(first), count(first, "artifact"), 1)
    return f"{', '.join(parts)} (change {number(details['number'])}){_gone(details)}"


def _removed(details: Details) -> str:
    return f"{count(details['removed'], 'artifact')} removed (change {number(details['number'])}){_gone(details)}"


def _accepted(details: Details) -> str:
    changed = any(details[what] for what in ("added", "replaced", "removed"))
    what = _added(details) if changed else "the same artifacts"
    lost = details.get("lost", ())
    gone = f"; not any more what was accepted of {listed([str(path) for path in lost])}" if lost else ""
    return f"{details['role']} accepted as it was signed elsewhere, {details['event']}: {what}{gone}"


def _gone(details: Details) -> str:
    """What was removed, as far as it is named."""
    paths = [str(path) for path in details.get("paths", ())]
    more = details.get("removed", 0) - len(paths)
    return f": {listed([*paths, f'{number(more)} more'] if more > 0 else paths)}" if paths else ""


def _key(details: Details) -> str:
    place = details["signer"]
    return f"{details['name']} ({details['keyid'][:8]}…), {f'at {place}' if place else 'kept by somebody else'}"


def _files(details: Details) -> str:
    return listed([str(name) for name in details["files"]])


def _why(kind: str) -> str:
    return {"lost": ", which is lost", "leaked": ", which is in the wrong hands"}.get(kind, "")


def _state(kind: str) -> str:
    return {"lost": "lost", "leaked": "in the wrong hands"}.get(kind, kind)


def _because(kind: str | None) -> str:
    return "" if kind is None else f", being {_state(kind)}"


def _lost(signed: Sequence[str]) -> str:
    return f", with the signatures of {listed([str(name) for name in signed])}" if signed else ""


def _come_and_go(said: Details) -> str:
    told = [f"{listed(said[which])} {which[:-1] if len(said[which]) > 1 else which}" for which in _TREE if said[which]]
    return f": {', '.join(told)}" if told else ""


def _begun(said: Details) -> str:
    names = said.get("delegations", ())
    told = [f"delegations to {listed(names)}"] if names else []
    bins = [count(said["bins"], "bin")] if said["bins"] or not told else []
    return ", ".join([*told, *bins, count(len(said["keys"]), "key")])


WORDS: Final[Mapping[str, Callable[[Details], str]]] = {
    "ceremony.begin": lambda said: f"ceremony of {said['name']} begun: {_begun(said)}",
    "ceremony.end": lambda said: f"ceremony ended; clients see timestamp v{number(said['timestamp'])}",
    "artifacts.add": _added,
    "artifacts.import": lambda said: f"{_added(said)}, from records",
    "artifacts.sync": lambda said: f"{_added(said)}, to equal a directory",
    "artifacts.remove": _removed,
    "artifacts.accept": _accepted,
    "artifacts.postpone": lambda said: f"{count(said['postponed'], 'change')} put off, behind what others signed",
    "artifacts.undo": lambda said: f"{count(said['undone'], 'change')} undone, for what was made elsewhere",
    "artifacts.restore": lambda said: f"{count(said['restored'], 'kept copy', 'kept copies')} put back",
    "publish": lambda said: f"published as timestamp v{number(said['timestamp'])}: {count(said['roles'], 'role')}",
    "publication.abandon": lambda said: f"publication {number(said['publication'])} given up",
    "root.sign": lambda said: f"root v{number(said['version'])} signed",
    "root.takeover": lambda said: (
        f"root v{number(said['version'])} taken over as somebody published it: it is {said['event']}"
        f"{_lost(said['signed'])}"
    ),
    "root.publish": lambda said: f"root v{number(said['version'])} published",
    "key.add": lambda said: f"key added: {_key(said)}",
    "key.move": lambda said: f"key moved: {_key(said)}",
    "key.revoke": lambda said: (
        f"{said['key']} ({said['keyid'][:8]}…) revoked{_because(said.get('kind'))}: nothing names it any more"
    ),
    "key.report": lambda said: f"{said['key']} ({said['keyid'][:8]}…) is said to be {_state(said['kind'])}",
    "key.found": lambda said: f"{said['key']} ({said['keyid'][:8]}…) was lost, and signs again",
    "rotation.begin": lambda said: f"{said['new']} is to take the place of {said['old']}{_why(said['kind'])}",
    "rotation.jump": lambda said: f"next versions set {number(said['versions'])} further up: their names were taken",
    "rotation.cancel": lambda said: f"{said['old']} stays: its replacement by {said['new']} is called off",
    "rotation.break": lambda said: (
        f"the replacement of {said['old']} by {said['new']} is broken off: {said['new']} must go too"
    ),
    "rotation.overtaken": lambda said: (
        f"the replacement of {said['old']} by {said['new']} is over: the root that was taken over names another key"
    ),
    "rotation.end": lambda said: f"key {said['new'][:8]}… has taken the place of {said['old'][:8]}…",
    "event.open": lambda said: f"{said['event']} waits for signatures ({said['kind']})",
    "event.sign": lambda said: f"{said['event']} signed by {said['key']} ({said['keyid'][:8]}…)",
    "event.cancel": lambda said: f"{said['event']} dropped{_lost(said['signed'])}",
    "bins.resize": lambda said: (
        f"artifacts go from {count(said['before'], 'bin')} into {number(said['after'])} with the next publication"
    ),
    "delegations.change": lambda said: (
        f"delegations change with the next publication{_come_and_go(said)}; {count(said['moved'], 'artifact')} "
        "to another role"
    ),
    "policy.periods": lambda said: f"{said['role']} lives for {period(timedelta(seconds=said['expires']))} from now on",
    "policy.retention": lambda said: (
        f"superseded metadata stays for {count(said['publications'], 'publication')} "
        f"and {count(said['days'], 'day')} from now on"
    ),
    "transcript": lambda said: f"record written: {said['file']}, sha256 {said['sha256'][:16]}…",
    "copy.publish": lambda said: (
        f"gone on from a copy: {count(said['roles'], 'role')} signed, {number(said['versions'])} versions further up"
    ),
    "timestamp.jump": lambda said: f"timestamp's next version set {number(said['versions'])} further up: it was lost",
    "state.rebuild": lambda said: f"state made anew from what is published, with root v{number(said['version'])}",
    "metadata.recover": lambda said: (
        f"{count(said['roles'], 'role')} set {number(said['versions'])} versions further up: their files were lost"
    ),
    "metadata.prune": lambda said: f"{count(said['files'], 'superseded metadata file')} removed, {size(said['bytes'])}",
    "metadata.restore": lambda said: f"put back as signed: {_files(said)}",
    "state.restore": lambda said: f"recorded again from what is published: {_files(said)}",
}
"""Every action that the engine records, by its stable word."""
