"""What happens where somebody signs who is never here: roles that they make elsewhere, bins below theirs, targets."""

from __future__ import annotations

from tests.interop.steps import (
    BY_ADA,
    ODD,
    PRUNE,
    ROTATION,
    Step,
    add,
    contents,
    delegate,
    delegation,
    made,
    numbered,
    prepared,
    propose,
    propose_removal,
    remove,
    resize,
    run,
    signed_each,
    waits,
)


def absent() -> tuple[Step, ...]:
    """A role whose key is never here comes, changes and goes."""
    return (
        *signed_each(
            ("delegation to away waits", waits(*delegation("away", "away/*", "files/1*", more=BY_ADA))),
            ("artifacts of away wait", propose(contents(4, "away/new", "away/other", "files/1.bin"))),
            ("artifacts of away are to go", propose_removal("away/other")),
            ("away for other paths waits", waits("delegation", "update", "away", "--path", "away/*")),
        ),
        ("away has left", run("delegation", "remove", "away")),
    )


def brought() -> tuple[Step, ...]:
    """A delegate makes roles elsewhere, two and three deep; beside that they sign what is made here."""
    guest, kin, others = ("team/guest/*",), ("team/guest/in/*",), ("files/1*",)
    return (
        ("artifacts added", add(contents(1, *numbered("files", 0, 12), "team/one", *_guest("old", "in/old")))),
        delegate("team", "team/*", "team/*/*", "team/*/*/*", more=("--signer", "tara")),
        *signed_each(("guest waits", waits(*delegation("guest", *guest, *kin, more=("--parent", "team", *BY_ADA))))),
        ("guest adds", prepared("guest", contents(2, *_guest("a", "b", "c")))),
        ("guest replaces, removes", prepared("guest", contents(3, *_guest("a")), without=_guest("old"))),
        ("guest adds, by python-tuf", made("guest", contents(4, *_guest("d", "é f", "(g)")))),
        *signed_each(
            ("artifacts of guest wait", propose(contents(5, *_guest("b", "e")))),
            ("kin waits", waits(*delegation("kin", *kin, more=("--parent", "guest", "--terminating", *BY_ADA)))),
        ),
        ("kin adds", prepared("kin", contents(2, *_guest("in/a", "in/b")))),
        ("kin replaces, removes, by python-tuf", made("kin", contents(3, *_guest("in/a")), without=_guest("in/old"))),
        ("guest adds, removes, above kin", prepared("guest", contents(6, *_guest("f")), without=_guest("c"))),
        ("kin for longer", prepared("kin", {})),
        *ROTATION,
        *signed_each(("kin is to go", waits("delegation", "remove", "kin"))),
        ("guest adds, without kin", prepared("guest", contents(7, *_guest("in/b", "in/c")))),
        PRUNE,
        ("guest has left", run("delegation", "remove", "guest")),
        ("artifacts replaced", add(contents(8, *_guest("a"), "files/1.bin"))),
        *signed_each(
            ("guest comes back", waits(*delegation("guest", *guest, *others, more=("--before", "team", *BY_ADA))))
        ),
        ("guest replaces, removes again", prepared("guest", contents(9, "files/1.bin"), without=_guest("b"))),
    )


def split() -> tuple[Step, ...]:
    """A role whose key is never here is shared out over bins, which the online key signs."""
    some = numbered("shelf", 0, 16)
    return (
        ("artifacts added", add(contents(1, *numbered("files", 0, 6)))),
        *signed_each(
            ("delegation to shelf waits", waits(*delegation("shelf", "shelf/*", more=BY_ADA))),
            ("artifacts of shelf wait", propose(contents(1, *some[:9]))),
            ("shelf in 8 bins waits", waits(*resize(8, "shelf"))),
        ),
        ("artifacts of shelf added, replaced", add(contents(2, *some[7:]))),
        ("artifacts of shelf removed", remove(*some[3:5])),
        *signed_each(("shelf in 32 bins waits", waits(*resize(32, "shelf")))),
        ("artifacts of shelf replaced", add(contents(3, *some[:3]))),
        *signed_each(("shelf in 2 bins waits", waits(*resize(2, "shelf")))),
        ("artifacts of shelf removed again", remove(*some[:2])),
        PRUNE,
        ("shelf has left", run("delegation", "remove", "shelf")),
    )


