"""Every command as somebody sees it who types it, from files that can be read: `transcripts/COMMAND.txt`.

The first lines of a transcript say where it begins; then come commands and their answers:

    $ rstuf artifact show a.txt        a command, as a shell reads it
      a.txt                            what came on stdout
    ! note: ...                        what came on stderr
    [1]                                the exit code, unless it is 0

There is no terminal: nobody can be asked. What differs from run to run is written as HEX, WORDS, DATE, N s, WHO.
RSTUF_UPDATE_TRANSCRIPTS=1 writes the answers anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Result, Shop, elsewhere, run, tree
from tests.support.elsewhere import Delegate

import rstuf
from rstuf.clock import SystemClock
from rstuf.model.spoken import EVEN, ODD
from rstuf_cli.app import VERBS

TRANSCRIPTS = Path(__file__).parent / "transcripts"
PLACES = {
    "an empty directory": "nothing",
    "a workspace": "inside",
    "a client's machine": "client",
    "a team's workspace": "waits",
    "one with a delegate elsewhere": "delegate",
    "one whose state is lost": "stateless",
    "one that nobody has looked after": "forgotten",
    "one whose root somebody published": "overtaken",
}
# Where an answer to a question is data even though something is wrong: verdicts.
VERDICTS = {3, 4, 7, 8}

_WORD = "|".join(sorted({*EVEN, *ODD}, key=len, reverse=True))
_VARYING = [
    (re.compile(r"\b[0-9a-f]{4}(?: [0-9a-f]{4}){3,}\b"), "HEX"),
    (re.compile(r"\b[0-9a-f]{8,}\b"), "HEX"),
    (re.compile(r"\b[0-9a-f]{4} [0-9a-f]{4} …"), "HEX …"),
    # Where lines of them break depends on which words they are.
    (re.compile(rf'\b(?:{_WORD})(?:"?,?\s+"?(?:{_WORD})){{7,}}', re.IGNORECASE), "WORDS"),
    (re.compile(r"\(WORDS\s+…\),\s+known\s+to\s+you"), "(WORDS …), known to you"),
    # Keys are listed by their ids, so that it differs which is first.
    (re.compile(r'(\{"scheme": "\w+", "label": )"[\w-]+"'), r"\1NAME"),
    (re.compile(r"\b[A-Za-z0-9+/]{40,}=*"), "BASE64"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ| \d\d:\d\d)?"), "DATE"),
    (re.compile(r"\b(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}\b"), "CODE"),
    (re.compile(r"\w+, [\d.]+ .?B free"), "DISK free"),
    (re.compile(r'"kind": "\w+", "free": \d+, "files": \d+'), '"kind": DISK'),
    (re.compile(r'(rstuf|python|tuf|sqlite)("?:?) "?[\d.]+"?'), r"\1\2 VERSION"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)? (?:ms|s)\b"), "N s"),
    (re.compile(r"\b[\w.-]+@[\w.-]+\b"), "WHO"),
]


@dataclass
class Step:
    """One command of a transcript and its answer."""

    line: str
    answer: list[str]

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.line)[1:]


@dataclass
class Transcript:
    """A file of commands and their answers."""

    head: list[str]
    steps: list[Step]

    @classmethod
    def read(cls, path: Path) -> Transcript:
        head: list[str] = []
        steps: list[Step] = []
        for line in path.read_text().splitlines():
            if line.startswith("$ "):
                steps.append(Step(line[2:], []))
            elif steps:
                steps[-1].answer.append(line)
            else:
                head.append(line)
        for step in steps:
            while step.answer and not step.answer[-1]:
                step.answer.pop()
        return cls(head, steps)

    def write(self, path: Path) -> None:
        blocks = ["\n".join([f"$ {step.line}", *step.answer]) for step in self.steps]
        path.write_text("\n".join(self.head).rstrip() + "\n\n" + "\n\n".join(blocks) + "\n")

    @property
    def begins(self) -> str:
        (place,) = [place for place in PLACES if f"in {place}" in " ".join(self.head)]
        return PLACES[place]


@pytest.fixture(autouse=True)
def now(made_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still at the ceremony, so that what is said in days is the same every time."""
    root = json.loads((made_once / "metadata/1.root.json").read_text())
    instant = datetime.fromisoformat(root["signed"]["expires"]) - timedelta(days=365)
    monkeypatch.setattr(SystemClock, "now", lambda self: instant)


