"""`rstuf ceremony`: a workspace from a plan, or nothing at all."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree

ENCRYPTED = PLAN.replace(
    'generate = "ed25519"\nencrypt = false\nsigner = "file:keys/alice',
    'generate = "ed25519"\nsigner = "file:keys/alice',
)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan that holds together."""
    place = tmp_path / "plan.toml"
    place.write_text(PLAN)
    return place


def test_ceremony_makes_a_workspace(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """What is made is where it is said to be, private keys are private, and the root's digest is the file's."""
    place = tmp_path / "new"
    done = cli("--repo", place, "ceremony", "--plan", plan)
    assert done.code == 0
    assert done.out.startswith("✓ acme: root v1 and 4 bins published as timestamp v1, ")
    root = hashlib.sha256((place / "metadata" / "1.root.json").read_bytes()).hexdigest()
    assert root in done.out.replace(" ", "").replace("\n", "")
    assert "one root key alone can change everything" in done.err
    assert stat.S_IMODE((place / "keys" / "alice.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_ceremony_as_data(cli: Cli, plan: Path) -> None:
    """The document names the root and the keys, and nothing of a private half."""
    done = cli("ceremony", "--plan", plan, "--json")
    assert done.code == 0
    document = done.document
    assert document["root"]["sha256"] == hashlib.sha256(Path("metadata/1.root.json").read_bytes()).hexdigest()
    assert [key["name"] for key in document["keys"]] == ["alice", "bob", "online"]
    assert document["publication"]["timestamp_version"] == 1


def test_dry_run_makes_nothing(cli: Cli, plan: Path) -> None:
    """The review shows the policy and leaves no file."""
    done = cli("ceremony", "--plan", plan, "--dry-run")
    assert done.code == 0
    assert "1 of alice, bob" in done.out
    assert "nothing was made" in done.err
    assert cli("ceremony", "--plan", plan, "--dry-run", "--json").document["roles"]["root"]["threshold"] == 1
    assert tree(Path.cwd()) == {}


def test_root_keys_that_are_made_here_are_to_be_moved(cli: Cli, plan: Path) -> None:
    """Whoever takes this machine should find no root key: a line says how to keep them elsewhere, of these alone."""
    move = "off this machine, then: rstuf --repo {} key add {} /media/usb/{}.key"
    done = cli("--repo", "both", "ceremony", "--plan", plan)
    assert f"  move root keys {move.format('both', 'NAME', 'NAME')}\n" in done.out
    made = 'generate = "ed25519"\nencrypt = false\nsigner = "file:keys/alice.key"'
    assert made in PLAN
    plan.write_text(PLAN.replace(made, f'signer = "file:{Path("both/keys/alice.key").absolute()}"'))
    done = cli("--repo", "one", "ceremony", "--plan", plan)
    assert f"  move the root key bob {move.format('one', 'bob', 'bob')}\n" in done.out
    plan.write_text(plan.read_text().replace('signers = ["alice", "bob"]', 'signers = ["alice"]'))
    plan.write_text(plan.read_text().replace("[keys.bob]\n" + made.replace("alice", "bob"), ""))
    done = cli("--repo", "none", "ceremony", "--plan", plan)
    assert (done.code, "off this machine" in done.out) == (0, False)


def test_a_saved_plan_is_not_written_over(cli: Cli, plan: Path) -> None:
    """What has the name that is to be saved under stays, and the error says to choose another."""
    Path("mine.toml").write_text("mine")
    done = cli("ceremony", "--plan", plan, "--save-plan", "mine.toml", "--dry-run")
    assert (done.code, "hint:  choose another name" in done.err) == (1, True)
    assert Path("mine.toml").read_text() == "mine"


def test_a_second_ceremony_is_refused(cli: Cli, plan: Path, workspace: Path) -> None:
    """A repository is never made over another one."""
    before = tree(workspace)
    done = cli("ceremony", "--plan", plan)
    assert (done.code, done.out) == (1, "")
    assert "already holds" in done.err
    assert tree(workspace) == before


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ('name = "acme"', "name = 7"),
        ("threshold = 1", "threshold = 3"),
        ('key = "online"', 'key = "alice"'),
        ("count = 4", "count = 5"),
        ("[bins]", "[bins]\nfrobnicate = 1"),
        ("[repository]", "[repository"),
    ],
)
def test_a_wrong_plan_makes_nothing(cli: Cli, plan: Path, wrong: str, place: str) -> None:
    """Whatever is wrong with a plan, it is said and nothing is made."""
    plan.write_text(PLAN.replace(wrong, place))
    done = cli("ceremony", "--plan", plan)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: ")
    assert tree(Path.cwd()) == {}


@pytest.mark.parametrize("how", ["", "--dry-run"])
def test_a_private_half_that_is_not_the_public_one_s(cli: Cli, plan: Path, tmp_path: Path, how: str) -> None:
    """Root lists no key whose file turns out to be another key's, even where the others are enough."""
    for name in ("mine", "other"):
        assert cli("key", "generate", name, "--unencrypted", "--in", tmp_path).code == 0
    other = f'public = "{tmp_path}/other.pub"\nsigner = "file:{tmp_path}/mine.key"'
    plan.write_text(PLAN.replace('generate = "ed25519"\nencrypt = false\nsigner = "file:keys/alice.key"', other))
    done = cli("ceremony", "--plan", plan, *filter(None, [how]))
    assert (done.code, done.out) == (1, "")
    assert "holds another key" in done.err
    assert tree(Path.cwd()) == {}


def test_a_missing_plan(cli: Cli) -> None:
    """A plan that is not there is named."""
    done = cli("ceremony", "--plan", "nowhere.toml")
    assert done.code != 0
    assert "nowhere.toml" in done.err


def test_no_terminal_and_no_passphrase(cli: Cli, plan: Path) -> None:
    """Without a terminal nothing waits for a person: the error names the option, and nothing is made."""
    plan.write_text(ENCRYPTED)
    done = cli("ceremony", "--plan", plan)
    assert (done.code, done.out) == (1, "")
    assert "hint:  type it when a terminal asks for it, or pass --passphrase-file alice=FILE" in done.err
    assert cli("ceremony", "--plan", plan, "--json").document["error"]["code"] == "passphrase-needed"
    assert tree(Path.cwd()) == {}


def test_a_passphrase_from_a_file(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """A passphrase file opens the key it is for; it must be private."""
    plan.write_text(ENCRYPTED)
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o644)
    refused = cli("ceremony", "--plan", plan, "--passphrase-file", secret)
    assert (refused.code, "chmod 600" in refused.err) == (1, True)
    secret.chmod(0o600)
    done = cli("--passphrase-file", f"alice={secret}", "ceremony", "--plan", plan, "--json")
    assert done.code == 0
    assert "correct horse" not in done.out + done.err
    assert b"PRIVATE" in Path("keys/alice.key").read_bytes()
    assert json.loads(done.out)["repository"] == "acme"
