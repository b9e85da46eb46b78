"""`recover state` and `recover metadata` where roles are delegated to by their names: all comes back, and goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.cli.test_recover_metadata import Clients, whole

DELEGATIONS = (
    ("key", "generate", "dana", "--unencrypted"),
    ("delegation", "add", "data", "--path", "data/*", "--signer", "dana", "--expires", "200d"),
    ("delegation", "add", "deep", "--path", "data/deep/*", "--path", "docs/*"),
    ("delegation", "add", "gone", "--path", "gone/*"),
    ("bins", "resize", "4", "--role", "deep"),
    ("delegation", "remove", "gone"),
)


@pytest.fixture(params=["succinct", "classic", "flat"])
def place(request: pytest.FixtureRequest, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that delegates, in each layout, with something in every role."""
    plan, place, files = tmp_path / "plan.toml", tmp_path / "shop", tmp_path / "files"
    bins = f'[bins]\nlayout = "{request.param}"\n' + ("" if request.param == "flat" else "count = 4\n")
    plan.write_text(PLAN.replace("[bins]\ncount = 4\n", bins))
    assert bins in plan.read_text()
    ran(cli, "--repo", place, "ceremony", "--plan", plan)
    monkeypatch.chdir(place)
    for name in ("a.txt", "b.txt", "data/b.bin", "docs/a", "docs/b", "docs/c", "gone/x"):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(name)
    ran(cli, "artifact", "add", files)
    for argv in DELEGATIONS:
        ran(cli, *argv, *(() if argv[0] in {"key"} else ("--yes",)))
    return place


@pytest.fixture
def clients(place: Path, tmp_path: Path) -> Clients:
    return Clients(place, tmp_path / "clients")


def ran(cli: Cli, *argv: object) -> str:
    done = cli(*argv)
    assert done.code == 0, done.err
    return done.out


def lose_state(place: Path) -> None:
    for path in place.glob("state.db*"):
        path.unlink()


def test_the_state_is_made_anew_and_all_goes_on(place: Path, cli: Cli, clients: Clients, tmp_path: Path) -> None:
    """What is published, who signs it and where it is are as before; every command that follows works."""
    before = ran(cli, "artifact", "export")
    delegations = cli("delegation", "list", "--json").document["delegations"]
    lose_state(place)
    done = cli("recover", "state", "--yes", "--plan", tmp_path / "plan.toml", "--json")
    assert done.code == 0, done.err
    assert done.document["delegated_roles"] == ["data", "deep"]
    assert done.document["artifacts"] == 7
    assert {key["name"]: key["signer"] for key in done.document["keys"]}["dana"] == "file:keys/dana.key"
    assert ran(cli, "artifact", "export") == before
    after = cli("delegation", "list", "--json").document["delegations"]
    assert [each["name"] for each in after] == [each["name"] for each in delegations]
    for old, new in zip(delegations, after, strict=True):
        # How long data lives is a guess now.
        assert {**new, "period": old["period"]} == old
    whole(cli)
    assert (cli("status", "--check").code, cli("renew").code, cli("status", "--check").code) == (7, 0, 0)
    clients.follow()
    (tmp_path / "new.txt").write_text("new")
    ran(cli, "artifact", "add", tmp_path / "new.txt", "--prefix", "docs")
    ran(cli, "artifact", "add", tmp_path / "new.txt", "--prefix", "data")
    ran(cli, "artifact", "remove", "a.txt", "--yes")
    ran(cli, "delegation", "update", "deep", "--path", "docs/*", "--expires", "90d", "--yes")
    ran(cli, "delegation", "add", "gone", "--path", "gone/*", "--before", "deep", "--yes")
    ran(cli, "bins", "resize", "2", "--role", "deep", "--yes")
    ran(cli, "delegation", "remove", "data", "--yes")
    clients.follow()
    whole(cli)
    for argv in (("status", "--check"), ("doctor",), ("log", "--verify"), ("lint",)):
        ran(cli, *argv)
    assert clients.fresh().download("docs/new.txt") == b"new"


def test_what_is_a_guess_is_said(place: Path, cli: Cli, tmp_path: Path) -> None:
    """How long delegated roles live is in no plan: it is a guess, and what sets it right is said."""
    lose_state(place)
    told = ran(cli, "recover", "state", "--yes", "--plan", tmp_path / "plan.toml")
    assert "2 delegated roles" in told
    assert "data lives 365d, a guess" in told
    assert "rstuf delegation update ROLE --expires PERIOD" in told
    assert "rstuf root update --role" not in told
    ran(cli, "delegation", "update", "data", "--expires", "200d", "--yes")


