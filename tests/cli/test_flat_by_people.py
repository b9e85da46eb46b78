"""Artifacts that targets lists itself, and that carol signs elsewhere: from the command to what clients see."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli, elsewhere
from tests.cli.test_delegates_elsewhere import client
from tests.support.plans import plan_text

CAROL = (
    '[targets]\nthreshold = 1\nsigners = ["carol"]\nexpires = "365d"\n\n'
    '[keys.carol]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/carol.key"\n'
)


@pytest.fixture
def flat(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without bins, carol's key on another machine."""
    plan, place = tmp_path / "plan.toml", tmp_path / "flat"
    text = plan_text(name="flat", signers=["alice"])
    bins = text.index("[bins]")
    plan.write_text(text[:bins] + '[bins]\nlayout = "flat"\n\n' + CAROL)
    done = cli("--repo", place, "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    monkeypatch.chdir(place)
    (tmp_path / "carol").mkdir()
    (place / "keys" / "carol.key").rename(tmp_path / "carol" / "carol.key")
    (tmp_path / "a.txt").write_bytes(b"alpha\n")
    return place


def test_what_is_added_waits_for_whoever_signs_targets(
    flat: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Awaiting until carol's signature is back, pending where its event is cancelled, and published by it alone."""
    done = cli("artifact", "add", tmp_path / "a.txt")
    assert done.code == 4, done.err
    assert "targets waits for 1 signature: clients do not see its changes yet" in done.err
    assert "awaiting" in cli("artifact", "list").out
    cancelled = cli("event", "cancel", "targets-v2", "--yes", "--json").document
    assert "rstuf publish" in [step["command"] for step in cancelled["next_steps"]]
    assert "pending" in cli("artifact", "list").out
    assert cli("publish").code == 4
    bundle = tmp_path / "targets.rstuf"
    assert cli("bundle", "export", "targets", "-o", bundle).code == 0
    shown = cli("bundle", "inspect", bundle, "--trusted-root", flat / "metadata/1.root.json")
    assert "a.txt" in shown.out
    brought = cli("bundle", "import", elsewhere(tmp_path, "carol", bundle, monkeypatch))
    assert brought.code == 0, brought.err
    assert "published" in cli("artifact", "list").out
    assert client(flat, tmp_path / "client").download("a.txt") == b"alpha\n"
    assert cli("verify", "--full").code == 0
    assert cli("status", "--check").code == 0
