"""`rstuf bundle inspect` and `sign`: a key holder sees what they sign, and is asked before their key is opened."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.bundles import PASSPHRASE, bundle, encode
from tests.support.holders import WORLD, Holder, sign_it, write_key
from tests.support.hostile import baseline, hostile
from tests.support.terminals import Terminal, on_terminal
from tests.unit.metadata import roots
from tests.unit.signing import keyring

import rstuf
from rstuf.errors import StorageError
from rstuf.metadata.bundle import parse_signatures
from rstuf.metadata.key_identity import verify_signature
from rstuf.metadata.root_parts import short_id
from rstuf.model.keys import KeyId
from rstuf_cli import prompts

HOSTILE = hostile(WORLD)


# --- signing ---------------------------------------------------------------------------------------------------


def test_what_was_shown_is_signed(holder: Holder) -> None:
    """One file comes of it: a signature of the bytes that were shown, by the key that was named, and nothing else."""
    done = sign_it(holder)
    assert done.code == 0, done.err
    assert (len(holder.asked), holder.opened) == (1, ["passphrase of vault:"])
    (file,) = holder.signatures
    assert file.name == f"root-v4.{roots.keyid(2)[:8]}.sig"
    (made,) = parse_signatures(file.read_bytes()).signatures
    part = bundle(WORLD.document()).parts[0]
    assert (made.digest, made.keyid) == (part.digest, roots.keyid(2))
    assert verify_signature(roots.key(2), made.sig, part.payload)
    assert set(json.loads(file.read_bytes())["signatures"][0]) == {"digest", "keyid", "sig"}
    assert f"rstuf bundle import {file.name}" in done.out


def test_it_is_remembered(holder: Holder) -> None:
    """The record keeps the root in force, names and what was signed, and the next bundle is held against it."""
    holder.answer = True
    holder.sign(baseline(WORLD), "--fingerprint", WORLD.first_root)
    (file,) = holder.record.glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(holder.record.stat().st_mode) == 0o700
    again = holder.inspect(baseline(WORLD))
    assert "root v3, by your own record" in again.out
    assert "!" not in again.out
    other = WORLD.next_root
    other["expires"] = other["expires"][:-3] + ("58Z" if other["expires"].endswith("59Z") else "59Z")
    changed = holder.inspect(encode(WORLD.document(other)))
    assert f"! you signed another root v4 with {short_id(KeyId(roots.keyid(2)))}" in changed.out
    forked = WORLD.document(chain=WORLD.files[:2])
    assert holder.inspect(encode(forked)).code == 3


def test_no_means_no(holder: Holder) -> None:
    """Whoever says no has signed nothing, opened nothing and written nothing."""
    WORLD.record(holder.record)
    before = tree(holder.place)
    done = holder.sign(baseline(WORLD))
    assert (done.code, done.out, holder.opened) == (1, "", [])
    assert done.err.endswith("nothing was signed\n")
    assert tree(holder.place) == {**before, "root-v4.rstuf": tree(holder.place)["root-v4.rstuf"]}


def test_a_script_names_the_code(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a person --yes needs the code that was compared, however it is written; another one is refused."""
    monkeypatch.setattr(prompts, "person_is_there", lambda: False)
    passphrase = holder.place / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_bytes(PASSPHRASE)
    WORLD.record(holder.record)
    code = bundle(WORLD.document()).code
    how = ("--passphrase-file", passphrase)
    assert holder.sign(baseline(WORLD), *how).code == 2
    assert holder.sign(baseline(WORLD), *how, "--yes").code == 2
    wrong = holder.sign(baseline(WORLD), *how, "--yes", "--code", "0000-0000-0000-0000")
    assert (wrong.code, holder.signatures) == (3, [])
    assert code not in wrong.err
    assert "its code is another one than you gave" in wrong.err
    spoken = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    done = holder.sign(baseline(WORLD), *how, "--yes", "--code", spoken)
    assert done.code == 0, done.err
    assert len(holder.signatures) == 1
    assert "root-v4  for the repository" in done.err