DELEGATIONS = """
[[delegations]]
name = "vendor"
paths = ["vendor/*"]
signers = ["vera"]
terminating = true

[[delegations]]
name = "docs"
paths = ["docs/*", "docs/*/*"]
"""


@pytest.fixture
def nothing() -> dict[str, str]:
    """An empty directory but for plans: one with bins, and one with delegations beside them, of which one has a key."""
    Path("plan.toml").write_text(PLAN)
    vera = '[keys.vera]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/vera.key"\n'
    Path("delegations.toml").write_text(PLAN + vera + DELEGATIONS)
    away = vera.replace("generate", "public").replace("ed25519", "vera.pub").partition("encrypt")[0]
    Path("away.toml").write_text(PLAN + away + DELEGATIONS)
    return {}


@pytest.fixture
def inside(filled: Path, tmp_path: Path) -> dict[str, str]:
    """The workspace `acme` with two artifacts; files to take in lie beside it."""
    files = tmp_path / "dist"
    files.mkdir()
    (files / "a.txt").write_bytes(b"alpha, changed\n")
    (files / "new.txt").write_bytes(b"new\n")
    (tmp_path / "records.ndjson").write_text(
        json.dumps({"path": "far.iso", "length": 4, "hashes": {"sha256": "00" * 32}}) + "\n"
    )
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    (tmp_path / "passphrase").chmod(0o600)
    return {}


@pytest.fixture
def stateless(filled: Path, tmp_path: Path) -> dict[str, str]:
    """The workspace `acme` without its state, and a copy of that beside it."""
    for file in filled.glob("state.db*"):
        file.unlink()
    shutil.copytree(filled, tmp_path / "second")
    return {}


@pytest.fixture
def forgotten(filled: Path, tmp_path: Path, later: Callable[[timedelta], None]) -> dict[str, str]:
    """The workspace `acme` more than a year later, and a copy of it beside it."""
    shutil.copytree(filled, tmp_path / "second")
    later(timedelta(days=400))
    return {}


