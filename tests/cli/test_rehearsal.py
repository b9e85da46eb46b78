"""`rstuf ceremony --dry-run` refuses what the ceremony would refuse, in the same words, and makes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.support.person import Person

from rstuf.storage.filesystem import FilesystemMetadataStorage

ENCRYPTED = PLAN.replace("encrypt = false\n", "", 1)


def _taken(place: Path, _: Path) -> None:
    (place / "keys").mkdir(mode=0o700)
    (place / "keys" / "bob.key").write_text("mine")


def _public_taken(place: Path, _: Path) -> None:
    (place / "keys").mkdir(mode=0o700)
    (place / "keys" / "alice.pub").write_text("mine")


def _loose_keys(place: Path, _: Path) -> None:
    (place / "keys").mkdir(mode=0o700)
    (place / "keys").chmod(0o777)


def _shared(place: Path, _: Path) -> None:
    place.chmod(0o777)


def _begun_by_another(place: Path, _: Path) -> None:
    (place / "metadata").mkdir()
    (place / "metadata" / "1.root.json").write_text("{}")


def _a_file_for_contents(place: Path, _: Path) -> None:
    (place / "targets").write_text("a file")


def _serves_keys(_: Path, plan: Path) -> None:
    plan.write_text(PLAN.replace("[repository]\n", '[repository]\nmetadata = "keys/public"\n'))


def _same_key_twice(place: Path, plan: Path) -> None:
    existing = 'public = "twin.pub"'
    text = PLAN
    for name in ("alice", "bob"):
        made = f'generate = "ed25519"\nencrypt = false\nsigner = "file:keys/{name}.key"'
        assert made in text
        text = text.replace(made, existing)
    plan.write_text(text)
    shutil.copy(_KEYS / "alice.pub", plan.parent / "twin.pub")


def _lost_online(place: Path, plan: Path) -> None:
    made = 'generate = "ed25519"\nencrypt = false\nsigner = "file:keys/online.key"'
    plan.write_text(PLAN.replace(made, 'signer = "file:nowhere.key"'))


_KEYS = Path()


@pytest.fixture(autouse=True)
def _keys(made_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "_KEYS", made_once / "keys")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    place = tmp_path / "plan.toml"
    place.write_text(PLAN)
    return place


Spoil = Callable[[Path, Path], None]


@pytest.mark.parametrize(
    "spoil",
    [
        _taken,
        _public_taken,
        _loose_keys,
        _shared,
        _begun_by_another,
        _a_file_for_contents,
        _serves_keys,
        _same_key_twice,
        _lost_online,
    ],
)
def test_what_the_ceremony_refuses(spoil: Spoil, cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Places, permissions, keys and thresholds: one error, whichever of the two meets it, and no file of ours."""
    place = tmp_path / "new"
    place.mkdir(mode=0o700)
    spoil(place, plan)
    before = tree(tmp_path)
    rehearsed = cli("--repo", place, "ceremony", "--plan", plan, "--dry-run")
    assert (rehearsed.code, rehearsed.out, rehearsed.err[:7]) == (1, "", "error: ")
    assert tree(tmp_path) == before
    held = cli("--repo", place, "ceremony", "--plan", plan)
    assert (held.code, held.out, held.err) == (1, "", rehearsed.err)
    assert tree(tmp_path) == before


def test_a_repository_that_is_there(cli: Cli, plan: Path, workspace: Path) -> None:
    """No ceremony is held over another one, not even in rehearsal."""
    done = cli("ceremony", "--plan", plan, "--dry-run")
    assert (done.code, "already holds the repository acme" in done.err) == (1, True)
    assert cli("ceremony", "--plan", plan).err == done.err


def test_passphrases_are_not_asked_for(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Nobody is asked for one; one that is given is tried, and a wrong one refused."""
    plan.write_text(ENCRYPTED)
    assert cli("ceremony", "--plan", plan, "--dry-run").code == 0
    for name, text in (("right", "horse battery staple"), ("wrong", "horse")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    assert cli("--repo", "made", "ceremony", "--plan", plan, "--passphrase-file", tmp_path / "right").code == 0
    known = plan.with_name("known.toml")
    made = 'generate = "ed25519"\nsigner = "file:keys/alice.key"'
    assert made in ENCRYPTED
    there = f'signer = "file:{Path("made/keys/alice.key").absolute()}"\npublic = "a.pub"'
    known.write_text(ENCRYPTED.replace(made, there).replace("threshold = 1", "threshold = 2"))
    shutil.copy("made/keys/alice.pub", tmp_path / "a.pub")
    rehearse = ("--repo", "other", "ceremony", "--plan", known, "--dry-run")
    assert cli(*rehearse).code == 0
    assert cli(*rehearse, "--passphrase-file", tmp_path / "right").code == 0
    refused = cli(*rehearse, "--passphrase-file", tmp_path / "wrong")
    assert (refused.code, "does not open the key alice" in refused.err) == (1, True)


def test_a_ceremony_that_goes_on(cli: Cli, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interruption the rehearsal says that it would go on; of another plan it is refused."""
    plan.write_text(ENCRYPTED)
    secret = tmp_path / "secret"
    secret.write_text("horse battery staple")
    secret.chmod(0o600)
    place = ("--repo", tmp_path / "new", "ceremony", "--plan", plan)

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FilesystemMetadataStorage, "replace", broken)
        assert cli(*place, "--passphrase-file", secret).code == 130
    done = cli(*place, "--dry-run")
    assert (done.code, "was interrupted here, and goes on; nothing was made" in done.err) == (0, True)
    plan.write_text(ENCRYPTED.replace("count = 4", "count = 8"))
    assert (cli(*place, "--dry-run").code, "of another plan was begun" in cli(*place, "--dry-run").err) == (1, True)
    plan.write_text(ENCRYPTED)
    assert cli(*place, "--passphrase-file", secret).code == 0


def test_notes_come_before_anything_is_made(cli: Cli, plan: Path) -> None:
    """What a person should know about the policy is told while it can still be changed."""
    done = cli("ceremony", "--plan", plan, "--dry-run")
    assert "! one root key alone can change everything" in done.err
    assert len(cli("ceremony", "--plan", plan, "--dry-run", "--json").document["notes"]) == 1


def _a_file_is_missing(_: Path, plan: Path) -> None:
    made = 'generate = "ed25519"\nencrypt = false\nsigner = "file:keys/bob.key"'
    assert made in ENCRYPTED
    plan.write_text(ENCRYPTED.replace(made, 'public = "laptop.pub"'))


def _a_later_place_is_taken(place: Path, plan: Path) -> None:
    plan.write_text(ENCRYPTED)
    _taken(place, plan)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_a_file_is_missing, "laptop.pub: there is no such file"), (_a_later_place_is_taken, "this place is taken")],
)
@pytest.mark.parametrize("out", [(), ("--out", "payload.json")], ids=["workspace", "payload"])
def test_files_are_looked_at_before_passphrases(
    spoil: Spoil, reason: str, out: tuple[str, ...], cli: Cli, plan: Path, tmp_path: Path
) -> None:
    """A file that is not there, or in the way, is told before a passphrase is asked for, or missed."""
    place = tmp_path / "new"
    place.mkdir(mode=0o700)
    spoil(place, plan)
    before = tree(tmp_path)
    done = cli("--repo", place, "ceremony", "--plan", plan, *out)
    assert (done.code, reason in done.err) == (1, True)
    with Person.running("--repo", place, "ceremony", "--plan", plan, *out, cwd=tmp_path) as person:
        assert person.ends() == 1
        assert "passphrase" not in person.screen
    assert tree(tmp_path) == before
