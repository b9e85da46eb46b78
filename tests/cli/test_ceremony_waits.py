"""A ceremony whose signers are away: it waits, says for whom, and ends with the last signature, whoever brings it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Result, run, tree
from tests.docs.test_formats import rows, words
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

import rstuf
from rstuf.repository import ceremony_end

AWAY = ("bob", "cleo")


@pytest.fixture
def plan(tmp_path: Path, cli: Cli) -> Path:
    """Two of three sign root, and two of them gave their public halves alone."""
    text = plan_text(name="acme", signers=("alice", *AWAY), threshold=2)
    for name in AWAY:
        assert cli("key", "generate", name, "--unencrypted", "--in", tmp_path / name).code == 0
        made = f'[keys.{name}]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/{name}.key"\n'
        assert made in text
        text = text.replace(made, f"[keys.{name}]\npublic = {json.dumps(str(tmp_path / name / f'{name}.pub'))}\n")
    place = tmp_path / "plan.toml"
    place.write_text(text)
    return place


@pytest.fixture
def lonely(plan: Path) -> Path:
    """The same plan without alice: nobody can sign here."""
    text = plan.read_text()
    made = '[keys.alice]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/alice.key"\n'
    assert made in text
    text = text.replace(made, "").replace('"alice", ', "")
    plan.write_text(text)
    return plan


@pytest.fixture
def place(plan: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose ceremony waits for one more signature; the test stands in it."""
    place = tmp_path / "acme"
    done = cli("--repo", place, "ceremony", "--plan", plan)
    assert done.code == 4, done.err
    monkeypatch.chdir(place)
    return place


