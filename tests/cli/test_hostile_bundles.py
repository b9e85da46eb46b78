"""What hostile bundles come to: each is refused, or marked before its holder is asked (T35)."""

from __future__ import annotations

import re

import pytest
from tests.cli.conftest import tree
from tests.support.holders import WORLD, Holder, marked
from tests.support.hostile import baseline, hostile
from tests.unit.metadata import roots

HOSTILE = hostile(WORLD)


def test_there_are_enough_hostile_bundles() -> None:
    """The table is as long as it should be, and no two of it are the same."""
    assert len(HOSTILE) >= 150
    assert len(set(HOSTILE.values())) == len(HOSTILE)
    assert baseline(WORLD) not in HOSTILE.values()


def test_an_honest_bundle_is_not_marked(holder: Holder) -> None:
    """Beside them, an honest one has no mark at all: a mark means something."""
    WORLD.record(holder.record)
    done = holder.sign(baseline(WORLD))
    assert (done.code, marked(done), holder.opened) == (1, [], [])
    assert holder.asked == [f'Sign root-v4 with "vault", {roots.keyid(2)[:4]} {roots.keyid(2)[4:8]} …?']


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_or_marked(name: str, holder: Holder) -> None:
    """Each is refused, or marked before the question; nobody is asked for a passphrase, and nothing is signed."""
    WORLD.record(holder.record)
    before, holder.typed = tree(holder.record), [WORLD.first_root]
    # By a key that may sign it, or nothing would be asked whatever it says.
    done = holder.sign(HOSTILE[name], key="online.key" if name.startswith("targets:") else "vault.key")
    assert done.code in {1, 3}, done.err
    assert holder.opened == []
    assert holder.signatures == []
    assert tree(holder.record) == before
    assert "Traceback" not in done.err
    assert not any(ord(character) < 32 and character != "\n" for character in done.err)
    assert "\u202e" not in done.err
    if any(question.startswith("Sign") for question in holder.asked):
        assert marked(done), done.err
        assert re.fullmatch("! there (is one thing|are [0-9]+ things) marked ! above", marked(done)[-1])
        assert done.out == ""
    else:
        assert re.search("^error: ", done.err, re.MULTILINE), done.err
        assert "defect of rstuf" not in done.err


def test_all_that_is_marked_is_counted(holder: Holder) -> None:
    """The count above the question is of all marks, those at keys and fields too."""
    WORLD.record(holder.record)
    *marks, last = marked(holder.sign(HOSTILE["targets: bins of mallory"], key="online.key"))
    assert [mark[:5] for mark in marks] == ["!   +", "! all"]
    assert last == "! there are 2 things marked ! above"


def test_what_is_grave_is_above_the_question(holder: Holder) -> None:
    """However long a review is, what is grave in it stands within a screen of the question, too."""
    WORLD.record(holder.record)
    lines = holder.sign(HOSTILE["key: 60 in root"]).err.splitlines()
    message = "! root asks for 1 signature instead of 2"
    assert len(lines) > 400
    assert lines.count(message) == 2
    assert message in lines[-24:]


@pytest.mark.parametrize(
    "name",
    [
        *("key: 100 in no role", "key: 100 in root", "targets: unused keys", "targets: keys of a role"),
        *("targets: roles", "targets: many patterns", "targets: a long name", "targets: a long key id"),
        *("targets: a long scheme", "targets: keys in many roles"),
    ],
)
def test_what_nobody_can_read_is_refused(name: str, holder: Holder) -> None:
    """A bundle with more than a person can look through is refused, and they are not asked."""
    WORLD.record(holder.record)
    done = holder.sign(HOSTILE[name], key="online.key" if name.startswith("targets:") else "vault.key")
    assert (done.code, holder.asked) == (3, [])
    assert len(done.err.splitlines()) < 5