def test_json_tells_all(holder: Holder) -> None:
    """Inspection as data has the code, every part, side, key and concern; signing adds the signatures."""
    WORLD.record(holder.record)
    both = WORLD.document(WORLD.next_root, WORLD.targets, signed_by=(0,))
    found = holder.inspect(encode(both), "--json").document
    assert found["code"] == bundle(both).code
    assert [part["role"] for part in found["parts"]] == ["root", "targets"]
    assert found["parts"][0]["sides"][0] == {
        "label": "root v3",
        "threshold": 2,
        "keyids": [roots.keyid(number) for number in (0, 1, 2)],
        "signed": [roots.keyid(0)],
        "missing": 1,
    }
    assert found["parts"][1]["targets"]["delegated"][0]["bins"] == {"count": 256, "prefix": '"bins"'}
    assert {each["code"] for each in found["concerns"] if each["grave"]} == {"signature-foreign"}
    (holder.place / "vault.key").unlink()
    write_key(holder.place / "vault.key", 2, passphrase=None)
    done = holder.sign(encode(both), "--json", "--yes", "--code", found["code"])
    assert done.code == 0, done.err
    assert done.document["signatures"][0]["keyid"] == roots.keyid(2)
    assert done.document["recorded"] is True


def test_a_key_that_may_not_sign(holder: Holder) -> None:
    """A key that no side lists is refused before any question."""
    write_key(holder.place / "other.key", 5)
    WORLD.record(holder.record)
    done = holder.sign(baseline(WORLD), key="other.key")
    assert (done.code, holder.asked, holder.opened) == (1, [], [])
    assert "which may not sign root-v4" in done.err


@pytest.mark.parametrize("uri", ["vault.key", "file:vault.key", "./vault.key", "FILE:vault.key"])
def test_ways_to_name_a_key(uri: str, holder: Holder) -> None:
    """A key is named by its file, or by a signer URI."""
    assert sign_it(holder, key=uri).code == 0
    assert len(holder.signatures) == 1


def test_a_file_that_is_there_is_left(holder: Holder) -> None:
    """A signature never takes the place of another file; that is found before the question."""
    (holder.place / "mine.sig").write_text("x")
    done = sign_it(holder, None, "-o", "mine.sig")
    assert (done.code, holder.asked) == (1, [])
    assert (holder.place / "mine.sig").read_text() == "x"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_the_same_again_is_no_harm(kind: str, holder: Holder) -> None:
    """Signing the same by the same key again leaves what is there, with its picture: also where no two are alike."""
    root = WORLD.next_root
    roots.add_key(root, keyring.public(kind, 7), "root")
    write_key(holder.place / "again.key", 7, passphrase=None, kind=kind)
    options = ("-o", "mine.sig", "--qr-out", "mine.png")
    first = sign_it(holder, WORLD.document(root), *options, key="again.key")
    assert first.code == 0, first.err
    before = {name: text for name, text in tree(holder.place).items() if name.startswith("mine")}
    again = holder.sign(encode(WORLD.document(root)), *options, key="again.key")
    assert again.code == 0, again.err
    assert {name: text for name, text in tree(holder.place).items() if name.startswith("mine")} == before
    other = holder.sign(baseline(WORLD), *options)
    assert (other.code, "mine.sig is there already" in other.err) == (1, True)


@pytest.mark.parametrize("place", ["taken.png", "gone/sig.png", "mine.sig"])
def test_where_no_picture_can_be_written(place: str, holder: Holder) -> None:
    """A picture that cannot be written is found before the question, and nothing is signed."""
    (holder.place / "taken.png").write_text("x")
    done = sign_it(holder, None, "-o", "mine.sig", "--qr-out", place)
    assert (done.code, holder.asked, holder.signatures) == (1, [], [])


