"""Permissions: what rstuf makes is never too wide, whatever the umask, and what others can change is not used."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, Result, tree

RSTUF = [sys.executable, "-m", "rstuf_cli"]
LOOKING = [["status"], ["verify"], ["artifact", "list"], ["publish", "--dry-run"]]
CHANGING = [["publish"], ["renew"], ["artifact", "remove", "x"]]
PLACES = [
    "",
    "rstuf.toml",
    "state.db",
    "keys",
    "metadata",
    "metadata/.staging",
    "targets",
    "write.lock",
    "publish.lock",
    "stamps.db",
]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan whose keys need nobody."""
    place = tmp_path / "plan.toml"
    place.write_text(PLAN)
    return place


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def under(umask: int, *argv: object, **options: object) -> subprocess.CompletedProcess[str]:
    """A command under a umask."""
    command = [*RSTUF, *map(str, argv)]
    return subprocess.run(command, umask=umask, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def expected(path: Path, workspace: Path) -> int:
    """What the permission bits of something in a workspace should be."""
    inside = path.relative_to(workspace)
    if path == workspace or inside.name == ".staging" or inside == Path("keys"):
        return 0o700
    if inside.parts[0] in {"metadata", "targets"}:
        return 0o755 if path.is_dir() else 0o644
    return 0o644 if inside == Path("rstuf.toml") or inside.suffix == ".pub" else 0o600


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077], ids="{:03o}".format)
def test_what_is_made_has_the_same_permissions_under_every_umask(umask: int, plan: Path, tmp_path: Path) -> None:
    """Secrets 0600 in directories 0700, what is served readable by all and writable by nobody else."""
    workspace, file = tmp_path / "made", tmp_path / "one.txt"
    file.write_text("one")
    assert under(umask, "--repo", workspace, "ceremony", "--plan", plan).returncode == 0
    assert under(umask, "--repo", workspace, "artifact", "add", "--prefix", "a/b", file).returncode == 0
    assert under(umask, "--repo", workspace, "renew", "--force", "root", "--force", "bins").returncode == 0
    found = {path: mode_of(path) for path in [workspace, *workspace.rglob("*")]}
    assert found == {path: expected(path, workspace) for path in found}
    assert len(found) > 25


@pytest.mark.parametrize("umask", [0o000, 0o077], ids="{:03o}".format)
def test_a_demo_leaves_nothing_that_others_can_change(umask: int, tmp_path: Path) -> None:
    """Also what lies beside the repository in the demo's workspace, and the directories on the way to it."""
    assert under(umask, "demo", "on/the/way", cwd=tmp_path).returncode == 0
    assert not [path for path in tmp_path.rglob("*") if mode_of(path) & 0o022]
    assert mode_of(tmp_path / "on/the/way") == 0o700


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_nothing_is_wider_for_a_moment(plan: Path, tmp_path: Path) -> None:
    """Every file and directory is private when it is made, and opened to others only when it is meant to be."""
    trace, workspace = tmp_path / "trace", tmp_path / "made"
    (tmp_path / "one.txt").write_text("one")
    made: list[str] = []
    for argv in (["ceremony", "--plan", str(plan)], ["artifact", "add", str(tmp_path / "one.txt")]):
        command = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=openat,mkdir,mkdirat"]
        command += [*RSTUF, "--repo", str(workspace), *argv]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        assert subprocess.run(command, umask=0, capture_output=True, check=False, env=environment).returncode == 0
        made += [line for line in trace.read_text().splitlines() if "O_CREAT" in line or "mkdir" in line]
    modes = [re.search(r", (0\d{3,})\)? += (?!-1)|, (0\d{3,})\) += (?!-1)", line) for line in made]
    wide = [line for line, found in zip(made, modes, strict=True) if found and int(found[1] or found[2], 8) & 0o077]
    assert wide == []
    assert sum(found is not None for found in modes) > 10


