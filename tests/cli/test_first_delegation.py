"""The first delegation of a repository whose targets are signed elsewhere: it brings the bins another holder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_status, copied, hold, in_time
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

LAYOUTS = {"succinct": "count = 4", "classic": "count = 4", "flat": ""}


@pytest.fixture(scope="module", params=LAYOUTS)
def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Two artifacts, team/one and other; carol signs targets, and she is away after that. tara, who is here, signs
    nothing yet."""
    home = tmp_path_factory.mktemp("first")
    (home / "new/team").mkdir(parents=True)
    (home / "new/team/one").write_bytes(b"one")
    (home / "new/other").write_bytes(b"other")
    text, _, _ = plan_text(name="acme", signers=["alice"]).partition("[bins]")
    layout = f'[bins]\nlayout = "{request.param}"\n{LAYOUTS[request.param]}\n'
    keys = '[keys.carol]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/carol.key"\n'
    return hold(
        home,
        f'{text}{layout}{keys}[targets]\nthreshold = 1\nsigners = ["carol"]\n',
        ("artifact", "add", home / "new"),
        ("key", "generate", "tara", "--unencrypted"),
        away=("carol",),
    )


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch, away=("carol",))))


@pytest.mark.parametrize("signer", ["", " --signer tara"])
def test_it_comes_out_once_she_signed(world: World, signer: str) -> None:
    """She signs it where she is, and clients of any age find every artifact where it was, or where it went."""
    place = world.home / "acme"
    root, site = (place / "metadata/1.root.json").read_bytes(), directory_site(place / "metadata", place / "targets")
    warm = Client(world.home / "client", site, root=root, now=world.at)
    warm.refresh()
    warm.walk()
    world.does(f"delegation add team --path 'team/*'{signer} --yes", codes=(4,))
    world.does(f"artifact add --prefix team {world.home / 'new/other'} --no-publish")
    world.is_led_on(by_status)
    fresh = Client(world.home / "fresh", site, root=root, now=world.at)
    for client in (warm, fresh):
        client.refresh()
        assert [client.download(path) for path in ("team/one", "other", "team/other")] == [b"one", b"other", b"other"]
    listed = {each["name"]: each["artifacts"] for each in world.does("delegation list --json").document["delegations"]}
    assert listed["team"] == 2
