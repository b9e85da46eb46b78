"""The first time that a key holder is offered a bundle: trust begins with a fingerprint, or a root that they have."""

from __future__ import annotations

import pytest
from tests.support.bundles import DAY, World, encode
from tests.support.holders import WORLD, Holder
from tests.support.hostile import baseline
from tests.unit.metadata import roots

import rstuf
from rstuf.clock import iso
from rstuf_cli import prompts


def test_the_first_time_a_fingerprint_is_needed(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a root that they trust, the roots in the bundle are worth nothing."""
    monkeypatch.setattr(prompts, "person_is_there", lambda: False)
    done = holder.inspect(baseline(WORLD))
    assert done.code == 1
    assert "nothing says which root of this repository you trust" in done.err
    assert "--fingerprint" in done.err
    assert done.out == ""


@pytest.mark.parametrize("form", ["hex", "words", "grouped"])
def test_a_fingerprint_begins_trust(form: str, holder: Holder) -> None:
    """The first root's digest, as hex or words, leads to the root in force."""
    text = WORLD.first_root
    if form == "words":
        text = " ".join(rstuf.fingerprint_words(text))
    elif form == "grouped":
        text = " ".join(text[at : at + 4] for at in range(0, 64, 4)).upper()
    done = holder.inspect(baseline(WORLD), "--fingerprint", text)
    assert (done.code, done.err) == (0, "")
    assert "root v1, by the fingerprint that you gave" in done.out
    assert "root v3; 2 steps from there" in done.out


def test_a_person_is_asked_for_the_fingerprint(holder: Holder) -> None:
    """They type what was read to them; what the bundle says is not shown before, and a slip may be mended."""
    holder.typed = ["adrift", WORLD.first_root]
    done = holder.sign(baseline(WORLD))
    assert holder.asked[:2] == ["fingerprint, as hex or words:"] * 2
    assert "try again" in done.err
    assert WORLD.first_root not in done.err.split("try again")[0]
    assert holder.asked[2].startswith("Sign root-v4")


def test_another_fingerprint_is_another_repository(holder: Holder) -> None:
    """A bundle for a repository whose first root has another digest is refused."""
    done = holder.sign(baseline(WORLD), "--fingerprint", "ab" * 32)
    assert (done.code, holder.asked) == (3, [])
    assert "is not the root with this fingerprint" in done.err


def test_a_trusted_root_in_a_file(holder: Holder) -> None:
    """The signer's own copy of a root leads to the root in force; what the first root is, only the bundle says."""
    for version, file in enumerate(WORLD.files, 1):
        place = holder.place / f"{version}.root.json"
        place.write_bytes(file)
        done = holder.inspect(baseline(WORLD), "--trusted-root", place)
        assert done.code == 0, done.err
        assert f"root v{version}, by the file that you named" in done.out
        assert ("not known to you" in done.out) is (version > 1)


def test_a_trusted_root_of_another_repository(holder: Holder) -> None:
    """A root that the chain does not follow from is no way in."""
    other = holder.place / "other.json"
    other.write_bytes(World(WORLD.now + DAY).files[2])
    done = holder.inspect(baseline(WORLD), "--trusted-root", other)
    assert done.code == 3
    assert "is another one than the root 3 you trust" in done.err


def test_a_first_root_stands_on_its_own_word(holder: Holder) -> None:
    """For the first root there is nothing to trust, which is said loudly; signing it is remembered."""
    holder.answer = True
    done = holder.sign(encode(WORLD.first()))
    assert done.code == 0, done.err
    assert "! you trust    nothing here yet: all of it stands on its own word" in done.err
    assert [path.name for path in holder.signatures] == [f"root-v1.{roots.keyid(2)[:8]}.sig"]
    other = WORLD.first()
    other["parts"][0]["signed"]["expires"] = iso(WORLD.now + 200 * DAY)
    again = holder.sign(encode(other), "-o", "other.sig")
    assert "you signed another first root" in " ".join(again.err.split())
