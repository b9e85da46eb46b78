"""Keys in OpenSSH's agent: listed, looked at, signing as TUF wants it, or refused with the reason."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import pytest
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import SSlibKey
from tests.support.agents import needs_openssh, real_agent
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED

from rstuf.errors import SignerMismatch, SignerUnavailable
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.signing import agent_socket, ssh_agent
from rstuf.signing.agent_wire import list_identities
from rstuf.signing.public_keys import parse_public
from rstuf.signing.rehearsal import RehearsedKeys
from rstuf.signing.secrets import NoSecrets
from rstuf.signing.source import KeyFileSource
from rstuf.signing.ssh_agent import SshAgent

pytestmark = needs_openssh


@pytest.fixture
def agent(monkeypatch):
    """An ssh-agent that the environment names."""
    with real_agent() as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        monkeypatch.delenv("SSH_CONNECTION", raising=False)
        yield agent


@pytest.fixture
def source(workspace) -> KeyFileSource:
    return KeyFileSource(workspace, NoSecrets())


def entry_of(agent, file, *, scheme: str | None = None) -> KeyEntry:
    """The entry of a key that is in the agent."""
    key = parse_public(file.with_name(f"{file.name}.pub").read_bytes(), where="test")
    return KeyEntry("maria", PublicKey(key.keytype, scheme or key.scheme, key.public), agent.uri(file), ADDED)


def verified(entry: KeyEntry, signature: str, payload: bytes) -> bool:
    """What securesystemslib says of a signature: it raises where it is none."""
    key = SSlibKey.from_dict(entry.keyid, entry.key.to_dict())
    key.verify_signature(LibrarySignature(entry.keyid, signature), payload)
    return True


@pytest.mark.parametrize("payload", [b'{"_type":"root"}', b"", bytes(range(256)) * 1019], ids=["short", "none", "long"])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_key_in_the_agent_signs(agent, source, kind, payload):
    """Ed25519 and ECDSA P-256, by the default schemes, over anything that an agent takes: the library verifies it."""
    entry = entry_of(agent, agent.make(kind))
    signer = source.open(entry)
    assert signer.keyid == entry.keyid
    assert verified(entry, signer.sign(payload), payload)


def test_ecdsa_signatures_are_der_whatever_their_numbers_are(agent, source):
    """Numbers with a leading zero and short ones come about by chance: all of a hundred signatures verify."""
    entry = entry_of(agent, agent.make("ecdsa"))
    signer = source.open(entry)
    assert all(verified(entry, signer.sign(payload), payload) for payload in (bytes([each]) for each in range(100)))


@pytest.mark.parametrize("scheme", ["rsa-pkcs1v15-sha256", "rsa-pkcs1v15-sha512"])
def test_an_rsa_key_signs_where_it_is_listed_for_it(agent, source, scheme):
    """PKCS#1 v1.5 by the digest that its scheme names."""
    entry = entry_of(agent, agent.make("rsa", "-b", "2048"), scheme=scheme)
    assert verified(entry, source.open(entry).sign(b"payload"), b"payload")


@pytest.mark.parametrize("scheme", [*keyring.PSS, "rsa-pkcs1v15-sha384"])
def test_an_rsa_key_that_is_listed_for_something_else(agent, source, scheme):
    """No agent signs by PSS, and none by SHA-384: the reason and another way are told before anything is signed."""
    entry = entry_of(agent, agent.make("rsa", "-b", "2048"), scheme=scheme)
    for use in (source.open, source.look):
        with pytest.raises(SignerUnavailable, match=f"PKCS#1 v1.5 only.* listed for {scheme}") as caught:
            use(entry)
        assert "file:PATH" in caught.value.hint


def test_the_public_half_comes_from_the_agent(agent, source):
    """It equals the one in the key's file; a look is certain, and asks nobody."""
    file = agent.make("ed25519", constraints=["-c"])
    entry = entry_of(agent, file)
    assert source.public_of("maria", entry.signer) == entry.key
    assert source.look(entry) is True
    assert agent.asked == []