def test_keys_that_a_delegation_dropped_are_let_back_only_when_asked(place: Path, cli: Cli, tmp_path: Path) -> None:
    """Neither --yes nor another delegation lets one in silently, and one that is root's no more may be a delegate's."""
    ran(cli, "key", "generate", "dora", "--unencrypted")
    ran(cli, "key", "generate", "rita", "--unencrypted")
    ran(cli, "root", "update", "--add", "rita", "--yes")
    ran(cli, "root", "update", "--remove", "rita", "--yes")
    ran(cli, "delegation", "add", "rites", "--path", "rites/*", "--signer", "rita", "--yes")
    ran(cli, "delegation", "update", "data", "--signer", "dora", "--yes")
    lose_state(place)
    done = cli("recover", "state", "--yes", "--json")
    assert [key["name"] for key in done.document["dropped_keys"]] == ["dana"]
    before = tree(place)
    for argv in (
        ("delegation", "update", "data", "--signer", "dora", "--signer", "dana"),
        ("delegation", "add", "more", "--path", "more/*", "--signer", "dana"),
    ):
        refused = cli(*argv, "--yes")
        assert (refused.code, "it may have leaked" in refused.err, "--let-back" in refused.err) == (2, True, True)
    assert tree(place) == before
    ran(cli, "delegation", "add", "more", "--path", "more/*", "--signer", "dana", "--let-back", "--yes")
    ran(cli, "delegation", "update", "more", "--path", "more/*", "--path", "most/*", "--yes")
    ran(cli, "delegation", "update", "rites", "--path", "rites/*", "--path", "rights/*", "--yes")
    whole(cli)


def test_the_metadata_is_lost_and_comes_back(place: Path, cli: Cli, clients: Clients) -> None:
    """What people signed comes back to the byte, the rest above it; every client finds everything."""
    data = next(place.glob("metadata/*.data.json"))
    kept = data.read_bytes()
    shutil.rmtree(place / "metadata")
    done = cli("recover", "metadata", "--yes", "--json")
    assert done.code == 0, done.err
    assert data.read_bytes() == kept
    assert done.document["missing_contents"] == 0
    whole(cli)
    clients.follow()
    again = cli("recover", "metadata", "--yes", "--json").document
    assert (again["lost"], again["published"]) == ([], False)


def test_single_files_are_lost_and_come_back(place: Path, cli: Cli, clients: Clients) -> None:
    """A delegated role, one that has bins and one of these: each is as it was, or signed anew."""
    for pattern in ("*.data.json", "*.deep.json", "*.deep-bins-1.json"):
        for path in place.glob(f"metadata/{pattern}"):
            path.unlink()
    ran(cli, "recover", "metadata", "--yes")
    whole(cli)
    clients.follow()


def test_both_recoveries_follow_each_other(place: Path, cli: Cli, clients: Clients) -> None:
    """The new state has what it takes to bring everything back."""
    lose_state(place)
    ran(cli, "recover", "state", "--yes")
    ran(cli, "renew")
    shutil.rmtree(place / "metadata")
    ran(cli, "recover", "metadata", "--yes")
    whole(cli)
    clients.follow()


def test_a_replaced_online_key_is_taken_out_of_every_delegation(
    place: Path, cli: Cli, clients: Clients, tmp_path: Path
) -> None:
    """The state was lost right after the root of a leaked key: somebody answers for it, and all is signed anew."""
    ran(cli, "delegation", "update", "data", "--online", "--yes")
    metadata, before = place / "metadata", place / "before"
    shutil.copytree(metadata, before)
    ran(cli, "recover", "online-key", "online", "--leaked", "--unencrypted", "--yes")
    shutil.copy2(metadata / "2.root.json", before)
    shutil.rmtree(metadata)
    before.rename(metadata)
    lose_state(place)
    asked = cli("recover", "state", "--yes")
    assert (asked.code, "names no more" in asked.err) == (2, True)
    key = json.loads((metadata / "1.root.json").read_bytes())["signed"]["roles"]["timestamp"]["keyids"][0]
    ran(cli, "recover", "state", "--yes", "--former-key", key[:16])
    ran(cli, "renew")
    for path in metadata.glob("*.json"):
        signed = json.loads(path.read_bytes())["signed"]
        if signed["_type"] == "targets" and signed["version"] > 10_000:
            assert key not in json.dumps(signed.get("delegations", {})), path.name
    whole(cli)
    ran(cli, "status", "--check")
    clients.follow()


def test_another_number_of_bins_is_no_other_plan(place: Path, cli: Cli, tmp_path: Path) -> None:
    """The plan of the ceremony is taken although bins were resized since; one of another layout is not."""
    plan, layout = tmp_path / "plan.toml", (tmp_path / "plan.toml").read_text()
    if "flat" not in layout:
        ran(cli, "bins", "resize", "8", "--yes")
    lose_state(place)
    other = tmp_path / "other.toml"
    others = layout.replace("flat", "classic") if "flat" in layout else PLAN.replace("count = 4", 'layout = "flat"')
    other.write_text(others)
    refused = cli("recover", "state", "--yes", "--plan", other)
    assert (refused.code, "the plan of another repository" in refused.err) == (1, True), refused.err
    ran(cli, "recover", "state", "--yes", "--plan", plan)
    whole(cli)
