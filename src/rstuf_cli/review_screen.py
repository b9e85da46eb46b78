"""What whoever is to sign sees before they are asked: all that their own machine found in the contents.

Nothing on it comes from a text that was made to be read by them. Names of keys stand in quotes behind the keys, and are
labels. What is grave begins with `!` and is red where there are colours; every field that would be signed is on it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

import rstuf
from rstuf.clock import iso
from rstuf.errors import shorten
from rstuf_cli.console import Console, Style, escape, folded, terminal_width
from rstuf_cli.wording import count, listed

WIDTH: Final = 79
_COLUMN: Final = 15
_SHORT: Final = 16
_FEW_WORDS: Final = 8
_FEW_ALIKE: Final = 2
_LONGEST: Final = 240
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SOURCES: Final = {
    rstuf.TrustSource.FILE: "the file that you named",
    rstuf.TrustSource.WORKSPACE: "this workspace",
    rstuf.TrustSource.PINNED: "the root that you pinned",
    rstuf.TrustSource.RECORD: "your own record",
    rstuf.TrustSource.FINGERPRINT: "the fingerprint that you gave",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the screen, safe to show as it stands."""

    text: str = ""
    style: Style = Style.PLAIN

    def painted(self, console: Console, *, error: bool) -> str:
        """As it goes to stdout, or to stderr."""
        return console.paint_error(self.text, self.style) if error else console.paint(self.text, self.style)


def screen(review: rstuf.Review, *, source: str | None = None) -> list[Line]:
    """The screen of a review, in lines of 79 columns at most, or as many as the terminal has.

    Args:
        source: where trust comes from, in words, where no signer brought it.
    """
    width, rows = min(WIDTH, terminal_width()), shutil.get_terminal_size().lines
    return _Screen(review, source or _SOURCES.get(review.anchor.source, ""), width).lines(rows)