def test_what_was_signed_is_on_record_whatever_follows(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where handing it over fails at last, the transcript says that it was signed, and so does the error."""

    def full(data: bytes, path: Path) -> None:
        raise StorageError("write", str(path), "no space left on the disk")

    monkeypatch.setattr(rstuf, "write_qr", full)
    done = sign_it(holder, None, "-o", "mine.sig", "--qr-out", "mine.png", "--transcript", "record.txt")
    assert done.code == 6
    assert "kept:  root-v4 is signed, and the signature is mine.sig" in done.err
    text = (holder.place / "record.txt").read_text()
    assert "(exit code 6)" in text
    assert "nobody" not in text.partition("who signed here")[2].partition("keys")[0]


def test_both_parts_are_named_in_the_question(holder: Holder) -> None:
    """Whoever signs root and targets is asked about both, whichever comes first."""
    root = WORLD.next_root
    root["roles"]["targets"]["keyids"].append(roots.keyid(2))
    targets = WORLD.targets
    sign_it(holder, WORLD.document(root, targets))
    sign_it(holder, WORLD.document(targets, root), "-o", "second.sig")
    asked = [question.partition(" with ")[0] for question in holder.asked]
    assert asked == ["Sign root-v4 and targets-v2", "Sign targets-v2 and root-v4"]


@pytest.mark.parametrize(("name", "quoted"), [("my sig", "'my sig'"), ("-x.sig", "./-x.sig")])
def test_what_comes_next_can_be_typed(name: str, quoted: str, holder: Holder) -> None:
    """The command that takes a signature in is one that a shell understands."""
    done = sign_it(holder, None, f"--output={name}")
    assert f"\n  rstuf bundle import {quoted}\n" in done.out


def test_stdout_has_the_signature_alone(holder: Holder) -> None:
    """-o - writes the signature file to stdout and no file; the screen is on stderr."""
    done = sign_it(holder, None, "-o", "-")
    assert done.code == 0, done.err
    assert parse_signatures(done.out_bytes).signatures[0].keyid == roots.keyid(2)
    assert holder.signatures == []


def test_a_qr_code_crosses_the_gap(holder: Holder) -> None:
    """The code in the terminal and the picture hold the signature file, to the byte."""
    done = sign_it(holder, None, "--qr", "--qr-out", "sig.png")
    assert done.code == 0, done.err
    (file,) = holder.signatures
    assert rstuf.read_picture(holder.place / "sig.png") == [file.read_bytes()]
    assert all(line in done.out for line in rstuf.qr_lines(file.read_bytes()))


def test_a_key_of_another_kind(holder: Holder) -> None:
    """An ECDSA key signs what lists it: its signature is not the same twice, and verifies."""
    pem, root = keyring.public("ecdsa", 7), WORLD.next_root
    roots.add_key(root, pem, "root")
    write_key(holder.place / "ec.key", 7, kind="ecdsa")
    done = sign_it(holder, WORLD.document(root), key="ec.key")
    assert done.code == 0, done.err
    (made,) = parse_signatures(holder.signatures[0].read_bytes()).signatures
    assert verify_signature(pem, made.sig, bundle(WORLD.document(root)).parts[0].payload)


def test_it_is_signed_for_no_longer_than_the_signer_says(holder: Holder) -> None:
    """--max-expiry is the signer's own bound, whatever the bundle's policy is."""
    WORLD.record(holder.record)
    assert holder.inspect(baseline(WORLD), "--max-expiry", "364d").code == 3
    assert holder.inspect(baseline(WORLD), "--max-expiry", "366d").code == 0


def test_lines_fit(holder: Holder) -> None:
    """No line of any screen is wider than 79 columns."""
    WORLD.record(holder.record)
    rich = WORLD.document(WORLD.next_root, {**WORLD.targets, "x-y": "z" * 300}, signed_by=(0, 4))
    for data in (baseline(WORLD), encode(rich), HOSTILE["key: all replaced"], HOSTILE["label: new key alike"]):
        assert max(map(len, holder.inspect(data).out.splitlines())) <= 79


@pytest.mark.parametrize("columns", [40, 60])
def test_lines_fit_a_narrow_terminal(columns: int, holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal lines are folded once, so that what goes on stands under what it belongs to."""
    monkeypatch.setenv("COLUMNS", str(columns + 1))
    WORLD.record(holder.record)
    lines = holder.inspect(HOSTILE["key: all replaced"]).out.splitlines()
    assert max(map(len, lines)) <= columns
    assert [line for line in lines if line.startswith("  first root")] == [
        f"  first root   {WORLD.first_root[: columns - 15]}"
    ]


def test_a_moved_name_is_told_with_words(holder: Holder) -> None:
    """Where a name moves to another key, its holder's words are there to be asked for."""
    WORLD.record(holder.record)
    text = " ".join(holder.inspect(HOSTILE["label: new key as the old"]).out.split())
    assert '! the name "yubikey" is the name of another key' in text
    assert " ".join(rstuf.fingerprint_words(roots.keyid(4))) in text


# --- a person at a terminal -----------------------------------------------------------------------------------


def test_at_a_terminal_the_answer_is_no(holder: Holder, tmp_path: Path) -> None:
    """Enter alone is no; y signs, and only then the passphrase is asked for."""
    WORLD.record(holder.record)
    holder.file.write_bytes(baseline(WORLD))
    command = [sys.executable, "-m", "rstuf_cli", "bundle", "sign", holder.file, "--key", "vault.key"]
    command += ["--holder-dir", holder.record]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

    def refuses(terminal: Terminal) -> None:
        terminal.until(b"[y/N]")
        terminal.type(b"\r")

    code, _, shown = on_terminal(command, refuses, env=env)
    assert (code, holder.signatures) == (1, [])
    assert b"passphrase" not in shown

    def agrees(terminal: Terminal) -> None:
        terminal.until(b"[y/N]")
        terminal.type(b"y\r")
        terminal.until(b"passphrase of vault:")
        terminal.type(PASSPHRASE + b"\r")

    code, out, shown = on_terminal(command, agrees, env=env)
    assert code == 0, shown
    assert len(holder.signatures) == 1
    assert b"bundle import" in out


# --- no network, no home, nothing to write on (T37) -----------------------------------------------------------


def _may_unshare() -> bool:
    tools = shutil.which("unshare") and shutil.which("strace")
    return bool(tools) and subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _may_unshare(), reason="strace or unshare is not here, or may not be used")