def test_the_scheme_of_an_rsa_key_is_not_guessed(agent, source):
    """Its public half would have to be listed for PKCS#1 v1.5: that is left to a key object that says so."""
    file = agent.make("rsa", "-b", "2048")
    with pytest.raises(SignerUnavailable, match="few clients read") as caught:
        source.public_of("maria", agent.uri(file))
    assert "rsa-pkcs1v15-sha256" in caught.value.hint


def test_another_key_than_the_one_that_is_known(agent, source):
    """The fingerprint names a key of the agent, and it is not the entry's."""
    entry = KeyEntry("maria", keyring.public("ed25519"), agent.uri(agent.make("ed25519")), ADDED)
    for use in (source.open, source.look):
        with pytest.raises(SignerMismatch, match="another key"):
            use(entry)


def test_a_key_that_is_not_in_the_agent(agent, source):
    """What is there is told, by the fingerprints that ssh-add prints; the key itself can be put in."""
    away = agent.make("ed25519")
    agent.ssh_add("-q", "-d", str(away))
    there = agent.make("ecdsa", comment="maria's token")
    with pytest.raises(SignerUnavailable, match="is not in the agent") as caught:
        source.look(entry_of(agent, away))
    assert agent.ssh_add("-l").split()[1] in caught.value.hint
    assert "(maria's token)" in caught.value.hint
    assert agent.uri(there).removeprefix("ssh-agent:") in caught.value.hint
    agent.add(away)
    assert source.look(entry_of(agent, away))


def test_an_empty_agent_and_a_locked_one(agent, source):
    """Both list nothing: both are named, with what helps."""
    entry = entry_of(agent, agent.make("ed25519"))
    signer = source.open(entry)
    agent.ssh_add("-x")
    with pytest.raises(SignerUnavailable, match="holds no keys, or is locked") as caught:
        source.open(entry)
    assert "ssh-add -X" in caught.value.hint
    with pytest.raises(SignerUnavailable, match="holds the key no more, or was locked"):
        signer.sign(b"payload")
    agent.ssh_add("-X")
    assert verified(entry, signer.sign(b"payload"), b"payload")
    agent.ssh_add("-q", "-D")
    with pytest.raises(SignerUnavailable, match="holds the key no more"):
        signer.sign(b"payload")


def test_whoever_is_asked_at_the_agent_decides(agent, source):
    """A key that was added with -c signs when it is confirmed, and is refused when it is not."""
    entry = entry_of(agent, agent.make("ed25519", constraints=["-c"]))
    signer = source.open(entry)
    agent.confirms(True)
    assert verified(entry, signer.sign(b"payload"), b"payload")
    agent.confirms(False)
    with pytest.raises(SignerUnavailable, match="the agent refused to sign") as caught:
        signer.sign(b"payload")
    assert "confirm it" in caught.value.hint
    assert len(agent.asked) == 2


def test_a_rehearsal_asks_nobody(agent, source):
    """What it signs is thrown away, so a key that would have to be confirmed is only looked at."""
    entry = entry_of(agent, agent.make("ed25519", constraints=["-c"]))
    assert RehearsedKeys(source).open(entry).keyid == entry.keyid
    assert agent.asked == []
    agent.ssh_add("-q", "-D")
    with pytest.raises(SignerUnavailable):
        RehearsedKeys(source).open(entry)


def test_a_payload_that_no_agent_takes(agent, source):
    """From 256 KiB on it is refused by its size, without the agent."""
    entry = entry_of(agent, agent.make("ed25519"))
    with pytest.raises(SignerUnavailable, match="262144 bytes are to be signed, and agents take less than 256 KiB"):
        source.open(entry).sign(bytes(256 * 1024))


def test_every_key_that_is_there_is_found(agent, workspace, key_file):
    """With its URI, public half and comment; those that cannot be used with the reason."""
    files = {kind: agent.make(kind, comment=f"{kind} of maria") for kind in ("ed25519", "ecdsa", "rsa")}
    agent.add(key_file("ssh-p384.key"))
    found = list(SshAgent(agent.socket).found())
    usable = {each.label: each for each in found if each.fault is None}
    assert usable.keys() == {"ed25519 of maria", "ecdsa of maria"}
    for kind in ("ed25519", "ecdsa"):
        each = usable[f"{kind} of maria"]
        assert (each.scheme, each.uri, each.note) == ("ssh-agent", agent.uri(files[kind]), None)
        assert each.key == entry_of(agent, files[kind]).key
    faults = {each.label: each for each in found if each.fault is not None}
    rsa = faults.pop("rsa of maria")
    assert "few clients read" in rsa.fault
    assert (rsa.uri, rsa.key.scheme) == (agent.uri(files["rsa"]), "rsa-pkcs1v15-sha256")
    (p384,) = faults.values()
    assert ("not read by every client" in p384.fault, p384.uri, p384.key) == (True, None, None)


