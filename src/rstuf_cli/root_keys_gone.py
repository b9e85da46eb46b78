"""What can be done where too many root keys leaked or are lost, and what cannot: in words, and step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import StateBehind
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.remedies import ways_of_loose_root
from rstuf_cli.reports import sign
from rstuf_cli.steps import Step
from rstuf_cli.trusting import show_fingerprint
from rstuf_cli.wording import both, count, number

CAN: Final = """
Sign a new root now, with keys that only you have, if as many of the old keys as root asks for are still yours too: it
must be signed by the old ones and by the new ones. Clients that see yours first follow it, and refuse any other root of
that version.

Replace the online key at the same time: whoever can sign root can let in any online key.

Tell everybody who downloads, by a way that does not pass through this repository, which root is yours; those who pin it
anew are safe, whatever they have seen.
"""
CANNOT: Final = """
Nothing takes the leaked keys back. Whoever has as many as root asks for can sign a next root as rightly as you can, and
clients follow whichever they see first.

A client that has followed a root of theirs never comes back by itself: your next root is not signed by their keys. It
must be given your root again, by hand.

What was downloaded meanwhile cannot be told from what you published. Compare it with what you have.
"""


LOST_CAN: Final = """
Look for the keys again: in copies, on old disks, with everybody who ever held one. As many as root asks for are enough;
put back where their signers say, rstuf recover root or rstuf recover root-key goes on with them.

Go on publishing with the online key: what it signs is followed as before, until root expires.

Begin another repository meanwhile, with keys in more hands: rstuf ceremony in an empty directory, the artifacts added
to it, and its first root given to everybody who downloads, by another way, before this root expires.
"""
LOST_CANNOT: Final = """
No new root can be signed: no other root key and no other online key can be let in, and root cannot live longer. There
is no exception: what keeps others from signing in your place keeps you from it, too.

Once root has expired, every client stops, whatever else is renewed.
"""


def texts_of(paragraphs: str) -> list[str]:
    return [" ".join(text.split()) for text in paragraphs.split("\n\n")]


def root_of_others(seen: rstuf.Status) -> StateBehind | None:
    """What is said of a root that clients follow and this workspace does not know; None where there is none."""
    newer = seen.old_copy
    return newer if newer is not None and newer.role == "root" else None


def steps_first(theirs: StateBehind | None) -> list[Step]:
    """What is to be done about a root that is published and not known here."""
    if theirs is None:
        return []
    if theirs.event is not None:
        return ways_of_loose_root(theirs.message)[:1]
    away = "if none of you signed it, and only then: yours takes its place. Who has followed it must pin yours anew"
    return [
        Step(f"move {theirs.visible}.root.json away", away),
        Step("rstuf doctor", "whether more of what is served is not yours, and what mends it"),
    ]


def steps_of_leak(facts: rstuf.RootFacts, out: Path | None) -> list[Step]:
    """What those do who can still sign a root; nobody can where too many keys are lost."""
    keys = count(facts.roles["root"].threshold, "new key")
    steps = [
        Step("rstuf key generate NAME", f"{keys} at least, where the leaked ones never were"),
        Step("rstuf root update --add NEW… --remove OLD…", "all in one root, signed by the old and by the new"),
        Step("rstuf recover online-key NAME --leaked", "whoever signs root decides over the online key too"),
    ]
    if out is None:
        steps.append(Step("rstuf recover root-keys --out FILE", "after that: the root that clients are to pin anew"))
    else:
        steps.append(Step(f"rstuf trust add NAME URL --root {out.name}", "what each of them types, with rstuf"))
    return steps


def tell_root_keys(console: Console, facts: rstuf.RootFacts, out: Path | None) -> None:
    threshold, keys = facts.roles["root"].threshold, len(facts.roles["root"].keyids)
    expires = both(facts.expires, SystemClock().now())
    leaked = f"where {count(threshold, 'root key')} or more leaked"
    lost = f"where fewer than {threshold} of {count(keys, 'root key')} are left; root expires {expires}"
    for head, texts in (
        (f"what can be done {leaked}", CAN),
        ("what cannot", CANNOT),
        (f"what can be done {lost}", LOST_CAN),
        ("what cannot", LOST_CANNOT),
    ):
        console.line(console.paint(head, Style.STRONG))
        for text in texts_of(texts):
            console.prose(f"  - {text}", indent=4)
        console.line()
    version = number(facts.pin.version)
    console.line(console.paint(f"the newest root here: v{version}", Style.STRONG))
    show_fingerprint(console, facts.pin.sha256)
    if out is not None:
        console.line()
        console.line(f"{sign(console, ok=True)} root v{version} is written to {escape(str(out))}")
