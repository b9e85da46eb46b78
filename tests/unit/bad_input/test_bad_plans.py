"""Plans that do not hold together or reach for what is not theirs: nothing is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.refusals import PLAN, Refusal


def test_a_wrong_passphrase_makes_nothing(tmp_path: Path, refused: Refusal) -> None:
    """A ceremony whose key does not open leaves no file; so does one whose passphrase is missing."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "plan.toml").write_text(PLAN)
    error = refused(tmp_path / "work" / "new", "ceremony", "--plan", str(tmp_path / "work" / "plan.toml"))
    assert "--passphrase-file" in error


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "bad"', 'name = ""'),
        ('name = "bad"', 'name = "a\\nb"'),
        ('name = "bad"', "name = 5"),
        ("threshold = 2", "threshold = 0"),
        ("threshold = 2", "threshold = -1"),
        ("threshold = 2", "threshold = 4"),
        ("threshold = 2", "threshold = true"),
        ("threshold = 2", 'threshold = "2"'),
        ("threshold = 2", "threshold = 2.0"),
        ('"three"]', '"online"]'),
        ('"three"]', '"two"]'),
        ('"three"]', '"four"]'),
        ("count = 4", "count = 0"),
        ("count = 4", "count = 1"),
        ("count = 4", "count = 3"),
        ("count = 4", "count = 32768"),
        ("count = 4", "count = -4"),
        ("count = 4", 'count = 4\nexpires = "0d"'),
        ("count = 4", 'count = 4\nexpires = "1000y"'),
        ("count = 4", 'count = 4\nexpires = "soon"'),
        ("count = 4", 'count = 4\nexpires = "1d"\nrenew_before = "2d"'),
        ("count = 4", "count = 4\nsurprise = 1"),
        ('generate = "ecdsa"', 'generate = "dsa"'),
        ('signer = "file:keys/three.key"', 'signer = "file:keys/two.key"'),
        ('signer = "file:keys/three.key"', 'signer = "http://x/key"'),
        ('signer = "file:keys/three.key"', 'signer = "nonsense"'),
        ("[online]", "[[delegations]]\nname = 'x'\n[online]"),
        ('key = "online"', 'key = "one"'),
        ("[bins]", "[bins"),
        ("[bins]", "[repository]"),
        ('name = "bad"', 'name = "bad"\nmetadata = ""'),
        ('name = "bad"', 'name = "bad"\nmetadata = "s3://bucket/"'),
    ],
    ids=lambda text: text.replace("\n", " ")[:40],
)
def test_plans_that_do_not_hold_together_are_refused(tmp_path: Path, refused: Refusal, old: str, new: str) -> None:
    """Each fault is named and nothing is made."""
    assert PLAN.count(old) == 1
    (tmp_path / "plan.toml").write_text(PLAN.replace(old, new))
    refused(tmp_path / "new", "ceremony", "--plan", str(tmp_path / "plan.toml"))
    assert not (tmp_path / "new").exists()


def test_a_workspace_is_not_made_where_one_is(made: Path, refused: Refusal) -> None:
    """The ceremony refuses a workspace, and a directory with a state or metadata of somebody else."""
    plan = str(made.parent / "plan.toml")
    secret = str(made.parent / "passphrase")
    refused(made, "ceremony", "--plan", plan, "--passphrase-file", secret)


@pytest.mark.parametrize("place", [".", "keys", "keys/served", "..", "state.db", "sub/../keys"])
@pytest.mark.parametrize("what", ["metadata", "artifacts"])
def test_what_is_served_never_holds_keys(tmp_path: Path, refused: Refusal, place: str, what: str) -> None:
    """A plan that would serve the workspace, its keys or its state is refused."""
    (tmp_path / "plan.toml").write_text(PLAN.replace('name = "bad"', f'name = "bad"\n{what} = "{place}"'))
    refused(tmp_path / "new", "ceremony", "--plan", str(tmp_path / "plan.toml"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("where", ["new", "beside"])
def test_metadata_of_others_is_not_published_over(made: Path, tmp_path: Path, refused: Refusal, where: str) -> None:
    """A plan whose metadata directory is in use is refused before anything is made, wherever that directory is."""
    served = made / "metadata" if where == "beside" else tmp_path / "served"
    served.mkdir(exist_ok=True)
    (served / "timestamp.json").touch()
    (tmp_path / "plan.toml").write_text(PLAN.replace('name = "bad"', f'name = "bad"\nmetadata = "{served}"'))
    refused(tmp_path / "new", "ceremony", "--plan", str(tmp_path / "plan.toml"))
    assert not (tmp_path / "new").exists()
