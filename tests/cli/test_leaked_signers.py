"""Signatures that a key gave before it was known to have leaked: a thief may have made them, and everybody is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Result, elsewhere
from tests.cli.led import World, copied, hold, in_time
from tests.support.plans import plan_text

_COUNTS = "tara leaked, and its signature of {} counts: see that its holder made it"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of tara, tom and vic sign team; tom and vic are elsewhere. What tara has signed waits for one of them."""
    home = tmp_path_factory.mktemp("signers")
    lives = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
    (home / "new").mkdir()
    (home / "new/one").write_bytes(b"one")
    three = ("--signer", "tara", "--signer", "tom", "--signer", "vic", "--threshold", "2")
    return hold(
        home,
        plan_text(name="acme", signers=["alice"], threshold=1, bins=2, expires=lives),
        *[("key", "generate", name, "--unencrypted") for name in ("tara", "tom", "vic", "gus")],
        ("delegation", "add", "team", "--path", "team/*", *three, "--yes"),
        away=("tom", "vic"),
    )


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    world = copied(made, in_time(World(tmp_path, cli, monkeypatch, away=("tom", "vic"))))
    world.does(f"artifact add --prefix team {world.home / 'new'}", codes=(4,))
    return world


@pytest.mark.parametrize(
    "command",
    [
        "key revoke tara --leaked --to gus",
        "recover root-key tara --leaked --to gus",
        "recover online-key tara --leaked",
    ],
)
def test_a_refused_leak_names_what_it_has_signed(world: World, command: str) -> None:
    """As it is noted, and from then on wherever the event is shown; with what drops it."""
    told = world.does(f"{command} --yes", codes=(1, 2)).err
    assert "tara has signed team-v2, which waits: see that its holder did; if not: rstuf event cancel team-v2" in told
    assert told.index("tara has signed") < told.index("refused:")
    assert "signed: tara, which leaked; missing: tom or vic" in world.does("status").out
    assert "it leaked: see that its holder did" in world.does("event show team-v2").out
    (signature,) = world.does("event show team-v2 --json").document["signatures"]
    assert (signature["key"], signature["leaked"]) == ("tara", True)
    assert "tara has signed" not in world.does(f"{command} --yes", codes=(1, 2)).err


def test_what_comes_out_with_it_says_so(world: World) -> None:
    """Signed here or brought: whoever lets it come out learns whose signature counted."""
    world.does("key revoke tara --leaked --to gus --yes", codes=(1, 2))
    (world.home / "tom/tom.key").rename(world.home / "acme/keys/tom.key")
    done = world.does("sign team-v2 --yes")
    assert _COUNTS.format("team-v2") in " ".join(done.err.split())
    assert "team v2 has all its signatures, and is published" in done.out


def test_a_bundle_that_completes_it_says_so(world: World) -> None:
    """Whoever brings the last signature learns it, too."""
    done = bring_last_signature(world)
    assert " ".join(done.err.split()).count(_COUNTS.format("team-v2")) == 1
    assert world.events() == {}


def test_scripts_are_told_too(world: World) -> None:
    """Of what came out, the names of the keys that leaked and whose signatures it has."""
    (completed,) = bring_last_signature(world, " --json").document["completed"]
    assert (completed["event"], completed["published"], completed["leaked"]) == ("team-v2", True, ["tara"])


def bring_last_signature(world: World, options: str = "") -> Result:
    """Tara's leak is noted, and tom signs elsewhere what she has signed before."""
    world.does("key revoke tara --leaked --to gus --yes", codes=(1, 2))
    bundle = world.home / "team-v2.rstuf"
    world.does(f"bundle export team-v2 -o {bundle}")
    return world.does(f"bundle import {elsewhere(world.home, 'tom', bundle, world.monkeypatch)}{options}")
