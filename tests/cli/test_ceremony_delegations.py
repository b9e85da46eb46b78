"""`rstuf ceremony` with `[[delegations]]` in its plan: reviewed, rehearsed, recorded, published, or for a service."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.plans import plan_text
from tuf.api.metadata import Key, Metadata, Root

VERA = '[keys.vera]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/vera.key"\n'
TABLES = """
[[delegations]]
name = "vendor"
paths = ["vendor/*", "vendor/*/*"]
signers = ["vera"]
expires = "30d"
terminating = true

[[delegations]]
name = "docs"
paths = ["docs/*"]
"""
INNER = '[[delegations]]\nname = "manuals"\npaths = ["docs/man-*"]\nparent = "docs"\n'


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """One of two signs root, and vera for a vendor, beside 4 bins."""
    place = tmp_path / "plan.toml"
    place.write_text(plan_text(name="acme", signers=("alice", "bob")) + VERA + TABLES)
    return place


def without_bins(plan: Path, more: str = "") -> Path:
    """The same plan with delegations alone."""
    plan.write_text(re.sub(r"(?m)^\[bins\]\n([a-z].*\n)*", "", plan.read_text()) + more)
    return plan


def test_a_plan_with_delegations_is_published_at_once(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """A stock client verifies every role of the first publication, and finds what is added to each."""
    plan.write_text(plan.read_text() + INNER)
    done = cli("--repo", tmp_path / "new", "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    assert "root v1, 3 delegations and 4 bins published as timestamp v1" in done.out
    for directory in ("vendor", "docs", "else"):
        for name in ("a", "man-b"):
            (tmp_path / name).write_text(f"{directory} {name}")
            added = cli("--repo", tmp_path / "new", "artifact", "add", tmp_path / name, "--prefix", f"{directory}/")
            assert added.code == 0, added.err
    roles = {
        each["path"]: each["role"]
        for each in cli("--repo", tmp_path / "new", "artifact", "list", "--json").document["artifacts"]
    }
    assert (roles["vendor/a"], roles["docs/a"], roles["docs/man-b"]) == ("vendor", "docs", "manuals")
    assert roles["else/a"].startswith("bins-")
    views = cli("--repo", tmp_path / "new", "delegation", "list", "--json").document["delegations"]
    assert [(each["name"], each["parent"], each["version"]) for each in views][:1] == [("vendor", "targets", 3)]
    assert [each["name"] for each in views] == ["vendor", "docs", "manuals", "bins"]
    assert (views[0]["signers"], views[0]["period"], views[0]["terminating"]) == (["vera"], "30d", True)
    verified = cli("--repo", tmp_path / "new", "verify", "--full", "--json")
    assert (verified.code, verified.document["problems"]) == (0, [])


def test_a_review_shows_who_delegates_to_whom(cli: Cli, plan: Path) -> None:
    """The tree has each delegation below who delegates to it, with its paths; the document has the same."""
    plan.write_text(plan.read_text() + INNER)
    done = cli("ceremony", "--plan", plan, "--dry-run")
    assert done.code == 0, done.err
    tree_ = done.out[done.out.index("  └ targets") :].split("\n\n")[0]
    assert tree_.splitlines()[1:] == [
        "    ├ vendor       vera             30 days   10 days left",
        "    │   for vendor/*, vendor/*/*, clients look nowhere else",
        "    ├ docs         online           365 days  122 days left",
        "    │ │   for docs/*",
        "    │ └ manuals    online           365 days  122 days left",
        "    │     for docs/man-*",
        "    └ 4 bins       online           90 days   30 days left",
    ]
    document = cli("ceremony", "--plan", plan, "--dry-run", "--json").document
    assert document["delegations"][2] == {
        "name": "manuals",
        "parent": "docs",
        "paths": ["docs/man-*"],
        "terminating": False,
    }
    assert document["roles"]["vendor"]["signers"] == ["vera"]


def test_a_rehearsal_looks_into_each_delegation(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """The client of a rehearsal verifies the roles that are delegated to, too; nothing is kept."""
    before = tree(tmp_path)
    done = cli("ceremony", "--plan", plan, "--rehearse")
    assert done.code == 0, done.err
    assert "vendor v1, threshold 1 of 1, by vera" in done.out
    assert "timestamp v1, with 2 delegations and 4 bins" in done.out
    document = cli("ceremony", "--plan", plan, "--rehearse", "--json").document
    assert document["client"]["versions"]["vendor"] == document["client"]["versions"]["docs"] == 1
    assert tree(tmp_path) == before


def test_a_record_has_the_delegations(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Who must sign each delegated role, for what it is, and the digest of what was published."""
    assert cli("--repo", tmp_path / "new", "ceremony", "--plan", plan, "--transcript", tmp_path / "record").code == 0
    record = (tmp_path / "record").read_text()
    start = record.index("vendor v1, published")
    part = record[start : record.index("\n\n", start)]
    assert "for         vendor/*, vendor/*/*" in part
    assert "1 of 1 must sign: vera" in part
    assert re.search(r"sha256      [0-9a-f]{64}", part)
    assert "delegations to vendor and docs, 4 bins, 4 keys" in " ".join(record.split())