def test_a_key_that_an_agent_repeats_is_found_once(agent):
    """Whatever the agent says twice, there is one key to name."""
    agent.make("ed25519")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssh_agent, "list_identities", lambda place, **how: list_identities(place, **how) * 2)
        assert len(list(SshAgent(agent.socket).found())) == 1


def test_a_certificate_is_not_taken_for_its_key(agent, source):
    """The agent holds both: the certificate is found with its reason, and the key signs."""
    authority = agent.make("ed25519", comment="authority")
    file = agent.make("ed25519", comment="maria")
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "maria", f"{file}.pub"], check=True)
    agent.ssh_add("-q", "-D")
    agent.add(file)
    found = list(SshAgent(agent.socket).found())
    assert [("certificate" in (each.fault or "")) for each in found] == [False, True]
    entry = entry_of(agent, file)
    assert verified(entry, source.open(entry).sign(b"payload"), b"payload")


def test_the_environment_is_read_when_a_key_is_used(agent, source, monkeypatch):
    """Without SSH_AUTH_SOCK nothing is found, and a key says what is missing; the same source works once it is set."""
    entry = entry_of(agent, agent.make("ed25519"))
    for value in (None, ""):
        monkeypatch.setenv("SSH_AUTH_SOCK", value) if value is not None else monkeypatch.delenv("SSH_AUTH_SOCK")
        assert list(SshAgent().found()) == []
        with pytest.raises(SignerUnavailable, match="SSH_AUTH_SOCK is not set") as caught:
            source.open(entry)
        assert "ssh-add KEYFILE" in caught.value.hint
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
    assert source.look(entry)


def test_a_socket_behind_which_nobody_is(agent, source, monkeypatch, tmp_path):
    """The agent ended, before a key was opened or after; its socket went; something else is in its place."""
    entry = entry_of(agent, agent.make("ed25519"))
    signer = source.open(entry)
    agent.process.kill()
    agent.process.wait()
    for use in (lambda: source.open(entry), lambda: signer.sign(b"x"), lambda: list(SshAgent().found())):
        with pytest.raises(SignerUnavailable, match="has ended"):
            use()
    agent.socket.unlink()
    with pytest.raises(SignerUnavailable, match=r"there is no agent at .* any more") as caught:
        signer.sign(b"x")
    assert "ssh-agent" in caught.value.hint
    (tmp_path / "file").write_text("")
    for place, reason in ((tmp_path / "file", "is no socket"), ("x" * 300, "cannot be looked at")):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        with pytest.raises(SignerUnavailable, match=reason):
            source.look(entry)


def test_the_agent_of_another_user(agent, source, monkeypatch):
    """Its socket is refused, for listing and for signing; root may use any."""
    entry = entry_of(agent, agent.make("ed25519"))
    signer = source.open(entry)
    mine = agent.socket.stat().st_uid
    monkeypatch.setattr(agent_socket.os, "geteuid", lambda: mine + 4711)
    for use in (lambda: source.open(entry), lambda: signer.sign(b"x"), lambda: list(SshAgent().found())):
        with pytest.raises(SignerUnavailable, match=f"belongs to another user \\(uid {mine}\\)"):
            use()
    monkeypatch.setattr(agent_socket.os, "geteuid", lambda: 0)
    assert source.look(entry)