def holder_signs(name: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A holder signs the first root on a machine of their own, with a record of its own; the signature file."""
    home = bundle.parent / name
    code = rstuf.parse_bundle(bundle.read_bytes()).code
    with monkeypatch.context() as patch:
        patch.chdir(home)
        argv = ("bundle", "sign", bundle, "--key", f"{name}.key", "-o", home / "root.sig", "--yes", "--code", code)
        done = run(*argv, "--holder-dir", home / "record", monkeypatch=patch)
    assert done.code == 0, done.err
    return home / "root.sig"


def exported(place: Path, cli: Cli) -> Path:
    """The bundle of the first root, carried away."""
    bundle = place.parent / "root-v1.rstuf"
    done = cli("bundle", "export", "root-v1", "-o", bundle)
    assert done.code == 0, done.err
    return bundle


def clients_see(place: Path) -> tuple[int, int]:
    """The versions of root and timestamp that a stock client trusts, which begins at root v1 and loads all roles."""
    metadata = place / "metadata"
    client = Client.fresh(
        place.parent / "client",
        directory_site(metadata, place / "targets"),
        root=(metadata / "1.root.json").read_bytes(),
    )
    view = client.refresh()
    assert client.walk() == 4
    return view.root, view.timestamp


def published(place: Path) -> list[str]:
    """What is served."""
    return sorted(path.name for path in (place / "metadata").rglob("*.json"))


def test_a_ceremony_waits_for_who_is_away(plan: Path, tmp_path: Path, cli: Cli) -> None:
    """It exits with 4, names who has signed, who is missing and what to do for them, and serves nothing."""
    place = tmp_path / "acme"
    done = cli("--repo", place, "ceremony", "--plan", plan)
    assert done.code == 4
    assert "! root v1 waits for 1 more signature, of bob or cleo; signed by alice\n" in done.out
    for step in ("bundle export root-v1", "bundle import FILE...", "event show root-v1"):
        assert f"  rstuf --repo {place} {step} " in done.out
    assert published(place) == []


def test_a_waiting_ceremony_as_data(plan: Path, tmp_path: Path, cli: Cli) -> None:
    """The document says what is awaited, and no key has more than a name for its private half."""
    done = cli("--repo", tmp_path / "acme", "ceremony", "--plan", plan, "--json")
    assert done.code == 4
    assert done.document["waiting"] == {
        "event": "root-v1",
        "signed": ["alice"],
        "missing": ["bob", "cleo"],
        "lacking": 1,
    }
    assert {key["name"]: key["signer"] for key in done.document["keys"]} == {
        "alice": "file:keys/alice.key",
        "bob": None,
        "cleo": None,
        "online": "file:keys/online.key",
    }


@pytest.mark.parametrize("command", ["publish", "renew", "artifact list", "verify", "root show"])
def test_other_commands_say_what_is_awaited(place: Path, cli: Cli, command: str) -> None:
    """What needs a repository exits with 4, says for whose signature it waits, and changes nothing."""
    before = tree(place)
    done = cli(*command.split())
    assert (done.code, done.out) == (4, "")
    assert "waits for signatures of bob, cleo\nhint:  rstuf event show root-v1 says more" in done.err
    assert cli(*command.split(), "--json").document["error"]["code"] == "ceremony-waiting"
    assert tree(place) == before


def test_status_says_what_is_awaited(place: Path, cli: Cli) -> None:
    """It shows who signed, who is missing and what to type, which works; --check lets a monitor know that it waits."""
    before = tree(place)
    done = cli("status")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("acme  ·  4 keys  ·  its ceremony waits for signatures\n")
    assert "! root v1 waits for 1 more signature (signed: alice; missing: bob or cleo)\n" in done.out
    document = cli("status", "--check", "--json")
    assert (document.code, document.document["state"]) == (4, "waiting")
    assert [each["name"] for each in document.document["events"]] == ["root-v1"]
    documented = dict(pair for row in rows("status") for pair in words(row[0]))
    assert document.document.keys() <= documented.keys()
    assert tree(place) == before
    for step in document.document["next_steps"]:
        assert f"  {step['command']}" in done.out
        if "FILE" not in step["command"]:
            assert cli(*step["command"].split()[1:]).code == 0
    (place / "root-v1.rstuf").unlink()


def test_keys_and_the_log_can_be_looked_at_meanwhile(place: Path, cli: Cli) -> None:
    """What each key will sign by the root that waits, its public half for others, and who did what so far."""
    listed = cli("key", "list")
    assert listed.code == 0, listed.err
    assert "bob     root (1 of 3)" not in listed.out
    keys = {
        each["name"]: [use["name"] for use in each["roles"]] for each in cli("key", "list", "--json").document["keys"]
    }
    assert keys["bob"] == ["root"]
    assert keys["online"] == ["targets", "snapshot", "timestamp", "bins"]
    assert cli("key", "show", "bob").code == cli("key", "export", "bob").code == 0
    assert "bob" in [each.get("name") for each in cli("key", "list", "--json").document["keys"]]
    assert "ceremony" in cli("log").out
    assert cli("log", "--verify").code == 0


def test_doctor_knows_that_it_waits_for_people(place: Path, cli: Cli) -> None:
    """Nothing was interrupted: whoever is missing is named, with the command that says more, and exit 0."""
    done = cli("doctor", "--json")
    (finding,) = done.document["findings"]
    assert (finding["code"], finding["severity"], finding["mend"]) == (
        "ceremony-waiting",
        "note",
        "rstuf event show root-v1",
    )
    assert "bob" in finding["message"]
    assert done.code == 0


def test_the_event_is_shown(place: Path, cli: Cli) -> None:
    """`event list` and `event show` tell who has signed the first root and who has not, and the code to compare."""
    shown = cli("event", "show", "root-v1")
    assert shown.code == 0, shown.err
    assert "the first root" in shown.out
    assert "✓ alice  signed" in shown.out
    assert "- bob    has not signed" in shown.out
    assert rstuf.parse_bundle(exported(place, cli).read_bytes()).code in shown.out
    assert "missing: bob or cleo" in cli("event", "list").out


def test_holders_sign_and_the_last_one_ends_it(place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles go out, both holders sign with records of their own, both come back, and clients verify all."""
    bundle = exported(place, cli)
    files = [holder_signs(name, bundle, monkeypatch) for name in AWAY]
    done = cli("bundle", "import", *files)
    assert done.code == 0, done.err
    assert "root v1 has all its signatures, and is published" in done.out
    assert clients_see(place) == (1, 1)
    assert cli("status").code == 0
    assert cli("event", "list", "--json").document["events"] == []
    actions = [each["action"] for each in cli("log", "--json").document["entries"]]
    assert (actions.count("ceremony.begin"), actions.count("ceremony.end")) == (1, 1)


def test_one_of_them_is_enough(place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """With alice's, cleo's signature alone meets the threshold; bob's, which comes later, does no harm."""
    bundle = exported(place, cli)
    late, last = (holder_signs(name, bundle, monkeypatch) for name in AWAY)
    assert cli("bundle", "import", last).code == 0
    before = published(place)
    assert "is not needed any more" in cli("bundle", "import", late).out
    assert published(place) == before
    assert clients_see(place) == (1, 1)


def test_the_same_ceremony_again_says_who_is_missing(place: Path, plan: Path, cli: Cli) -> None:
    """Run again while it waits, it is the same ceremony: the same root, the same code, the same who are missing."""
    code = cli("event", "show", "root-v1", "--json").document["code"]
    again = cli("ceremony", "--plan", plan, "--json")
    assert again.code == 4
    assert again.document["waiting"]["missing"] == ["bob", "cleo"]
    assert cli("event", "show", "root-v1", "--json").document["code"] == code


def test_another_plan_is_not_held_meanwhile(place: Path, plan: Path, cli: Cli) -> None:
    """Nothing was interrupted, and the same plan is not what was called: the refusal says whose ceremony waits here."""
    plan.write_text(plan.read_text().replace("365d", "300d").replace("[root]\n", '[root]\nexpires = "200d"\n'))
    refused = cli("ceremony", "--plan", plan)
    assert (refused.code, refused.out) == (1, "")
    assert "a ceremony of another plan was begun in" in refused.err
    assert "interrupted" not in refused.err


def test_what_was_signed_for_a_root_that_expired_is_not_dropped_in_silence(
    place: Path, plan: Path, cli: Cli, later: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the ceremony again learns that there is a new root, and whose signatures are worth nothing now."""
    later(timedelta(days=400))
    again = cli("ceremony", "--plan", plan)
    assert again.code == 4
    told = " ".join(again.err.split())
    assert "the first root expired before everybody had signed it" in told
    assert "what alice signed is dropped" in told


def test_it_is_not_held_again(place: Path, plan: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the last signature has ended it, the same plan is refused like any other."""
    assert cli("bundle", "import", holder_signs("bob", exported(place, cli), monkeypatch)).code == 0
    refused = cli("ceremony", "--plan", plan)
    assert (refused.code, "already holds" in refused.err) == (1, True)


def test_a_cancelled_event_is_opened_anew(
    place: Path, plan: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, later: Callable[[timedelta], None]
) -> None:
    """What was signed for a cancelled first root is of no use; the ceremony goes on with one that is asked for anew."""
    old = holder_signs("bob", exported(place, cli), monkeypatch)
    assert cli("event", "cancel", "root-v1", "--yes").code == 0
    assert cli("status", "--json").document["error"]["code"] == "ceremony-unfinished"
    later(timedelta(hours=1))
    again = cli("ceremony", "--plan", plan, "--json")
    assert (again.code, again.document["waiting"]["signed"]) == (4, ["alice"])
    assert cli("bundle", "import", old).code == 1
    assert published(place) == []
    (place.parent / "root-v1.rstuf").unlink()
    assert cli("bundle", "import", holder_signs("cleo", exported(place, cli), monkeypatch)).code == 0
    assert clients_see(place) == (1, 1)


def test_what_was_cancelled_can_be_looked_at(place: Path, cli: Cli) -> None:
    """Between the cancel and the next proposal, keys and log tell what they told; nothing is called signed or ended."""
    before = cli("key", "list").out
    assert cli("event", "cancel", "root-v1", "--yes").code == 0
    assert (cli("key", "list").out, cli("key", "show", "bob").code) == (before, 0)
    assert cli("log", "--json").document["entries"][-1]["action"] == "event.cancel"
    assert cli("log", "--verify").code == 0
    assert cli("event", "list").err == "nothing waits for a signature\n"
    assert [each["state"] for each in cli("event", "list", "--all", "--json").document["events"]] == ["cancelled"]
    for command in ("sign", "status", "renew"):
        refused = cli(command)
        assert (refused.code, "the first root of this workspace was cancelled" in refused.err) == (1, True)


def test_the_last_signature_is_taken_while_the_online_key_is_away(
    place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said whose it is, that root has all of them, what keeps the rest, and what ends it once that is back."""
    sig = holder_signs("bob", exported(place, cli), monkeypatch)
    (place / "keys/online.key").rename(place / "away.key")
    done = cli("bundle", "import", sig)
    assert done.code == 1
    assert f"✓ root-v1: taken from bob  ({sig})\n" in done.out
    assert "! root v1 has all its signatures, and its ceremony cannot end yet\n" in done.err
    assert "cannot sign with online" in done.err
    assert "rstuf sign ends the ceremony" in done.err
    assert published(place) == ["1.root.json"]
    (place / "away.key").rename(place / "keys/online.key")
    assert cli("sign").code == 0
    assert clients_see(place) == (1, 1)


def interrupted(place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Result:
    """The last signature comes in, root is out, and then the process ends."""
    sig = holder_signs("bob", exported(place, cli), monkeypatch)
    with monkeypatch.context() as patch:

        def ends(_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(ceremony_end, "_first_publication", ends)
        return cli("bundle", "import", sig)


def test_sign_ends_what_was_interrupted(place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last signature and the end of the ceremony, `rstuf sign` brings it there."""
    assert interrupted(place, cli, monkeypatch).code == 130
    assert "timestamp.json" not in published(place)
    assert "hint:  rstuf sign ends it" in cli("status").err
    done = cli("sign")
    assert (done.code, done.out) == (0, "✓ root v1 was signed; the ceremony has its end now, as timestamp v1\n")
    assert clients_see(place) == (1, 1)
    assert cli("sign").out == "nothing waits for a signature\n"


def test_the_same_ceremony_ends_what_was_interrupted(
    place: Path, plan: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the ceremony itself, and a signature that comes in late."""
    assert interrupted(place, cli, monkeypatch).code == 130
    assert cli("ceremony", "--plan", plan).code == 0
    assert clients_see(place) == (1, 1)


def test_a_late_signature_ends_what_was_interrupted(place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature that is not needed any more brings the ceremony to its end all the same."""
    assert interrupted(place, cli, monkeypatch).code == 130
    cli("bundle", "import", place.parent / "bob" / "root.sig")
    assert clients_see(place) == (1, 1)


def test_nobody_who_is_here_signs(lonely: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all signers are away, each of them is waited for, and nothing that is here signs root."""
    place = tmp_path / "acme"
    done = cli("--repo", place, "ceremony", "--plan", lonely)
    assert done.code == 4, done.err
    assert "! root v1 waits for 2 more signatures, of bob and cleo\n" in done.out
    monkeypatch.chdir(place)
    bundle = exported(place, cli)
    assert cli("bundle", "import", holder_signs("bob", bundle, monkeypatch)).code == 4
    assert published(place) == []
    assert cli("bundle", "import", holder_signs("cleo", bundle, monkeypatch)).code == 0
    assert clients_see(place) == (1, 1)
