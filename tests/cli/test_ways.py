"""The way to a workspace and its parts: whoever can change it can put something else at its end, and is kept out."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, Result, tree

COMMANDS = [["status"], ["verify"], ["artifact", "list"], ["publish"], ["renew"], ["artifact", "remove", "x"]]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")


def mend(done: Result) -> None:
    """Run the command that a hint is, as it stands there."""
    subprocess.run(["sh", "-c", done.err.splitlines()[-1].removeprefix("hint:  ")], check=True)


def refused(cli: Cli, workspace: Path, what: Path, reason: str) -> Result:
    """What a refusal says; every command refuses, and touches nothing."""
    before = tree(workspace)
    for argv in COMMANDS:
        done = cli("--repo", workspace, *argv)
        assert (done.code, done.out) == (1, ""), argv
        assert f"error: {what} is not safe to use: {reason}" in done.err
    assert tree(workspace) == before
    return done


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A directory, in a directory that is ours alone."""
    shelf = tmp_path / "on" / "the"
    shelf.mkdir(parents=True)
    return shelf


@pytest.mark.parametrize("above", [".", ".."])
def test_a_workspace_below_what_others_can_write_to_is_refused(above: str, cli: Cli, filled: Path, shelf: Path) -> None:
    """They could put another workspace in its place, however far up; the hint mends it."""
    workspace, directory = shelf / "acme", (shelf / above).resolve()
    filled.rename(workspace)
    directory.chmod(0o777)
    mend(refused(cli, workspace, directory, "everybody can write to it, and so change what lies below it"))
    assert cli("--repo", workspace, "status").code == 0


def test_a_shared_directory_may_lie_above(cli: Cli, filled: Path, shelf: Path) -> None:
    """Where everybody can write and each entry is its owner's alone to move, as in /tmp, ours stays where it is."""
    filled.rename(shelf / "acme")
    shelf.chmod(0o1777)
    assert cli("--repo", shelf / "acme", "status").code == 0


@root_only
def test_in_a_shared_directory_what_is_above_must_be_ours(cli: Cli, filled: Path, shelf: Path) -> None:
    """A directory of somebody else's in one like /tmp is theirs to change."""
    filled.rename(shelf / "acme")
    shelf.parent.chmod(0o1777)
    os.chown(shelf, 12345, 12345)
    refused(cli, shelf / "acme", shelf, "it belongs to another user (uid 12345)")