def split_by_people() -> tuple[Step, ...]:
    """The same over bins that are signed by who is never here, too; then by the online key, and by them again."""
    some = numbered("shelf", 0, 16)
    return (
        ("artifacts added", add(contents(1, *numbered("files", 0, 6), *some[:9]))),
        *signed_each(
            ("delegation to shelf waits", waits(*delegation("shelf", "shelf/*", more=BY_ADA))),
            ("shelf in 4 bins waits", waits(*resize(4, "shelf", by="role"))),
            ("artifacts of shelf wait", propose(contents(2, *some[7:]))),
            ("artifacts of shelf are to go", propose_removal(*some[3:5])),
            ("shelf in 16 bins waits", waits(*resize(16, "shelf"))),
            ("replaced artifacts of shelf wait", propose(contents(3, *some[:3]))),
        ),
        *ROTATION,
        *signed_each(
            ("shelf in 2 bins waits", waits(*resize(2, "shelf"))),
            ("shelf waits for other paths", waits("delegation", "update", "shelf", "--path", "shelf/?.*")),
            ("shelf in 8 bins of the online key waits", waits(*resize(8, "shelf", by="online"))),
        ),
        ("artifacts of shelf replaced", add(contents(4, *some[4:8]))),
        *signed_each(
            ("shelf in 8 bins of its own waits again", waits(*resize(8, "shelf", by="role"))),
            ("artifacts of shelf are to go again", propose_removal(*some[:2])),
        ),
        PRUNE,
        ("shelf has left", run("delegation", "remove", "shelf")),
        *signed_each(
            ("shelf comes back, and waits", waits(*delegation("shelf", "shelf/*", more=BY_ADA))),
            ("shelf in 2 bins waits again", waits(*resize(2, "shelf", by="role"))),
        ),
    )


def absent_targets() -> tuple[Step, ...]:
    """Bins come and go, and delegations, where each change of targets waits for somebody."""
    return (
        ("artifacts added", add(contents(1, *numbered("files", 0, 12), "team/one", "team/two", *ODD))),
        *signed_each(("all in 32 bins waits", waits(*resize(32)))),
        ("artifacts replaced", add(contents(2, *numbered("files", 2, 6)))),
        *signed_each(("all in 4 bins waits", waits(*resize(4)))),
        ("artifacts removed", remove("files/3.bin", "UPPER")),
        *signed_each(("delegation to team waits", waits(*delegation("team", "team/*", more=("--signer", "tara"))))),
        ("artifacts of team added, replaced", add(contents(3, "team/one", "team/three"))),
        ("all in 16 bins, under targets", run(*resize(16))),
        *signed_each(("team waits to be terminating", waits("delegation", "update", "team", "--terminating"))),
        ("artifacts removed again", remove("team/two", "files/4.bin")),
        PRUNE,
        *signed_each(("team is to go", waits("delegation", "remove", "team"))),
        ("artifacts replaced again", add(contents(4, "team/one", "files/2.bin"))),
    )


def absent_flat() -> tuple[Step, ...]:
    """Every change waits, since targets lists all artifacts itself."""
    return signed_each(
        ("artifacts wait", propose(contents(1, *numbered("files", 0, 12), *ODD))),
        ("replaced artifacts wait", propose(contents(2, *numbered("files", 2, 6)))),
        ("artifacts are to go", propose_removal("files/3.bin", "UPPER")),
        ("delegation to team waits", waits(*delegation("team", "files/?.bin", more=("--signer", "tara")))),
        ("team waits for other paths", waits("delegation", "update", "team", "--path", "files/1*")),
    )


def _guest(*names: str) -> list[str]:
    return [f"team/guest/{name}" for name in names]