def test_ctrl_c_ends_the_wait_for_a_person(agent, workspace):
    """Who is asked at the agent never answers: an interrupt is heard at once, and the agent goes on."""
    entry = entry_of(agent, agent.make("ed25519", constraints=["-c"]))
    (agent.directory / "askpass").write_text(f"#!/bin/sh\ntouch {agent.directory}/asks\nexec sleep 60\n")
    program = (
        # Who was started in a shell's background has SIGINT ignored, and hands that on.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tests.unit.signing.test_ssh_agent import *\n"
        f"SshAgent().signature(KeyEntry('maria', {entry.key!r}, None, ADDED), bytes.fromhex(sys.argv[1]), b'payload')"
    )
    blob = subprocess.run(["ssh-add", "-L"], env=agent.environment(), capture_output=True, check=True).stdout
    argument = keyring.base64.b64decode(blob.split()[1]).hex()
    waiting = subprocess.Popen([sys.executable, "-c", program, argument], stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 20
        while not (agent.directory / "asks").exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        begun = time.monotonic()
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=20)
    finally:
        waiting.kill()
        # It closes the pipe, too.
        waiting.communicate()
    assert b"KeyboardInterrupt" in said
    assert time.monotonic() - begun < 10


# --- agents of other machines


NAMES = {
    "ssh-XXXXabcd/agent.4711": (False, True),
    ".ssh/agent/s.0aB9.sshd.Zz81": (True, True),
    ".ssh/agent/s.0aB9.agent.Zz81": (False, False),
    "ssh-XXXXabcd/agent.sshd.4711": (True, True),
    "dropbear-1234/auth-5678-1": (True, True),
    "keyring/ssh": (False, False),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_forwarded_agent_is_told_by_its_socket(name, monkeypatch):
    """What sshd names its sockets is enough; names that a local agent has too count inside an SSH session only."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    place = agent_socket.Path("/nowhere") / name
    alone, within = NAMES[name]
    assert (agent_socket.forwarded_note(place) is not None) is alone
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
    assert (agent_socket.forwarded_note(place) is not None) is within


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="this system does not tell who listens at a socket")
def test_a_forwarded_agent_is_told_by_who_listens(agent, source, tmp_path):
    """Whatever the socket is called: the process behind it is sshd's."""
    place = agent.directory / "other.sock"
    program = (
        "import socket, sys; open('/proc/self/comm', 'w').write('sshd-session')\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        note = agent_socket.forwarded_note(place)
        process.stdin.close()
    assert "forwarded by SSH from another machine" in note
    assert agent_socket.forwarded_note(agent.socket) is None


def test_who_opens_a_key_of_a_forwarded_agent_is_told_once(agent, workspace, monkeypatch):
    """The source tells whoever listens, by the key's name; what is found has it as a note; a look says nothing."""
    place = agent.directory / "s.0aB9.sshd.Zz81"
    place.symlink_to(agent.socket)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    told: list[tuple[str, str]] = []
    source = KeyFileSource(workspace, NoSecrets(), on_note=lambda key, note: told.append((key, note)))
    entry = entry_of(agent, agent.make("ed25519"))
    assert source.look(entry)
    assert told == []
    source.public_of("maria", entry.signer)
    source.open(entry)
    source.open(entry)
    ((key, note),) = told
    assert (key, "forwarded" in note) == ("maria", True)
    assert [each.note for each in SshAgent().found()] == [note]


@pytest.mark.parametrize(
    "rest",
    [
        "SHA256:",
        "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "sha256:" + "A" * 43,
        "A" * 43,
        "SHA256:" + "A" * 42,
        "SHA256:" + "A" * 44,
        "SHA256:" + "A" * 43 + "=",
        "SHA256:" + "A" * 42 + "B",
        "SHA256:" + "A" * 42 + "-",
        "SHA256:" + "A" * 42 + "é",
        "//SHA256:" + "A" * 43,
        "SHA256:" + "A" * 43 + "?socket=/tmp/x",
        "SHA256:" + "A" * 43 + " ",
    ],
)
def test_what_is_no_fingerprint_is_refused_as_it_is_written(source, rest):
    """A key is named by the one form that ssh-add prints, and by nothing else; no agent is asked for that."""
    entry = KeyEntry("maria", keyring.public("ed25519"), f"ssh-agent:{rest}", ADDED)
    with pytest.raises(SignerUnavailable, match="does not name a key of an agent") as caught:
        source.open(entry)
    assert "ssh-add -l" in caught.value.hint
