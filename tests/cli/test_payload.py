"""`rstuf ceremony --out`: what bootstraps an RSTUF service, as its API takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.plans import plan_text
from tuf.api.metadata import Metadata, Root

WHOLE_DAYS = {"root": "365d", "targets": "365d", "snapshot": "7d", "timestamp": "1d", "bins": "30d"}


def plan_of(tmp_path: Path, **options: Any) -> Path:
    """A plan whose periods are whole days."""
    place = tmp_path / "plan.toml"
    usual = {"name": "acme", "signers": ("alice", "bob", "carol"), "threshold": 2, "bins": 16, "expires": WHOLE_DAYS}
    place.write_text(plan_text(**{**usual, **options}))
    return place


def test_a_payload_is_what_the_api_takes(cli: Cli, tmp_path: Path) -> None:
    """Settings and root have the shape of the wire contract, with the names of keys, and python-tuf accepts root."""
    done = cli("--repo", tmp_path / "keys-here", "ceremony", "--plan", plan_of(tmp_path), "--out", "payload.json")
    assert done.code == 0, done.err
    payload = json.loads(Path("payload.json").read_text())
    assert payload["settings"] == {
        "roles": {
            "root": {"expiration": 365},
            "targets": {"expiration": 365},
            "snapshot": {"expiration": 7},
            "timestamp": {"expiration": 1},
            "bins": {"expiration": 30, "number_of_delegated_bins": 16},
        }
    }
    assert payload["timeout"] == 300
    root: Metadata[Root] = Metadata.from_dict(payload["metadata"]["root"])
    root.verify_delegate("root", root)
    fields = {
        key.unrecognized_fields["x-rstuf-key-name"]: (keyid, key.unrecognized_fields.get("x-rstuf-online-key-uri"))
        for keyid, key in root.signed.keys.items()
    }
    assert fields.keys() == {"alice", "bob", "carol", "online"}
    keyid, uri = fields["online"]
    assert uri == f"fn:{keyid}"
    assert [role.keyids for name, role in root.signed.roles.items() if name != "root"] == [[keyid]] * 3
    assert keyid in done.out
    shown = cli("key", "show", "--file", tmp_path / "keys-here" / "keys" / "online.key", "--json").document
    assert shown["keyid"] == keyid
    assert sorted(tree(tmp_path / "keys-here")) == sorted(
        f"keys/{name}.{half}" for name in ("alice", "bob", "carol", "online") for half in ("key", "pub")
    )


def test_signers_who_are_away_sign_in_the_service(cli: Cli, tmp_path: Path) -> None:
    """A root below its threshold is written too, and how many more must sign is said."""
    for name in ("bob", "carol"):
        assert cli("key", "generate", name, "--unencrypted", "--in", tmp_path).code == 0
        (tmp_path / f"{name}.key").unlink()
    text = plan_of(tmp_path).read_text()
    for name in ("bob", "carol"):
        start = text.index(f"[keys.{name}]")
        end = text.index("[", start + 1)
        text = text[:start] + f'[keys.{name}]\npublic = "{name}.pub"\n' + text[end:]
    (tmp_path / "plan.toml").write_text(text)
    done = cli("ceremony", "--plan", tmp_path / "plan.toml", "--out", "payload.json", "--json")
    assert done.code == 0, done.err
    assert (done.document["signed_by"], done.document["missing"]) == (["alice"], 1)
    payload = json.loads(Path("payload.json").read_text())
    assert len(payload["metadata"]["root"]["signatures"]) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"expires": {**WHOLE_DAYS, "timestamp": "36h"}}, "whole days"),
        ({"expires": WHOLE_DAYS, "encrypted": ("alice",)}, "passphrase"),
    ],
)
def test_what_is_refused_leaves_nothing(cli: Cli, tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    """A plan that RSTUF cannot say, or a key that cannot be made, leaves neither payload nor keys."""
    plan = plan_of(tmp_path, **options)
    before = tree(tmp_path)
    done = cli("ceremony", "--plan", plan, "--out", "payload.json")
    assert (done.code, done.out) == (1, "")
    assert reason in done.err
    assert tree(tmp_path) == before


def test_a_file_is_not_written_over(cli: Cli, tmp_path: Path) -> None:
    """What has the payload's name stays, and no key is made."""
    Path("payload.json").write_text("mine")
    before = tree(tmp_path)
    done = cli("ceremony", "--plan", plan_of(tmp_path), "--out", "payload.json")
    assert done.code == 1
    assert "hint:  choose another name" in done.err
    assert {**before, "plan.toml": ""}.keys() == tree(tmp_path).keys()
    assert Path("payload.json").read_text() == "mine"


def test_the_key_of_a_service_is_not_encrypted(cli: Cli, tmp_path: Path) -> None:
    """A service cannot type: an online key that it could not open is refused before anything is made."""
    plan = plan_of(tmp_path)
    head, online = plan.read_text().split("[keys.online]")
    plan.write_text(f"{head}[keys.online]{online.replace('encrypt = false', 'encrypt = true', 1)}")
    done = cli("--repo", tmp_path / "keys-here", "ceremony", "--plan", plan, "--out", "payload.json")
    assert (done.code, done.out) == (1, "")
    assert "encrypt = false" in done.err
    assert not (tmp_path / "keys-here").exists()
    assert not Path("payload.json").exists()


def test_a_payload_made_quietly(cli: Cli, tmp_path: Path) -> None:
    """With --quiet nothing is said of what was done, not even what comes next."""
    done = cli("--repo", tmp_path / "keys", "ceremony", "--plan", plan_of(tmp_path), "--out", "payload.json", "--quiet")
    assert (done.code, done.out) == (0, "")