def test_delegations_alone(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Without bins nothing else has a place, and review and result speak of none."""
    done = cli("--repo", tmp_path / "new", "ceremony", "--plan", without_bins(plan))
    assert done.code == 0, done.err
    assert "root v1 and 2 delegations published" in done.out
    assert "bins" not in cli("--repo", tmp_path / "other", "ceremony", "--plan", plan, "--dry-run").out
    (tmp_path / "x").write_text("x")
    refused = cli("--repo", tmp_path / "new", "artifact", "add", tmp_path / "x")
    assert refused.code == 1
    assert "no delegation is for x" in refused.err
    assert cli("--repo", tmp_path / "new", "artifact", "add", tmp_path / "x", "--prefix", "docs/").code == 0
    assert cli("--repo", tmp_path / "new", "verify", "--full").code == 0


def test_delegations_alone_come_back_with_their_plan(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """A state made anew by the plan takes nothing that no delegation is for, as before; another plan is refused."""
    other = tmp_path / "other.toml"
    other.write_text(without_bins(plan).read_text() + '[bins]\nlayout = "classic"\n')
    assert cli("--repo", tmp_path / "new", "ceremony", "--plan", plan).code == 0
    for part in (tmp_path / "new").glob("state.db*"):
        part.unlink()
    refused = cli("--repo", tmp_path / "new", "recover", "state", "--plan", other, "--yes")
    assert (refused.code, "the plan of another repository" in refused.err) == (1, True)
    done = cli("--repo", tmp_path / "new", "recover", "state", "--plan", plan, "--yes")
    assert done.code == 0, done.err
    (tmp_path / "x").write_text("x")
    assert "no delegation is for x" in cli("--repo", tmp_path / "new", "artifact", "add", tmp_path / "x").err
    assert cli("--repo", tmp_path / "new", "artifact", "add", tmp_path / "x", "--prefix", "docs/").code == 0
    assert cli("--repo", tmp_path / "new", "verify", "--full").code == 0


@pytest.mark.parametrize("how", ["", "--dry-run", "--rehearse"])
def test_a_delegate_who_is_away_is_told_how_to_come_later(cli: Cli, plan: Path, tmp_path: Path, how: str) -> None:
    """The plan is refused with its file, table and field, however it is tried, and what the hint types works later."""
    assert cli("key", "generate", "vera", "--unencrypted", "--in", tmp_path / "away").code == 0
    text = plan.read_text().replace(VERA, f'[keys.vera]\npublic = "{tmp_path}/away/vera.pub"\n')
    plan.write_text(text)
    before = tree(tmp_path)
    done = cli("--repo", tmp_path / "new", "ceremony", "--plan", plan, *([how] if how else []))
    assert done.code == 1
    assert "[[delegations]] #1 signers: vera cannot sign here" in done.err
    assert how == "--rehearse" or f"error: {plan}, " in done.err
    assert tree(tmp_path) == before
    if how:
        return
    assert f"rstuf key add vera {tmp_path}/away/vera.pub; rstuf delegation add" in done.err
    command = re.search(r"rstuf (delegation add .*)$", " ".join(done.err.split()))
    assert command is not None
    plan.write_text(text[: text.index("[keys.vera]")] + TABLES[TABLES.index('[[delegations]]\nname = "docs"') :])
    assert cli("--repo", tmp_path / "new", "ceremony", "--plan", plan).code == 0
    assert cli("--repo", tmp_path / "new", "key", "add", "vera", tmp_path / "away" / "vera.pub").code == 0
    added = cli("--repo", tmp_path / "new", *shlex.split(command[1]), "--yes", "--json")
    assert (added.code, cli("--repo", tmp_path / "new", "verify", "--full").code) == (4, 0), added.err


# --- for an RSTUF service


def _payload(cli: Cli, plan: Path, tmp_path: Path) -> dict[str, Any]:
    done = cli("--repo", tmp_path / "keys-here", "ceremony", "--plan", plan, "--out", tmp_path / "payload.json")
    assert done.code == 0, done.err
    assert "vendor is signed there too, by vera" in done.out
    found: dict[str, Any] = json.loads((tmp_path / "payload.json").read_text())
    return found


def test_a_payload_has_delegations_in_the_place_of_bins(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Keys and roles have the shape of the wire contract; what the online key signs has no key ids."""
    payload = _payload(cli, without_bins(plan), tmp_path)
    roles = payload["settings"]["roles"]
    assert roles["bins"] is None
    (keyid,) = roles["delegations"]["keys"]
    key = roles["delegations"]["keys"][keyid]
    assert key["x-rstuf-key-name"] == "vera"
    assert Key.from_dict(keyid, dict(key)).scheme == "ed25519"
    assert roles["delegations"]["roles"] == [
        {
            "name": "vendor",
            "terminating": True,
            "keyids": [keyid],
            "threshold": 1,
            "paths": ["vendor/*", "vendor/*/*"],
            "x-rstuf-expire-policy": 30,
        },
        {
            "name": "docs",
            "terminating": False,
            "keyids": [],
            "threshold": 1,
            "paths": ["docs/*"],
            "x-rstuf-expire-policy": 365,
        },
    ]
    root: Metadata[Root] = Metadata.from_dict(payload["metadata"]["root"])
    root.verify_delegate("root", root)
    assert keyid not in root.signed.keys


def test_a_delegate_who_is_away_signs_in_the_service(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """A service waits for signers, so the public half is enough for its payload."""
    assert cli("key", "generate", "vera", "--unencrypted", "--in", tmp_path).code == 0
    plan.write_text(plan.read_text().replace(VERA, '[keys.vera]\npublic = "vera.pub"\n'))
    payload = _payload(cli, without_bins(plan), tmp_path)
    assert len(payload["settings"]["roles"]["delegations"]["keys"]) == 1


@pytest.mark.parametrize(
    ("more", "bins", "where", "reason"),
    [
        ("", True, "[bins]", "bins or delegations, and not both"),
        (INNER, False, "[[delegations]] #3 parent", "no delegations but those of targets"),
        ('[[delegations]]\nname = "x"\npaths = ["x"]\nexpires = "36h"\n', False, "#3 expires", "whole days"),
    ],
)
def test_what_a_service_does_not_know(
    cli: Cli, plan: Path, tmp_path: Path, more: str, *, bins: bool, where: str, reason: str
) -> None:
    """What the bootstrap has no place for is refused before a key is made."""
    if not bins:
        without_bins(plan, more)
    done = cli("--repo", tmp_path / "keys-here", "ceremony", "--plan", plan, "--out", tmp_path / "payload.json")
    assert (done.code, done.out) == (1, "")
    assert where in done.err
    assert reason in done.err
    assert list(tree(tmp_path)) == ["plan.toml"]