@root_only
@pytest.mark.parametrize("mode", [0o755, 0o1777], ids="{:o}".format)
def test_a_workspace_below_another_users_directory_is_refused(
    mode: int, cli: Cli, filled: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner of a directory can always rename what is in it, whatever its permissions are now."""
    filled.rename(shelf / "acme")
    for directory, _, files in os.walk(shelf / "acme"):
        for name in (".", *files):
            os.chown(Path(directory) / name, 999, 999)
    os.chown(shelf, 12345, 12345)
    shelf.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 999)
    done = refused(cli, shelf / "acme", shelf, "it belongs to another user (uid 12345)")
    assert "hint:  keep it where every directory above it is yours or root's" in done.err


@root_only
@pytest.mark.parametrize("mode", [0o755, 0o775], ids="{:o}".format)
def test_root_may_work_in_the_directory_of_whom_it_works_for(mode: int, cli: Cli, filled: Path, shelf: Path) -> None:
    """A container's root on a checkout that is mounted there; what everybody can write to is refused all the same."""
    filled.rename(shelf / "acme")
    os.chown(shelf, 12345, 12345)
    shelf.chmod(mode)
    assert cli("--repo", shelf / "acme", "status").code == 0
    shelf.chmod(0o777)
    refused(cli, shelf / "acme", shelf, "everybody can write to it")


@root_only
def test_a_group_of_ones_own_is_nobody_else(cli: Cli, filled: Path, shelf: Path) -> None:
    """Under umask 002 a directory above is open to the group that the user has alone; that of others is refused."""
    filled.rename(shelf / "acme")
    shelf.chmod(0o775)
    assert cli("--repo", shelf / "acme", "status").code == 0
    os.chown(shelf, -1, 12345)
    mend(refused(cli, shelf / "acme", shelf, "its group can write to it"))
    assert cli("--repo", shelf / "acme", "status").code == 0


@pytest.mark.parametrize("name", ["metadata", "targets", "keys"])
def test_a_link_to_where_others_can_write_is_refused(name: str, cli: Cli, filled: Path, shelf: Path) -> None:
    """Its end is ours alone, and a directory on the way there is not."""
    (filled / name).rename(shelf / name)
    (filled / name).symlink_to(shelf / name)
    assert cli("--repo", filled, "renew", "--force", "timestamp").code == 0
    shelf.chmod(0o777)
    mend(refused(cli, filled, shelf, "everybody can write to it"))
    assert cli("--repo", filled, "renew", "--force", "timestamp").code == 0


@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_that_others_could_replace_is_refused(
    absolute: bool, cli: Cli, filled: Path, shelf: Path, tmp_path: Path
) -> None:
    """A link on the way, in a directory that others can write to, though all directories behind it are ours."""
    (shelf / "link").symlink_to(tmp_path if absolute else Path("../.."))
    config = filled / "rstuf.toml"
    place = shelf / "link" / "elsewhere"
    (filled / "metadata").rename(tmp_path / "elsewhere")
    config.write_text(config.read_text().replace('"metadata"', f'"{place}"'))
    assert cli("--repo", filled, "verify").code == 0
    shelf.chmod(0o777)
    refused(cli, filled, shelf, "everybody can write to it")


@root_only
def test_a_link_of_another_user_in_a_shared_directory_is_refused(
    cli: Cli, filled: Path, shelf: Path, tmp_path: Path
) -> None:
    """In a directory like /tmp a link is its owner's to turn elsewhere."""
    (shelf / "link").symlink_to(tmp_path)
    shelf.chmod(0o1777)
    workspace = shelf / "link" / filled.name
    assert cli("--repo", workspace, "status").code == 0
    os.chown(shelf / "link", 12345, 12345, follow_symlinks=False)
    refused(cli, workspace, shelf / "link", "it belongs to another user (uid 12345)")


def test_links_in_a_circle_end(cli: Cli, filled: Path) -> None:
    """A link that leads to itself is an error, and no endless way."""
    shutil.rmtree(filled / "metadata")
    (filled / "metadata").symlink_to("metadata")
    assert cli("--repo", filled, "status").code == 6


def test_no_ceremony_below_what_others_can_write_to(cli: Cli, tmp_path: Path, shelf: Path) -> None:
    """It is refused before anything is made, and what is above is left as it is."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    shelf.chmod(0o777)
    done = cli("--repo", shelf / "new" / "acme", "ceremony", "--plan", plan)
    assert (done.code, f"hint:  chmod go-w {shelf}\n" in done.err) == (1, True)
    assert (list(shelf.iterdir()), stat.S_IMODE(shelf.stat().st_mode)) == ([], 0o777)


def test_one_hint_for_the_way_and_the_workspace(cli: Cli, filled: Path, shelf: Path) -> None:
    """Both are mended by one command: above, the directory alone; of the workspace, all of it."""
    workspace = shelf / "it's acme"
    filled.rename(workspace)
    for path in (shelf, workspace, workspace / "state.db"):
        path.chmod(0o777)
    done = refused(cli, workspace, workspace, "everybody can write to it, and so change the keys, the state and")
    mend(done)
    assert cli("--repo", workspace, "status").code == 0


# --- what is served --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0o020, 0o002], ids="{:03o}".format)
def test_nothing_is_put_into_a_served_directory_that_others_can_write_to(
    bits: int, cli: Cli, filled: Path, tmp_path: Path
) -> None:
    """However deep it lies; nothing of the command is taken, and the hint closes whatever else was left open there."""
    inside = filled / "targets" / "data" / "deep"
    inside.mkdir(mode=0o755)
    for path in (inside, filled / "targets" / "data"):
        path.chmod(0o755 | bits)
    new = tmp_path / "new.txt"
    new.write_text("new")
    before = tree(filled)
    done = cli("--repo", filled, "artifact", "add", "--prefix", "data/deep", new)
    assert done.code == 1
    assert f"{filled}/targets/data is not safe to use" in done.err
    assert tree(filled) == before
    mend(done)
    assert cli("--repo", filled, "artifact", "add", "--prefix", "data/deep", new).code == 0


@root_only
def test_nothing_is_put_into_another_users_directory(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """One that somebody else owns, in what is served, is refused by whoever would write there."""
    os.chown(filled / "targets" / "data", 12345, -1)
    (tmp_path / "new.txt").write_text("new")
    done = cli("--repo", filled, "artifact", "add", "--prefix", "data", tmp_path / "new.txt")
    assert (done.code, "it belongs to another user (uid 12345)" in done.err) == (1, True)


@pytest.mark.parametrize("key", ["metadata", "artifacts"])
@pytest.mark.parametrize("place", [".", "..", "keys", "keys/below", "state.db", "aside", "link", "behind"])
def test_what_is_private_is_never_served(key: str, place: str, cli: Cli, filled: Path) -> None:
    """A configuration that puts what is served over the keys or the state is refused, through links, too."""
    (filled / "aside").mkdir(mode=0o700)
    (filled / "state.db").rename(filled / "aside" / "state.db")
    (filled / "link").symlink_to("keys")
    (filled / "keys").rename(filled / "behind")
    (filled / "keys").symlink_to("behind")
    config = filled / "rstuf.toml"
    text = config.read_text().replace('"state.db"', '"aside/state.db"' if place != "state.db" else '"./state.db"')
    config.write_text(text)
    if place == "state.db":
        (filled / "aside" / "state.db").rename(filled / "state.db")
    else:
        assert cli("--repo", filled, "status").code == 0
    old = "metadata" if key == "metadata" else "targets"
    config.write_text(text.replace(f'"{old}"', f'"{place}"'))
    for argv in COMMANDS:
        done = cli("--repo", filled, *argv)
        assert (done.code, f"{key}: what is served may not hold" in done.err) == (1, True), argv
    assert cli("--repo", filled, "status", "--json").document["error"]["code"] == "invalid-config"


# --- keys ------------------------------------------------------------------------------------------------


@root_only
def test_a_key_that_belongs_to_somebody_else_is_refused(cli: Cli, filled: Path) -> None:
    """Its owner could put another in its place, whatever its permissions are."""
    key = filled / "keys" / "online.key"
    os.chown(key, 12345, 12345)
    done = cli("--repo", filled, "renew", "--force", "timestamp")
    assert (done.code, f"{key} is not safe to use: it is a private key that belongs to another" in done.err) == (
        1,
        True,
    )
    assert f"chown root {key}" in done.err


def test_a_key_behind_what_others_can_write_to_is_refused(cli: Cli, filled: Path, shelf: Path) -> None:
    """A key file may be a link, and then the way to its end is judged."""
    key = filled / "keys" / "online.key"
    key.rename(shelf / "online.key")
    key.symlink_to(shelf / "online.key")
    assert cli("--repo", filled, "renew", "--force", "timestamp").code == 0
    shelf.chmod(0o777)
    done = cli("--repo", filled, "renew", "--force", "timestamp")
    assert (done.code, f"{shelf} is not safe to use" in done.err) == (1, True)
    mend(done)
    assert cli("--repo", filled, "renew", "--force", "timestamp").code == 0
