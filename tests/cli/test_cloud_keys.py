"""An online key in a cloud service, from the command line: a ceremony, publications, and what is said when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.support.clouds import SECRET, Cloud, cloud, without_extra
from tests.unit.signing import keyring

ONLINE = '[keys.online]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/online.key"\n'


@pytest.fixture(params=["awskms", "gcpkms", "azurekms", "hv"])
def service(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Each service, with a key."""
    with cloud(request.param, keyring.private("ed25519" if request.param == "hv" else "ecdsa", 7)) as service:
        yield service


@pytest.fixture
def repository(service: Cloud, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose online key is there."""
    plan = tmp_path / "plan.toml"
    plan.write_text(with_online(service.uri))
    done = cli("--repo", tmp_path / "cloudy", "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    monkeypatch.chdir(tmp_path / "cloudy")
    return tmp_path / "cloudy"


def with_online(uri: str) -> str:
    assert ONLINE in PLAN
    return PLAN.replace(ONLINE, f'[keys.online]\nsigner = "{uri}"\n')


def test_the_online_key_is_in_a_cloud(service: Cloud, repository: Path, cli: Cli) -> None:
    """What it signs is published and verified by a stock client; looks at it ask for nothing."""
    Path("a.txt").write_text("alpha")
    assert cli("artifact", "add", "a.txt").code == 0
    assert cli("verify").code == 0
    asked = service.asked
    assert asked > 0
    service.fault = "offline"
    listed = {key["name"]: key for key in cli("key", "list", "--json").document["keys"]}
    assert listed["online"]["signer"] == service.uri
    assert "fault" not in listed["online"]
    assert cli("status").code == 0
    assert cli("key", "find").code == 0
    assert service.asked == asked


def test_a_dry_run_has_nothing_signed(service: Cloud, cli: Cli, tmp_path: Path) -> None:
    """It reads the public half, which it shows, and leaves it at that."""
    plan = tmp_path / "plan.toml"
    plan.write_text(with_online(service.uri))
    done = cli("--repo", tmp_path / "cloudy", "ceremony", "--plan", plan, "--dry-run")
    assert done.code == 0, done.err
    assert service.asked == 1
    assert not (tmp_path / "cloudy").exists()


def test_a_refusal_publishes_nothing(service: Cloud, repository: Path, cli: Cli) -> None:
    """What and why; nothing of the error's own text, with any verbosity, and nothing is visible."""
    Path("a.txt").write_text("alpha")
    before = tree(repository / "metadata")
    service.fault = "denied"
    for more in ((), ("-v",), ("-v", "-v"), ("--json",)):
        done = cli("artifact", "add", "a.txt", *more)
        assert done.code == 1
        said = done.out + done.err
        assert "does not let whoever asks use this key" in said
        assert SECRET not in said
        assert tree(repository / "metadata") == before
    service.fault = None
    assert cli("publish").code == 0
    assert cli("verify").code == 0


def test_another_key_publishes_nothing(service: Cloud, repository: Path, cli: Cli) -> None:
    """An alias that was led elsewhere is noticed before anything is visible."""
    Path("a.txt").write_text("alpha")
    before = tree(repository / "metadata")
    kept, service.signs = service.signs, keyring.private("ed25519" if service.scheme == "hv" else "ecdsa", 8)
    done = cli("artifact", "add", "a.txt")
    assert done.code == 1
    assert "is not by the key known by this name" in done.err
    assert tree(repository / "metadata") == before
    service.signs = kept
    assert cli("publish").code == 0
    assert cli("verify").code == 0


def test_a_missing_extra_is_a_fault_of_the_key(service: Cloud, repository: Path, cli: Cli) -> None:
    """Where keys are listed, where a publication fails, and when the key would be added: with what installs it."""
    with without_extra(service.scheme):
        assert "is not installed" in cli("key", "list").out
        Path("a.txt").write_text("alpha")
        assert "pip install 'rstuf[" in cli("artifact", "add", "a.txt").err
        assert "pip install 'rstuf[" in cli("key", "add", "other", "--signer", service.uri).err


def test_sigstore_is_refused_with_the_reason(cli: Cli, workspace: Path) -> None:
    """Whoever adds such a key reads what would become of clients."""
    before = tree(workspace)
    done = cli("key", "add", "maria", "--signer", "sigstore:?ambient=false")
    assert done.code == 1
    assert "TUF clients do not read Sigstore keys" in done.err
    assert tree(workspace) == before