@pytest.mark.parametrize("bits", [0o020, 0o002, 0o022], ids="{:03o}".format)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place or "workspace")
def test_what_others_can_write_is_refused(place: str, bits: int, cli: Cli, filled: Path) -> None:
    """By commands that look, too; the hint is the command that mends it, and nothing is touched before that."""
    path = filled / place
    if place == "stamps.db":
        path.touch(0o600)
    before = tree(filled)
    path.chmod(mode_of(path) | bits)
    for argv in LOOKING + CHANGING:
        done = cli("--repo", filled, *argv)
        assert (done.code, done.out) == (1, ""), argv
        assert str(path) in done.err
        who = "everybody" if bits & 0o002 else "its group"
        assert f"is not safe to use: {who} can write to it, and so change" in done.err
    assert cli("--repo", filled, "status", "--json").document["error"]["code"] == "unsafe-permissions"
    assert tree(filled) == before
    subprocess.run(shlex.split(done.err.splitlines()[-1].removeprefix("hint:  ")), check=True)
    assert not mode_of(path) & 0o022
    assert cli("--repo", filled, "status").code == 0


def mend(done: Result) -> None:
    """Run the command that a hint is, as it stands there."""
    command = done.err.splitlines()[-1].removeprefix("hint:  ")
    subprocess.run(["sh", "-c", command], check=True)


@pytest.mark.parametrize("bits", [0o022, 0o020], ids="{:03o}".format)
def test_one_hint_mends_all(bits: int, cli: Cli, filled: Path, tmp_path: Path) -> None:
    """A workspace out of an archive under a loose umask: one command closes all of it, in what is served too."""
    workspace = tmp_path / "it's a workspace"
    shutil.copytree(filled, workspace)
    for path in workspace.rglob("*"):
        path.chmod(mode_of(path) | bits)
    done = cli("--repo", workspace, "status")
    assert re.search(r"can write to it, and so change [a-z ]+\n", done.err)
    mend(done)
    assert cli("--repo", workspace, "status").code == 0
    assert not [path for path in workspace.rglob("*") if mode_of(path) & 0o022]


def test_one_hint_mends_all_that_the_configuration_names(cli: Cli, filled: Path) -> None:
    """Several places are left open: the hint is one command that closes them and what is in them."""
    for path in (*(filled / "metadata").iterdir(), filled / "metadata", filled / "targets", filled / "state.db"):
        path.chmod(mode_of(path) | 0o022)
    done = cli("--repo", filled, "status")
    assert re.search(r"everybody can write to it, and so change the state \(and 3 more places\)\n", done.err)
    mend(done)
    assert cli("--repo", filled, "status").code == 0
    assert not [path for path in filled.rglob("*") if mode_of(path) & 0o022]


def test_what_is_only_readable_by_others_is_used(cli: Cli, filled: Path) -> None:
    """Being read is no danger to what is served, nor is it to the state."""
    for path in (filled, filled / "metadata", filled / "state.db", filled / "keys"):
        path.chmod(mode_of(path) | 0o055)
    assert cli("--repo", filled, "renew", "--force", "timestamp").code == 0


@root_only
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place or "workspace")
def test_what_belongs_to_somebody_else_is_refused(place: str, cli: Cli, filled: Path) -> None:
    """Root is no exception: the error says whose it is and the two ways on."""
    if place == "stamps.db":
        (filled / place).touch(0o600)
    os.chown(filled / place, 12345, 12345)
    for argv in LOOKING + CHANGING:
        done = cli("--repo", filled, *argv)
        assert (done.code, done.out) == (1, ""), argv
        assert "it belongs to another user (uid 12345)" in done.err
        assert "hint:  run it as uid 12345, or take it over: chown -R root " in done.err