class _Screen:
    def __init__(self, review: rstuf.Review, source: str, width: int) -> None:
        self._review, self._source, self._width = review, source, width
        root = review.anchor.root
        self._trusted = frozenset(root.signed["keys"]) if root is not None else frozenset[str]()
        self._keys: Mapping[str, rstuf.PublicKey | None] = {str(keyid): key for keyid, key in review.keys.items()}
        self._names = {str(keyid): name for keyid, name in review.names.items()}
        self._new: dict[str, None] = {}

    def lines(self, rows: int) -> list[Line]:
        """All of it. What is grave is said again at the end where whoever is asked there cannot see it any more."""
        above, concerns = list(self._above()), list(self._concerns())
        below = [*self._words(), *self._code()]
        marks = sum(line.text.startswith("!") for line in (*above, *concerns))
        end = list(self._end(marks))
        # The question and the cursor take a line each.
        far = len(concerns) + len(below) + len(end) + 2 > rows
        return [*above, *concerns, *below, *(self._again() if far else ()), *end]

    def _above(self) -> Iterator[Line]:
        yield from self._head()
        for part, *others in _alike(self._review.parts):
            yield Line()
            if part.root is not None:
                yield from self._root(part.root)
            if part.targets is not None:
                yield from self._targets([part.role, *(each.role for each in others)], part.targets)
            yield from self._signatures(part)

    # --- what it is for

    def _head(self) -> Iterator[Line]:
        review, anchor = self._review, self._review.anchor
        title = f"{review.event}  for the repository that calls itself {json.dumps(review.bundle.repository)}"
        for line in self._lines("", title, 2, grave=False):
            yield Line(line.text, Style.STRONG)
        yield Line()
        first = review.bundle.first_root
        if first is None:
            yield from self._field("first root", "none yet: this is to be the first", grave=True)
        else:
            known = "known to you" if anchor.checked else "as the bundle says; not known to you"
            words = " ".join(rstuf.fingerprint_words(first)[:_FEW_WORDS])
            yield from self._field("first root", first)
            yield from self._field("", f"({words} …), {known}")
        if anchor.root is None or anchor.sha256 is None:
            yield from self._field("you trust", "nothing here yet: all of it stands on its own word", grave=True)
        else:
            yield from self._field("you trust", f"root v{anchor.version}, by {self._source}")
            yield from self._field("", anchor.sha256)
            steps = anchor.root.version - (anchor.version or 0)
            by = f"; {count(steps, 'step')} from there, each signed by both sides" if steps else ""
            yield from self._field("in force", f"root v{anchor.root.version}{by}")
        yield from self._field("clock", f"{iso(review.now)}, by this machine; is that so?")

    # --- a root

    def _root(self, root: rstuf.RootChanges) -> Iterator[Line]:
        yield Line("  root", Style.STRONG)
        yield from self._field("version", _change(root.old_version, root.new_version))
        before = None if root.expires_before is None else iso(root.expires_before)
        yield from self._field("expires", f"{_change(before, iso(root.expires))} ({count(root.days, 'day')} from now)")
        changed = root.spec_version_before not in {None, root.spec_version}
        told = _change(root.spec_version_before, root.spec_version)
        yield from self._field("format", escape(f"TUF {told}"), grave=changed)
        old = None if root.consistent_snapshot_before is None else _on(root.consistent_snapshot_before)
        yield from self._field("snapshots", f"consistent: {_change(old, _on(root.consistent_snapshot))}")
        yield from self._roles({str(name): role for name, role in root.roles.items()})
        for keyid in root.unused_keys:
            yield from self._key("?", keyid, "in no role")
        yield from self._foreign(root.foreign)

    def _roles(self, roles: Mapping[str, rstuf.RoleChanges]) -> Iterator[Line]:
        """The four roles; those with the same keys and threshold together."""
        together: dict[rstuf.RoleChanges, list[str]] = {}
        for name, role in roles.items():
            together.setdefault(role, []).append(name)
        for role, names in together.items():
            lowered = role.threshold < (role.threshold_before or 0)
            now, old = f"{role.threshold} of {len(role.keyids)}", None
            if role.threshold_before is not None:
                old = f"{role.threshold_before} of {len(role.kept) + len(role.removed)}"
            must = f"{now} must sign{', as before' if old == now else ''}"
            if old not in {None, now}:
                must = f"{old} → {must}"
            grave = lowered or bool(role.added and role.threshold_before is not None)
            yield from self._field("who signs", f"{listed(names)}: {must}", grave=grave)
            # In the order of the file: that is signed, too.
            for keyid in role.keyids:
                yield from self._key("=" if keyid in role.kept else "+", keyid)
            for keyid in role.removed:
                yield from self._key("-", keyid)

    # --- targets

    def _targets(self, names: Sequence[str], targets: rstuf.TargetsFacts) -> Iterator[Line]:
        for line in self._lines("  ", escape(listed(names)), 2, grave=False):
            yield Line(line.text, Style.STRONG)
        if targets.by is not None and len(names) > 1:
            told = f"{count(len(names), 'bin')} of {targets.by.parent}, all of which say just this"
            yield from self._field("delegated", escape(f"by {targets.by.label}: {told}"))
        elif targets.by is not None:
            yield from self._field(
                "delegated", escape(f"by {targets.by.label}, for {_what_for(targets.by.delegation, targets.by.above)}")
            )
        yield from self._field("version", str(targets.version))
        yield from self._field("expires", f"{iso(targets.expires)} ({count(targets.days, 'day')} from now)")
        yield from self._field("format", escape(f"TUF {targets.spec_version}"))
        if targets.by is None:
            own = f"{count(targets.artifacts, 'artifact')} of its own"
            yield from self._field("artifacts", own, grave=bool(targets.artifacts))
            yield from self._some("", targets.changes.added, targets.artifacts, grave=True)
        else:
            yield from self._changes(targets.artifacts, targets.changes)
        if targets.listing is not None:
            yield from self._field("", f"all: sha256 {targets.listing}")
        for role in targets.delegated:
            what = role.name if role.bins is None else f"{count(role.bins[0], 'bin')}, named {role.bins[1]}…"
            yield from self._field("delegates", escape(f"{what}: {role.threshold} of {len(role.keyids)} must sign"))
            for keyid in role.keyids:
                yield from self._key("=" if keyid in self._trusted else "+", keyid)
            for rest in role.rest:
                yield from self._field("", escape(rest))
        used = {keyid for role in targets.delegated for keyid in role.keyids}
        for keyid in targets.keys:
            if keyid not in used:
                yield from self._key("?", keyid, "in no role")
        yield from self._foreign(targets.foreign)

    def _changes(self, artifacts: int, changes: rstuf.ContentsChange) -> Iterator[Line]:
        """What a role lists, against what whoever is asked signed of it last."""
        added, replaced, removed, same = changes.counts
        before = f"{same} as {changes.last}"
        known = "your record knows of none that you signed" if changes.since is None else before
        yield from self._field("artifacts", f"{count(artifacts, 'artifact')}; {known}")
        yield from self._some("+ ", changes.added, added, grave=False)
        yield from self._some("~ ", changes.replaced, replaced, grave=True)
        yield from self._some("- ", changes.removed, removed, grave=False)

    def _some(self, sign: str, shown: Sequence[str], of: int, *, grave: bool) -> Iterator[Line]:
        for each in shown:
            yield from self._field("", escape(f"{sign}{each}"), grave=grave)
        if of > len(shown):
            yield from self._field("", f"{sign}and {of - len(shown)} more", grave=grave)

    # --- who, and what else

    def _signatures(self, part: rstuf.PartReview) -> Iterator[Line]:
        for side in part.sides:
            signed = listed([self._called(keyid) for keyid in side.signed]) or "nobody yet"
            yield from self._field("signed by", f"{side.label}, {len(side.signed)} of {side.threshold}: {signed}")
            if side.missing:
                others = [self._called(keyid) for keyid in side.keyids if keyid not in side.signed]
                yield from self._field("", f"missing: {side.missing} more of {listed(others, last='or')}")

    def _concerns(self) -> Iterator[Line]:
        concerns = self._review.concerns
        if concerns:
            yield Line()
        for each in concerns:
            yield from self._lines("! " if each.grave else "  ", escape(each.message), 2, grave=each.grave)
            for keyid in each.keyids if each.code == "label-moved" else ():
                self._new.setdefault(keyid)

    def _words(self) -> Iterator[Line]:
        for keyid in self._new:
            digest = self._digest(keyid)
            if digest is None:
                continue
            yield Line()
            yield from self._lines("  ", f"{self._called(keyid)}: let its holder read you these words", 2, grave=False)
            for line in wrap(" ".join(rstuf.fingerprint_words(digest)), self._width - 4):
                yield Line(f"    {line}")

    def _code(self) -> Iterator[Line]:
        yield Line()
        yield from self._field("code", f"{self._review.code}   read it to the other signers,")
        yield from self._field("", "who must see the same")
        for digest in dict.fromkeys(part.digest for part in self._review.parts):
            yield from self._field("sha256", digest)

    def _again(self) -> Iterator[Line]:
        """What is grave, once more and in few lines: of what is alike, the first."""
        alike: dict[str, list[str]] = {}
        for each in self._review.grave:
            alike.setdefault(each.code, []).append(each.message)
        if alike:
            yield Line()
        for messages in alike.values():
            for message in messages[:_FEW_ALIKE]:
                yield from self._lines("! ", escape(shorten(message, limit=_LONGEST)), 2, grave=True)
            if len(messages) > _FEW_ALIKE:
                yield Line(f"! and {len(messages) - _FEW_ALIKE} more like it", Style.BAD)

    def _end(self, marks: int) -> Iterator[Line]:
        yield Line()
        if marks:
            things = "is one thing" if marks == 1 else f"are {marks} things"
            yield Line(f"! there {things} marked ! above", Style.BAD)
        yield from self._lines("", f"What signing does: {escape(self._review.power)}.", 0, grave=False)

    # --- parts of lines

    def _foreign(self, fields: Iterable[str]) -> Iterator[Line]:
        new = any(each.code.startswith("foreign-") and each.grave for each in self._review.concerns)
        for each in fields:
            yield from self._field("not TUF's", escape(each), grave=new)

    def _key(self, sign: str, keyid: str, more: str = "") -> Iterator[Line]:
        """A key of a role. One that is new here is shown whole, so that none can be made to look like it."""
        key = self._keys.get(keyid)
        scheme = escape(key.scheme) if key is not None else "not read by rstuf"
        beside = ", ".join(text for text in (self._label(keyid), scheme, more) if text)
        grave = sign in {"+", "?"}
        mark = "!" if grave else " "
        if grave:
            self._new.setdefault(keyid)
            yield from self._lines(f"{mark}   {sign} ", f"{self._shown(keyid)}", 8, grave=grave)
            yield from self._lines("      ", beside, 8, grave=grave)
        else:
            yield from self._lines(f"{mark}   {sign} ", f"{self._called(keyid)}, {scheme}", 8, grave=grave)
        digest = self._digest(keyid)
        if digest is not None and digest != keyid:
            yield from self._lines("      ", f"its hash {digest}", 8, grave=grave)

    def _digest(self, keyid: str) -> str | None:
        """The key's own hash, whatever it is named by; None for a key that is not read."""
        key = self._keys.get(keyid)
        return None if key is None else key.keyid

    def _called(self, keyid: str) -> str:
        """A key as a sentence names it: the beginning of its id, then its label."""
        shown = self._shown(keyid)
        short = f"{shown[:_SHORT]}…" if _DIGEST.fullmatch(shown) else shown
        label = self._label(keyid)
        return f"{short} {label}" if label else short

    def _label(self, keyid: str) -> str:
        name = self._names.get(keyid)
        return "" if name is None else f'"{escape(name)}"'

    @staticmethod
    def _shown(keyid: str) -> str:
        return keyid if _DIGEST.fullmatch(keyid) else json.dumps(keyid)

    def _field(self, name: str, value: str, *, grave: bool = False) -> Iterator[Line]:
        return self._lines(f"{'!' if grave else ' '} {name:<{_COLUMN - 2}}", value, _COLUMN, grave=grave)

    def _lines(self, head: str, text: str, indent: int, *, grave: bool) -> Iterator[Line]:
        """A line, folded: `text` is safe, and a word in it that is too long for a line is broken."""
        room = self._width - indent
        text = re.sub(rf"\S{{{room + 1},}}", lambda match: " ".join(wrap(match[0], room)), text)
        for line in folded(head + text, width=self._width, indent=indent):
            yield Line(line.rstrip(), Style.BAD if grave else Style.PLAIN)


def _change(before: object, after: object) -> str:
    if before is None:
        return f"{after}"
    return f"{after}, unchanged" if before == after else f"{before} → {after}"


def _on(value: bool) -> str:
    return "yes" if value else "no"


def _alike(parts: Sequence[rstuf.PartReview]) -> list[list[rstuf.PartReview]]:
    """Parts in their order; bins of one role that have the same bytes, since they list nothing, together."""
    found: dict[object, list[rstuf.PartReview]] = {}
    for part in parts:
        by = None if part.targets is None else part.targets.by
        same = part.role if by is None or not by.of_bins else (by.parent, part.digest)
        found.setdefault(same, []).append(part)
    return list(found.values())


def _what_for(delegation: rstuf.Delegation, above: rstuf.Delegation | None) -> str:
    """The paths that a role is to list, in words; of a bin, of those of the role that it is of."""
    return _paths_of(delegation) if above is None else f"{_paths_of(above)}: {_paths_of(delegation)}"


def _paths_of(delegation: rstuf.Delegation) -> str:
    if delegation.paths:
        return listed(delegation.paths)
    if set(delegation.prefixes) >= set("0123456789abcdef"):
        return "every path"
    return f"paths whose SHA-256 begins with {listed(delegation.prefixes, last='or')}"