@pytest.fixture
def overtaken(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The workspace `acme` in which root v2 waits that somebody has published, and a copy of it beside it."""
    (filled / "keys").rename(tmp_path / "keys")
    done = run("renew", "--force", "root", monkeypatch=monkeypatch)
    assert done.code == 4, done.err
    (tmp_path / "keys").rename(filled / "keys")
    other = tmp_path / "other"
    shutil.copytree(filled, other)
    done = run("--repo", other, "sign", "--yes", monkeypatch=monkeypatch)
    assert done.code == 0, done.err
    shutil.copy(other / "metadata/2.root.json", filled / "metadata")
    shutil.rmtree(other)
    shutil.copytree(filled, tmp_path / "second")
    return {}


@pytest.fixture
def delegate(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The workspace `acme`; vendor is signed by vera, whose key is elsewhere. What she sent lies beside it, in sent."""
    vera = Delegate(tmp_path / "sent", "vera")

    def does(*argv: object, code: int = 0) -> None:
        done = run(*argv, monkeypatch=monkeypatch)
        assert done.code == code, done.err

    does("key", "add", "vera", vera.public)
    does("delegation", "add", "vendor", "--path", "vendor/*", "--signer", "vera", "--yes", code=4)
    does("bundle", "export", "vendor-v1", "-o", vera.home / "v1.rstuf")
    bundle = rstuf.parse_bundle((vera.home / "v1.rstuf").read_bytes())
    (vera.home / "v1.sig").write_bytes(vera.detached(bundle, "vendor"))
    does("bundle", "import", vera.home / "v1.sig")
    vera.keep_key(vera.home / "vera.key")
    does("trust", "add", "acme", filled / "metadata", "--root", filled / "metadata" / "1.root.json")
    now = SystemClock().now()
    vera.signs("vendor", 2, {"vendor/app.bin": b"app", "vendor/lib.bin": b"lib"}, now=now, days=365)
    vera.signs("vendor", 3, {"vendor/lib.bin": b"lib"}, now=now, days=365)
    vera.signs("vendor", 4, {"a.txt": b"alpha"}, now=now, days=365)
    vera.signs("vendor", 5, {}, now=now, days=500)
    return {}


@pytest.fixture
def waits(waiting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Root v2 waits for two of alice, bob and cleo; what bob has signed lies in ../bob.sig, and alice is here.

    `$CODE` is what the signers compare, and `$FINGERPRINT` the first root's.
    """
    sent = tmp_path / "sent.rstuf"
    done = run("bundle", "export", "root-v2", "-o", sent, monkeypatch=monkeypatch)
    assert done.code == 0, done.err
    elsewhere(tmp_path, "bob", sent, monkeypatch).rename(tmp_path / "bob.sig")
    first = hashlib.sha256((waiting / "metadata/1.root.json").read_bytes()).hexdigest()
    return {"$CODE": rstuf.parse_bundle(sent.read_bytes()).code, "$FINGERPRINT": first}


@pytest.fixture
def client(shop: Shop) -> dict[str, str]:
    """A directory on another machine, where root was brought to; `$URL` is what the workspace serves."""
    Path("root.json").write_bytes(shop.root.read_bytes())
    return {"$URL": shop.url.rstrip("/"), "$FINGERPRINT": shop.fingerprint}


def plain(text: str, known: dict[str, str], tmp_path: Path) -> str:
    """What was said, with what differs from run to run put in other words."""
    for name, value in known.items():
        text = text.replace(value, name)
    text = text.replace(str(tmp_path), "/tmp")
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text


def answer(done: Result, known: dict[str, str], tmp_path: Path) -> list[str]:
    out, err = (plain(text, known, tmp_path).splitlines() for text in (done.out, done.err))
    lines = [f"  {line}".rstrip() for line in out] + [f"! {line}" for line in err]
    return [*lines, f"[{done.code}]"] if done.code else lines


def _seen(tmp_path: Path) -> dict[str, str]:
    """Every file but what a client remembers of a repository: that it keeps, whatever it was asked for."""
    return {name: data for name, data in tree(tmp_path).items() if not name.startswith("data/rstuf/trust/acme/")}


def is_data_only(argv: list[str], done: Result) -> bool:
    """Nothing but data on stdout; with --json exactly one document, and with failures nothing else."""
    if "--json" in argv:
        return isinstance(json.loads(done.out), dict) and done.err == ""
    return done.code == 0 or done.code in VERDICTS or done.out == ""


@pytest.mark.parametrize("command", sorted(verb.path for verb in VERBS))
def test_transcript(
    command: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command says is what its file shows; stdout is only data; and a failure leaves no file and no change."""
    path = TRANSCRIPTS / f"{command.replace(' ', '-')}.txt"
    transcript = Transcript.read(path)
    known = request.getfixturevalue(transcript.begins)
    for step in transcript.steps:
        argv = [re.sub(r"\$[A-Z]+", lambda found: known[found[0]], word) for word in step.argv]
        before = _seen(tmp_path)
        done = run(*argv, monkeypatch=monkeypatch)
        said = answer(done, known, tmp_path)
        assert is_data_only(argv, done), (step.line, said)
        if done.code and done.code not in VERDICTS:
            assert _seen(tmp_path) == before, step.line
        if os.environ.get("RSTUF_UPDATE_TRANSCRIPTS"):
            step.answer = said
        assert said == step.answer, f"{step.line}: RSTUF_UPDATE_TRANSCRIPTS=1 writes {path.name} anew"
    if os.environ.get("RSTUF_UPDATE_TRANSCRIPTS"):
        transcript.write(path)


@pytest.mark.parametrize("command", sorted(verb.path for verb in VERBS))
def test_a_transcript_shows_success_failures_and_documents(command: str) -> None:
    """Each command once done, refused in two ways, and with its document in both cases."""
    steps = Transcript.read(TRANSCRIPTS / f"{command.replace(' ', '-')}.txt").steps
    own = [step for step in steps if f" {command} " in f" {' '.join(step.argv)} "]
    done = [step for step in own if not (step.answer and step.answer[-1].startswith("["))]
    refused = [step for step in own if step not in done]
    assert any("--json" not in step.argv for step in done)
    assert any("--json" in step.argv for step in done)
    assert any("--json" in step.argv for step in refused)
    first_words = {step.answer[0] for step in refused if "--json" not in step.argv}
    assert len(first_words) >= 2, first_words