@root_only
def test_what_belongs_to_root_is_trusted(cli: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user may look at a repository of root's, as far as its permissions let them."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert cli("--repo", filled, "status").code == 0


@pytest.mark.parametrize("name", ["rstuf.toml", "state.db", "state.db-wal", "write.lock", "stamps.db"])
def test_links_in_place_of_files_are_refused(name: str, cli: Cli, filled: Path, tmp_path: Path) -> None:
    """A state that has two names would have two sets of locks."""
    if (filled / name).exists():
        (filled / name).rename(tmp_path / "elsewhere")
    (filled / name).symlink_to(tmp_path / "elsewhere")
    for argv in LOOKING + CHANGING:
        done = cli("--repo", filled, *argv)
        assert (done.code, "is a symbolic link" in done.err) == (1, name in done.err), argv


@pytest.mark.parametrize("name", ["metadata", "targets", "keys"])
def test_a_directory_may_lie_elsewhere(name: str, cli: Cli, filled: Path, tmp_path: Path) -> None:
    """Through a link, and is then judged where it lies."""
    elsewhere = tmp_path / "elsewhere"
    (filled / name).rename(elsewhere)
    (filled / name).symlink_to(elsewhere)
    assert cli("--repo", filled, "renew", "--force", "timestamp").code == 0
    assert cli("--repo", filled, "verify", "--artifacts").code == 0
    elsewhere.chmod(0o1777)
    assert "can write to it" in cli("--repo", filled, "status").err


def test_no_fifo_is_waited_for(cli: Cli, filled: Path) -> None:
    """Something else than a file in the place of one is refused, not opened."""
    for name in ("rstuf.toml", "state.db"):
        (filled / name).rename(filled / "aside")
        os.mkfifo(filled / name)
        assert cli("--repo", filled, "status").code == 1
        (filled / name).unlink()
        (filled / "aside").rename(filled / name)


def test_a_state_elsewhere(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """Its directory holds its locks and is judged like the workspace."""
    elsewhere = tmp_path / "state"
    elsewhere.mkdir(0o700)
    (filled / "state.db").rename(elsewhere / "state.db")
    config = filled / "rstuf.toml"
    config.write_text(config.read_text().replace('"state.db"', f'"{elsewhere / "state.db"}"'))
    assert cli("--repo", filled, "renew", "--force", "timestamp").code == 0
    elsewhere.chmod(0o1777)
    assert str(elsewhere) in cli("--repo", filled, "publish").err


def test_a_shared_directory_is_no_workspace(
    cli: Cli, made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's rstuf.toml in a directory like /tmp is not found by who stands below it."""
    shared = tmp_path / "shared"
    (shared / "mine").mkdir(parents=True)
    shutil.copy(made_once / "rstuf.toml", shared)
    shared.chmod(0o1777)
    monkeypatch.chdir(shared / "mine")
    assert f"{shared} is not safe to use" in cli("artifact", "list").err


# --- the ceremony ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [(), ("metadata", "targets")], ids=str)
def test_a_ceremony_closes_what_a_loose_umask_left(there: tuple[str, ...], plan: Path, tmp_path: Path) -> None:
    """`mkdir acme; cd acme` under umask 002 is no hindrance: the directory is closed, and that is said."""
    workspace = tmp_path / "acme"
    for place in (workspace, *(workspace / name for name in there)):
        place.mkdir()
        place.chmod(0o775)
    done = under(0o002, "ceremony", "--plan", plan, cwd=workspace)
    assert done.returncode == 0, done.stderr
    for place in (workspace, *(workspace / name for name in there)):
        assert f"! your group could write to {place}; now you alone can\n" in done.stderr
    assert mode_of(workspace) == 0o755
    assert under(0o002, "status", cwd=workspace).returncode == 0


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2775, 0o757], ids="{:o}".format)
def test_a_ceremony_does_not_close_what_is_shared_on_purpose(mode: int, cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Everybody's directory, or one that hands its group on, is refused and stays as it is."""
    workspace = tmp_path / "acme"
    workspace.mkdir()
    workspace.chmod(mode)
    done = cli("--repo", workspace, "ceremony", "--plan", plan)
    assert (done.code, "hint:  chmod go-w " in done.err) == (1, True)
    assert mode_of(workspace) == mode
    assert list(workspace.iterdir()) == []


@root_only
def test_a_ceremony_does_not_close_another_groups_directory(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """A group that was given a directory keeps it."""
    (tmp_path / "acme").mkdir(mode=0o775)
    (tmp_path / "acme").chmod(0o775)
    os.chown(tmp_path / "acme", -1, 12345)
    assert cli("--repo", tmp_path / "acme", "ceremony", "--plan", plan).code == 1
    os.chown(tmp_path / "acme", 12345, 0)
    assert "another user" in cli("--repo", tmp_path / "acme", "ceremony", "--plan", plan).err


def test_a_refused_plan_closes_nothing(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Permissions change only when the ceremony is carried out."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme").chmod(0o775)
    plan.write_text(
        PLAN.replace('generate = "ed25519"\nencrypt = false\nsigner = "file:keys/bob.key"', 'public = "no.pub"')
    )
    assert cli("--repo", tmp_path / "acme", "ceremony", "--plan", plan).code == 1
    assert mode_of(tmp_path / "acme") == 0o775
