"""`--transcript FILE`: a record to keep of who signed what, never written over, known to the log by its digest."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, as_person, run, tree
from tests.support.plans import plan_text

import rstuf
from rstuf.clock import SystemClock


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan that holds together."""
    place = tmp_path / "plan.toml"
    place.write_text(PLAN)
    return place


def text_of(file: Path) -> str:
    """A record, of which every line has its room."""
    text = file.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith("\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    return text


def noted(cli: Cli) -> list[dict[str, str]]:
    """What the log says of records."""
    return [each["details"] for each in cli("log", "--json").document["entries"] if each["action"] == "transcript"]


def digest_of(file: Path) -> str:
    """SHA-256 of a file, hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_ceremony_is_recorded(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """The record has who, when, roles, keys in hex and words, the root's digest, who signed, the outcome."""
    file = tmp_path / "record.txt"
    done = cli("ceremony", "--plan", plan, "--transcript", file)
    assert done.code == 0, done.err
    text, root = text_of(file), Path("metadata/1.root.json")
    assert text.startswith("Record of rstuf ceremony\n\n  repository  acme\n")
    for field in ("by", "begun", "ended", "tool        rstuf", "expires     root 20", "outcome     done (exit code 0)"):
        assert f"\n  {field}" in text
    assert f"  first root  {digest_of(root)}\n" in text
    assert "root        1 of 2 must sign: alice and bob\n" in text
    assert "timestamp   1 of 1 must sign: online\n" in text
    assert "signed by   alice and bob\n" in text
    for name in ("alice", "bob", "online"):
        shown = cli("key", "show", name, "--json").document
        assert f"  {name}\n              {shown['keyid']}\n" in text
        assert " ".join(rstuf.fingerprint_words(shown["keyid"])[:3]) in text
    assert f"sha256  {digest_of(file)}\n" in done.out
    assert noted(cli) == [{"file": "record.txt", "sha256": digest_of(file)}]
    assert "record written: record.txt, sha256 " in cli("log").out


def test_a_file_that_is_there_is_refused_first(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Whatever has the name stays, be it a link that leads nowhere, and the ceremony does not begin."""
    file, link = tmp_path / "record.txt", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to("nowhere")
    for each in (file, link, tmp_path / "no" / "directory"):
        done = cli("ceremony", "--plan", plan, "--transcript", each)
        assert (done.code, done.out, tree(Path.cwd())) == (1, "", {})
    assert file.read_text() == "mine"


def test_a_record_is_a_file(cli: Cli, plan: Path) -> None:
    """`-` is stdout everywhere else, and no file is called so: nothing begins."""
    done = cli("ceremony", "--plan", plan, "--transcript", "-")
    assert (done.code, done.out, tree(Path.cwd())) == (2, "", {})
    assert "a record is a file" in done.err


def test_what_an_earlier_command_did_is_not_in_it(workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of one second are told apart by the log, not by the clock, and so are the events that they ended."""
    moment = SystemClock().now()
    monkeypatch.setattr(SystemClock, "now", lambda self: moment)
    assert cli("root", "update", "--expires", "300d", "--yes").code == 0
    assert cli("root", "update", "--expires", "200d", "--yes", "--transcript", "record.txt").code == 0
    text = text_of(Path("record.txt"))
    assert "root v3, published" in text
    assert "root-v2" not in text
    assert "root v2, published" not in text


@pytest.mark.parametrize("other", [("--dry-run",), ("--rehearse",), ("--out", "payload.json")])
def test_what_signs_nothing_is_not_recorded(cli: Cli, plan: Path, other: tuple[str, ...]) -> None:
    """A record of a rehearsal could be taken for one of a ceremony."""
    assert cli("ceremony", "--plan", plan, "--transcript", "record.txt", *other).code == 2
    assert tree(Path.cwd()) == {}


def test_no_passphrase_is_in_it(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """A record of a ceremony with encrypted keys has neither their passphrase nor anything of their files."""
    plan.write_text(PLAN.replace("encrypt = false\n", ""))
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    assert cli("--passphrase-file", secret, "ceremony", "--plan", plan, "--transcript", "record.txt").code == 0
    text = text_of(Path("record.txt"))
    assert "correct horse" not in text
    for key in Path("keys").glob("*.key"):
        assert not any(line in text for line in key.read_text().splitlines())


def test_text_from_outside_is_escaped(cli: Cli, plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine says of its user, or a log of what was done, moves no cursor of whoever reads the record."""
    for place in ("rstuf_cli.run.actor", "rstuf_cli.transcript.actor"):
        monkeypatch.setattr(place, lambda: "ma\u202eria@a\x1b[2Jb")
    assert cli("ceremony", "--plan", plan, "--transcript", "record.txt").code == 0
    text = text_of(Path("record.txt"))
    assert "  by          ma\\u202eria@a\\x1b[2Jb\n" in text
    assert text.replace("\n", "").isprintable()


def test_a_file_s_name_is_escaped(cli: Cli, plan: Path) -> None:
    """The name of the record is shown, and kept in the log, and moves no cursor there."""
    done = cli("ceremony", "--plan", plan, "--transcript", "re\x1b[2Jcord.txt")
    assert (done.code, Path("re\x1b[2Jcord.txt").exists()) == (0, True)
    assert "\x1b" not in done.out + cli("log").out


def test_a_ceremony_that_waits_is_recorded(cli: Cli, tmp_path: Path) -> None:
    """The record of one has the code, the digest of what is to be signed, who has signed and who is missing."""
    assert cli("key", "generate", "bob", "--unencrypted", "--in", tmp_path).code == 0
    made = '[keys.bob]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/bob.key"\n'
    text = plan_text(name="acme", signers=("alice", "bob"), threshold=2)
    (tmp_path / "plan.toml").write_text(text.replace(made, f'[keys.bob]\npublic = "{tmp_path}/bob.pub"\n'))
    done = cli("ceremony", "--plan", tmp_path / "plan.toml", "--transcript", "record.txt")
    assert done.code == 4, done.err
    text, event = text_of(Path("record.txt")), cli("event", "show", "root-v1", "--json").document
    assert f"  code        {event['code']}\n" in text
    assert f"  to sign     root v1\n  sha256      {event['parts'][0]['sha256']}\n" in text
    assert "signed by alice, 20" in text
    assert "  missing     bob\n" in text
    assert "first root  none is published yet\n" in text
    assert "outcome     waits for more signatures (exit code 4)" in text


def test_signing_is_recorded(waiting: Path, cli: Cli) -> None:
    """`sign` records the event, the code that its signers compared, and what is still missing."""
    code = cli("event", "show", "root-v2", "--json").document["code"]
    done = cli("sign", "--yes", "--transcript", "record.txt", "--json")
    assert done.code == 4
    text = text_of(Path("record.txt"))
    assert text.startswith("Record of rstuf sign\n")
    assert f"code        {code}\n" in text
    assert "missing     bob or cleo\n" in text
    assert "root-v2 signed by alice" in text
    assert noted(cli)[-1]["sha256"] == digest_of(Path("record.txt"))


def test_a_holder_s_record_and_what_is_brought(
    waiting: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder keeps a record of what they signed, the workspace one of what came in; they have the same code."""
    bundle, home = tmp_path / "root-v2.rstuf", tmp_path / "bob"
    assert cli("sign", "--yes").code == 4
    assert cli("bundle", "export", "root-v2", "-o", bundle).code == 0
    read = rstuf.parse_bundle(bundle.read_bytes())
    with monkeypatch.context() as patch:
        patch.chdir(home)
        argv = ("bundle", "sign", bundle, "--key", "bob.key", "-o", "a.sig", "--yes", "--code", read.code)
        trust = ("--holder-dir", home / "record", "--fingerprint", read.first_root)
        done = run(*argv, *trust, "--transcript", home / "kept.txt", monkeypatch=patch)
    assert done.code == 0, done.err
    kept = text_of(home / "kept.txt")
    assert kept.startswith("Record of rstuf bundle sign\n")
    assert f"  code        {read.code}\n" in kept
    assert f"who signed here\n  signed by   bob\n  sha256      {read.parts[0].digest}\n" in kept
    assert f"sha256  {digest_of(home / 'kept.txt')}\n" in done.out
    assert cli("bundle", "import", home / "a.sig", "--transcript", "in.txt").code == 0
    text = text_of(Path("in.txt"))
    assert f"code        {read.code}\n" in text
    assert "root v2, published\n" in text
    # Within one second nothing says who was first.
    assert any(f"signed by   {both}\n" in text for both in ("alice and bob", "bob and alice"))


def test_a_holder_who_says_no(waiting: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a holder was shown and did not sign is recorded as that."""
    bundle = tmp_path / "root-v2.rstuf"
    assert cli("bundle", "export", "root-v2", "-o", bundle).code == 0
    first = rstuf.parse_bundle(bundle.read_bytes()).first_root
    as_person(monkeypatch, says=False)
    argv = ("bundle", "sign", bundle, "--key", tmp_path / "bob" / "bob.key", "--fingerprint", first)
    assert cli(*argv, "--holder-dir", tmp_path / "rec", "--transcript", tmp_path / "kept.txt").code == 1
    assert "who signed here\n  nobody\n" in text_of(tmp_path / "kept.txt")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("root update --threshold 2 --yes", "root        2 of 2 must sign: alice and bob"),
        ("root update --role timestamp --expires 1d", "timestamp lives for 24 h from now on"),
        ("key rotate online --yes", "online-2 is to take the place of online"),
        (
            "recover online-key online --leaked --yes",
            "online-2 is to take the place of online, which is in the wrong hands",
        ),
        ("recover root-key bob --yes", "root 1 of 1 must sign: alice"),
        ("recover root", "root v2, published"),
        ("recover copy --yes", "gone on from a copy"),
    ],
)
def test_other_commands_are_recorded(
    workspace: Path, cli: Cli, later: Callable[[timedelta], None], command: str, says: str
) -> None:
    """Whatever changes who signs what, or signs anew, can be recorded."""
    # Root is due by then.
    later(timedelta(days=300))
    done = cli(*command.split(), "--transcript", "record.txt")
    assert done.code in {0, 4}, done.err
    text = text_of(Path("record.txt"))
    assert " ".join(says.split()) in " ".join(text.split())
    assert f"(exit code {done.code})" in text
    assert noted(cli)[-1] == {"file": "record.txt", "sha256": digest_of(Path("record.txt"))}
    assert cli("log", "--verify").code == 0
    assert cli("root", "update", "--threshold", "1", "--yes", "--transcript", "record.txt").code == 1