@pytest.mark.parametrize("act", ["inspect", "sign"])
def test_no_socket_is_opened(act: str, holder: Holder, tmp_path: Path) -> None:
    """Without network, HOME and a directory to write in, it works, and no internet socket is even made."""
    (holder.place / "vault.key").unlink()
    write_key(holder.place / "vault.key", 2, passphrase=None)
    holder.file.write_bytes(baseline(WORLD))
    (holder.place / "3.root.json").write_bytes(WORLD.files[2])
    trace, code = tmp_path / "trace", bundle(WORLD.document()).code
    holder.place.chmod(0o555)
    command: list[object] = ["unshare", "-rn", "strace", "-f", "-e", "trace=network", "-o", trace, sys.executable]
    command += ["-m", "rstuf_cli", "bundle", act, holder.file.name, "--trusted-root", "3.root.json"]
    if act == "sign":
        command += ["--key", "vault.key", "--yes", "--code", code, "-o", "-"]
    try:
        done = subprocess.run(
            [*map(str, command)],
            cwd=holder.place,
            env={
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1",
                "XDG_DATA_HOME": "/proc",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            start_new_session=True,
        )
    finally:
        holder.place.chmod(0o755)
    assert done.returncode == 0, done.stderr.decode()
    if act == "sign":
        assert parse_signatures(done.stdout).signatures[0].keyid == roots.keyid(2)
        assert b"in no record of yours" in done.stderr
    calls = trace.read_text()
    assert "exited with 0" in calls
    assert "AF_INET" not in calls


def test_without_a_home_there_is_no_record(holder: Holder, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """Who has no directory of their own signs all the same, and is told that nothing is remembered."""
    monkeypatch.delenv("XDG_DATA_HOME")

    def nowhere() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", nowhere)
    holder.answer = True
    holder.file.write_bytes(baseline(WORLD))
    done = cli("bundle", "sign", holder.file, "--key", "vault.key", "--fingerprint", WORLD.first_root)
    assert done.code == 0, done.err
    assert "no record is kept of what you sign" in done.err


def test_a_record_that_others_can_write_to(holder: Holder) -> None:
    """A record that somebody else could have written is not believed."""
    WORLD.record(holder.record)
    holder.record.chmod(0o777)
    done = holder.sign(baseline(WORLD))
    assert (done.code, holder.asked) == (1, [])
    assert "everybody can write to it" in done.err


@pytest.mark.parametrize("damage", [b"", b"{}", b"null", b'{"format":1}', b"\xff"])
def test_a_damaged_record_is_not_passed_over(damage: bytes, holder: Holder) -> None:
    """A record that cannot be read stops signing: it may have said that this was signed otherwise."""
    WORLD.record(holder.record)
    (file,) = holder.record.glob("*.json")
    file.write_bytes(damage)
    done = holder.sign(baseline(WORLD))
    assert (done.code, holder.asked) == (6, [])
    assert "move it away" in done.err
