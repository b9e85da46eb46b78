"""`rstuf status` about what roles do not show: a publication under way, keys, the clock."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree

from rstuf.storage.filesystem import FilesystemMetadataStorage

Later = Callable[[timedelta], None]
HOLDER = '{"pid": 4711, "command": "rstuf publish", "since": "2026-11-20T16:00:00Z"}'


def interrupt(cli: Cli, monkeypatch: pytest.MonkeyPatch, *, visible: bool) -> None:
    """A publication that is killed right before or right after clients can see it."""
    replace = FilesystemMetadataStorage.replace

    def broken(self: FilesystemMetadataStorage, name: str, data: bytes) -> None:
        if visible:
            replace(self, name, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FilesystemMetadataStorage, "replace", broken)
        assert cli("renew", "--force", "timestamp").code == 130


@pytest.mark.parametrize("visible", [False, True], ids=["before", "after"])
def test_a_publication_under_way_is_not_interrupted(
    visible: bool, cli: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its lock is held it is being carried out, by whom it says; without a holder it was interrupted."""
    interrupt(cli, monkeypatch, visible=visible)
    with (filled / "publish.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(HOLDER)
        held.flush()
        document = cli("status", "--json").document
        shown = cli("status").out
    assert (document["interrupted"], document["state"], document["next_steps"]) == (False, "healthy", [])
    assert document["publishing"] == "pid 4711 (rstuf publish), since 2026-11-20T16:00:00Z"
    assert f"  {document['publishing']}, is publishing now\n" in shown
    assert "interrupted" not in shown
    left = cli("status", "--json").document
    assert (left["interrupted"], "publishing" in left) == (True, False)
    assert [step["command"] for step in left["next_steps"]] == ["rstuf publish"]
    assert cli("publish").code == 0
    done = cli("status", "--json").document
    assert (done["interrupted"], done["next_steps"]) == (False, [])


@pytest.mark.parametrize("visible", [False, True], ids=["before", "after"])
def test_a_publication_that_ends_meanwhile_is_no_damage(
    visible: bool, cli: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends between the look at the state and that at the files: what is seen then is told, and nothing is wrong."""
    interrupt(cli, monkeypatch, visible=visible)
    read, ended = FilesystemMetadataStorage.read, list[int]()

    def publishing(self: FilesystemMetadataStorage, name: str, *, limit: int) -> bytes:
        if not ended:
            ended.append(1)
            assert cli("publish").code == 0
            assert cli("renew", "--force", "timestamp").code == 0
        return read(self, name, limit=limit)

    monkeypatch.setattr(FilesystemMetadataStorage, "read", publishing)
    document = cli("status", "--json").document
    assert ended
    assert (document["state"], document["interrupted"], document["next_steps"]) == ("healthy", False, [])


def _gone(key: Path) -> None:
    key.unlink()


def _a_directory(key: Path) -> None:
    key.unlink()
    key.mkdir()


def _readable(key: Path) -> None:
    key.chmod(0o644)


def _another(key: Path) -> None:
    key.write_bytes(key.with_name("alice.key").read_bytes())


def _garbled(key: Path) -> None:
    key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    ("spoil", "command", "why"),
    [
        (_gone, "put back keys/online.key", "there is no such file"),
        (_a_directory, "put back keys/online.key", "it is not a regular file"),
        (_readable, "chmod 600 {}/keys/online.key", "others can read"),
        (_another, "put back keys/online.key", "online.key holds another key"),
        (_garbled, "put back keys/online.key", "it is damaged"),
    ],
    ids=["gone", "directory", "readable", "another", "garbled"],
)
def test_an_online_key_that_cannot_sign(
    spoil: Callable[[Path], None], command: str, why: str, cli: Cli, filled: Path
) -> None:
    """It is told at once, while nothing is due, with what to do; to a monitor by exit 7; and nothing is changed."""
    spoil(filled / "keys" / "online.key")
    before = tree(filled)
    done = cli("status", "--check")
    (step,) = cli("status", "--json").document["next_steps"]
    assert done.code == 7
    assert step["command"] == command.format(filled)
    assert why in step["why"]
    assert "the online key cannot sign" in done.out
    assert tree(filled) == before


def _lost(file: Path) -> None:
    file.unlink()


def _shorter(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [_lost, _shorter, _a_directory])
def test_bins_that_clients_cannot_read(damage: Callable[[Path], None], cli: Cli, filled: Path) -> None:
    """They are damage like that of any other role: exit 8, and the command that is named mends them."""
    names = [path.name.split(".")[1] for path in sorted((filled / "metadata").glob("1.bins-*.json"))]
    visible = {name: max((filled / "metadata").glob(f"*.{name}.json")) for name in names}
    damage(visible["bins-0"])
    done, document = cli("status", "--check"), cli("status", "--json").document
    assert (done.code, document["state"]) == (8, "damaged")
    assert [role["lost"] for role in document["roles"] if "lost" in role] == [["bins-0"]]
    (step,) = document["next_steps"]
    assert step["command"] == "rstuf renew --force bins-0"
    assert found_by_doctor(cli) >= {step["command"]}
    assert cli(*step["command"].split()[1:]).code == 0
    assert cli("status", "--check").code == 0
    for name in names:
        max((filled / "metadata").glob(f"*.{name}.json")).unlink()
    (step,) = cli("status", "--json").document["next_steps"]
    assert (step["command"], "4 bins" in step["why"]) == ("rstuf renew --force bins", True)


def found_by_doctor(cli: Cli) -> set[str]:
    """The commands that doctor names."""
    return {each.get("mend", "") for each in cli("doctor", "--json").document["findings"]}


def test_a_root_that_is_none_is_moved_away(cli: Cli, filled: Path) -> None:
    """Renewal is refused beside it: status, doctor and verify say what helps, and no other command."""
    junk = filled / "metadata" / "2.root.json"
    junk.write_bytes((filled / "metadata" / "1.root.json").read_bytes())
    advice = "move 2.root.json away"
    assert [step["command"] for step in cli("status", "--json").document["next_steps"]] == [advice]
    assert [step["command"] for step in cli("verify", "--json").document["next_steps"]] == [advice]
    assert found_by_doctor(cli) == {advice}
    junk.unlink()
    assert cli("doctor").code == 0


def test_a_directory_in_the_place_of_a_file(cli: Cli, filled: Path) -> None:
    """It has to be moved away first; renewal is refused before it begins anything, and mends all afterwards."""
    timestamp = filled / "metadata" / "timestamp.json"
    _a_directory(timestamp)
    steps = ["move timestamp.json away", "rstuf renew --force timestamp"]
    assert [step["command"] for step in cli("status", "--json").document["next_steps"]] == steps
    assert [step["command"] for step in cli("verify", "--json").document["next_steps"]] == steps
    assert ", then ".join(steps) in found_by_doctor(cli)
    before = tree(filled)
    refused = cli("renew", "--force", "timestamp")
    assert (refused.code, "a directory stands in its place" in refused.err) == (6, True)
    assert tree(filled) == before
    timestamp.rmdir()
    done = cli("renew", "--force", "timestamp")
    assert (done.code, "interrupted" in done.err + done.out) == (0, False)
    assert cli("doctor").code == 0


def test_a_key_of_a_person_that_is_away(cli: Cli, filled: Path) -> None:
    """Where it should be and is not is told, and it is nothing to do: it may be in a safe."""
    (filled / "keys" / "alice.key").rename(filled.parent / "usb.key")
    done = cli("status", "--check")
    assert (done.code, "next\n" in done.out) == (0, False)
    assert f"  not here: alice, {filled}/keys/alice.key: there is no such file\n" in done.out
    signers = {each["name"]: each for each in cli("status", "--json").document["signers"]}
    assert "fault" in signers["alice"]
    assert "fault" not in signers["bob"]
    assert [name for name, each in signers.items() if each["online"]] == ["online"]


def test_a_clock_that_is_behind(cli: Cli, filled: Path, later: Later) -> None:
    """It is told with numbers by whatever signs or shows, and makes nothing look younger than it is."""
    later(timedelta(days=-40))
    words = "40 days before the newest signature here"
    seen = cli("status")
    assert words in seen.out
    assert seen.out.splitlines()[-1].startswith("  set the clock  it says 20")
    document = cli("status", "--json").document
    assert document["clock_behind"]["now"] == document["now"] < document["clock_behind"]["newest"]
    assert "in 14 days" in seen.out
    (filled.parent / "c.txt").write_bytes(b"c\n")
    for argv in (["renew"], ["publish"], ["renew", "--force", "timestamp"], ["artifact", "add", "../c.txt"]):
        assert words in cli(*argv, "-q").err, argv
    assert cli("publish", "--json").err == ""
    assert cli("publish", "--json").document["clock_behind"].keys() == {"now", "newest"}


def test_a_clock_that_was_set_a_little_is_no_matter(cli: Cli, filled: Path, later: Later) -> None:
    """What keeps clocks right moves them by seconds."""
    later(timedelta(seconds=-30))
    assert "clock" not in cli("status").out + cli("publish").err
