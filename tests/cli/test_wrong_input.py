"""Every command, and all that can be wrong around it: no traceback, a documented exit code, no trace on the disk.

What makes no sense on the command line is in `test_grammar`, what cannot be found in `test_failures`, true pipes and
processes in `test_streams`.
"""

from __future__ import annotations

import fcntl
import gc
import io
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.cli.conftest import PLAN, Result, elsewhere, run, tree
from tests.cli.every_command import CLIENT, COMMANDS, LOOKING, OF_ROOT, PLACES
from tests.support.elsewhere import Delegate

import rstuf
from rstuf.clock import SystemClock
from rstuf.signing import containers
from rstuf_cli.app import _EPILOG, _NOUNS, VERBS, _rstuf
from rstuf_cli.entry import main
from rstuf_cli.exits import ExitCode
from rstuf_cli.grammar import program

SECRET = "correct horse battery"
NEVER = ("Traceback", "defect", "Error:")
# What is said after Ctrl-C where nothing is left of the work.
NOTHING = ("nothing was changed", "nothing was signed", "nothing was made", "no key was made", "no state was made")


def traces(home: Path) -> dict[str, str]:
    """What is in a directory, without files that are there to be locked, and without what clients remember."""
    return {
        name: digest
        for name, digest in tree(home).items()
        if not name.endswith("lock") and not name.startswith("delegates/acme/m")
    }


class Broken(io.RawIOBase):
    """A stream that nobody reads, or that takes nothing."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def writable(self) -> bool:
        return True

    def write(self, _data: Any) -> int:
        raise self._error


def broken(error: BaseException) -> io.TextIOWrapper:
    return io.TextIOWrapper(Broken(error), encoding="utf-8", write_through=True)


def _write_files(around: Path) -> None:
    head, _, tail = PLAN.rpartition("encrypt = false\n")
    for name, text in (("plan.toml", head + tail), ("a.txt", "alpha"), ("b.txt", "beta"), ("files/c.txt", "gamma")):
        (around / name).parent.mkdir(parents=True, exist_ok=True)
        (around / name).write_text(text)
    for name, text in (("right", SECRET), ("wrong", "something else")):
        (around / name).touch(0o600)
        (around / name).write_text(text)


def _delegate_elsewhere(home: Path, does: Callable[..., None]) -> None:
    """vendor is signed by somebody whose key is elsewhere, and the second version of it is around."""
    place, vera = ("--repo", home / "places" / "delegated"), Delegate(home / "vera", "vera")
    does(*place, "key", "add", "vera", vera.public)
    words = ("--path", "vendor/*", "--signer", "vera", "--yes")
    does(*place, "delegation", "add", "vendor", *words, code=ExitCode.WAITING)
    does(*place, "bundle", "export", "vendor-v1", "-o", vera.home / "v1.rstuf")
    bundle = rstuf.parse_bundle((vera.home / "v1.rstuf").read_bytes())
    (vera.home / "v1.sig").write_bytes(vera.detached(bundle, "vendor"))
    does(*place, "bundle", "import", vera.home / "v1.sig")
    vera.keep_key(home / "around" / "vera.key")
    served = home / "places" / "delegated" / "metadata"
    does("trust", "add", "acme", served, "--root", served / "1.root.json", "--trust-dir", home / "around" / "delegates")
    vera.signs("vendor", 2, {"vendor/x": b"x"}, now=SystemClock().now()).rename(home / "around" / "2.vendor.json")


@pytest.fixture(scope="module")
def locked_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Workspaces whose online key has a passphrase, in `places`, and what their commands name, in `around`.

    `acme` has an artifact and a key that signs nothing yet. In `waits`, root v2 waits for its signers; a bundle of it
    is around, and a signature. In `due`, root is to be signed
    again. `stateless` lost its state, and `torn` some of its metadata.
    `delegated` has named delegations, one of them signed elsewhere. In `overtaken` somebody has published the
    root v2 that waits there.
    """
    home = tmp_path_factory.mktemp("locked")
    around, acme, waits = home / "around", home / "places" / "acme", home / "places" / "waits"
    _write_files(around)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rstuf_cli.prompts.person_is_there", lambda: False)
        # How slowly a passphrase is tried is no matter here.
        patch.setattr(containers, "KDF_ROUNDS", 1)

        def does(*argv: object, code: int = 0) -> None:
            done = run("--passphrase-file", around / "right", *argv, monkeypatch=patch)
            assert done.code == code, done.err

        does("--repo", acme, "ceremony", "--plan", around / "plan.toml")
        does("--repo", acme, "artifact", "add", around / "a.txt")
        does("--repo", acme, "key", "generate", "carol", "--unencrypted")
        served = acme / "metadata"
        pin = ("trust", "add", "acme", served, "--root", served / "1.root.json", "--artifacts", acme / "targets")
        does(*pin, "--trust-dir", around / "trust")
        does("map", "make", "-o", around / "map.json", "--repository", "acme=https://updates.example.org/")
        # Its root is due from the next second on, and never anything else.
        due = (
            (around / "plan.toml")
            .read_text()
            .replace("[root]\n", '[root]\nexpires = "30d"\nrenew_before = "2591999s"\n')
        )
        (home / "due.toml").write_text(due)
        does("--repo", home / "places" / "due", "ceremony", "--plan", home / "due.toml")
        for name in ("waits", "stateless", "torn", "delegated"):
            shutil.copytree(acme, home / "places" / name)
        does("--repo", home / "places" / "delegated", "delegation", "add", "team", "--path", "team/*", "--yes")
        _delegate_elsewhere(home, does)
        (waits / "keys").rename(home / "keys")
        does("--repo", waits, "renew", "--force", "root", code=ExitCode.WAITING)
        (home / "keys").rename(waits / "keys")
        bundle = around / "root-v2.rstuf"
        does("--repo", waits, "bundle", "export", "root-v2", "-o", bundle)
        (home / "bob").mkdir()
        shutil.copy(waits / "keys" / "bob.key", home / "bob")
        elsewhere(home, "bob", bundle, patch).rename(around / "bob.sig")
        for name in ("overtaken", "elsewhere"):
            shutil.copytree(waits, home / "places" / name)
        does("--repo", home / "places" / "elsewhere", "sign", "root-v2", "--yes", "--holder-dir", home / "holder")
        shutil.copy(home / "places/elsewhere/metadata/2.root.json", home / "places/overtaken/metadata")
    for lost in (*home.glob("places/stateless/state.db*"), *home.glob("places/torn/metadata/*.snapshot.json")):
        lost.unlink()
    return home


@pytest.fixture
def home(locked_once: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is around, with the workspace of the test's command as `acme`; the test stands in it."""
    monkeypatch.setattr(containers, "KDF_ROUNDS", 1)
    verb = request.node.callspec.params.get("verb")
    shutil.copytree(locked_once / "around", tmp_path / "home")
    shutil.copytree(locked_once / "places" / PLACES.get(verb, "acme"), tmp_path / "home" / "acme")
    monkeypatch.chdir(tmp_path / "home" / "acme")
    return tmp_path / "home"


@pytest.fixture
def act(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command with an empty stdin, on streams of the test's choice."""
    bundle = rstuf.parse_bundle((home / "root-v2.rstuf").read_bytes())
    names: dict[str, object] = {"plan": home / "plan.toml", "file": home / "b.txt", "directory": home / "files"}
    names |= {"code": bundle.code, "first": bundle.first_root}

    def call(verb: str, *more: str, given: str | None = "right", **streams: Any) -> Result:
        words = [word.format(**names) for word in COMMANDS[verb]]
        secret = ["--passphrase-file", str(home / given)] if given is not None else []
        usual = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for name in ("stdout", "stderr")}
        with open(os.devnull) as nothing, monkeypatch.context() as patch:
            for name, stream in {"stdin": nothing, **usual, **streams}.items():
                patch.setattr(sys, name, stream)
            patch.setattr(sys, "argv", ["rstuf", *secret, *words, *more])
            heard = signal.getsignal(signal.SIGINT)
            try:
                code = main()
            finally:
                signal.signal(signal.SIGINT, heard)
        out, err = (usual[name].buffer.getvalue() for name in ("stdout", "stderr"))  # type: ignore[attr-defined]
        # Only documented codes are one.
        return Result(ExitCode(code), out, err)

    return call


Act = Callable[..., Result]


def test_the_table_has_every_command() -> None:
    """A new command joins this table."""
    assert set(COMMANDS) == {verb.path for verb in VERBS}


def _options() -> Iterator[tuple[str, str, str]]:
    """Each option of each command with values of a wrong type."""
    root: Any = program(_rstuf, VERBS, nouns=_NOUNS, epilog=_EPILOG)
    for path in COMMANDS:
        command: Any = root
        for word in path.split():
            command = command.get_command(None, word)
        for param in [*command.params, *(root.params if path == "status" else ())]:
            if param.param_type_name != "option" or param.is_flag or param.name in {"version", "verbose"}:
                continue
            kind = str(param.type_descriptor.annotation)
            wrong = {"int": ["ten", "-1", "1.5", "1e3", "9" * 30, ""], "Path": ["", "a\0b"]}
            wrong["Format"] = ["xml", ""]
            for value in next((values for name, values in wrong.items() if name in kind), []):
                yield path, param.opts[0], value


@pytest.mark.parametrize(("verb", "option", "value"), list(_options()))
def test_values_of_a_wrong_type(verb: str, option: str, value: str, act: Act, home: Path) -> None:
    """A value that is none is a usage error in both forms, and nothing was begun."""
    before = tree(home)
    done = act(verb, f"{option}={value}")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert done.err.startswith("error: ")
    as_data = act(verb, "--json", f"{option}={value}")
    assert as_data.document["error"]["code"] == "usage"
    assert tree(home) == before


@pytest.mark.parametrize("words", [["--nope"], ["--wait"], ["--nope=1"], ["-x"], ["--help=1"]], ids=" ".join)
@pytest.mark.parametrize("verb", COMMANDS)
def test_words_that_no_command_knows(verb: str, words: list[str], act: Act, home: Path) -> None:
    """They are usage errors, and nothing was begun."""
    before = tree(home)
    done = act(verb, *words)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert tree(home) == before


@pytest.mark.parametrize("form", [(), ("--json",), ("-v", "-v"), ("-q",)], ids=" ".join)
@pytest.mark.parametrize("verb", COMMANDS)
def test_nobody_there_and_nothing_on_stdin(verb: str, form: tuple[str, ...], act: Act) -> None:
    """Every command ends well without a terminal and with an empty stdin."""
    done = act(verb, *form)
    assert done.code == 0, done.err
    assert not any(word in done.err for word in NEVER)


@pytest.mark.parametrize("given", ["wrong", None], ids=["wrong", "none"])
@pytest.mark.parametrize("verb", COMMANDS)
def test_no_passphrase_or_a_wrong_one(verb: str, given: str | None, act: Act, home: Path) -> None:
    """Who only looks needs none; who signs is refused, and clients see what they saw, but for what root keys sign."""
    if verb == "publish":
        assert act("artifact remove", "--no-publish").code == 0
    served, before = tree(home / "acme" / "metadata"), traces(home)
    done = act(verb, "-v", "-v", given=given)
    assert not any(word in done.err for word in ("defect", SECRET, "something else"))
    if "nothing was changed" in done.err:
        assert traces(home) == before
    # A wrong passphrase is as good as any for what is made.
    makes = {"ceremony", "key generate", "recover online-key"} if given else set()
    needs_none = {*LOOKING, *CLIENT, *OF_ROOT, "artifact import", "key add", "demo", *makes}
    needs_none |= {
        "delegation prepare",
        "event cancel",
        "bundle export",
        "bundle sign",
        "recover state",
        "recover loose-root",
        "prune",
    }
    assert done.code == (0 if verb in needs_none else ExitCode.REFUSED), done.err
    if verb != "recover online-key" or verb not in makes:
        now = tree(home / "acme" / "metadata")
        theirs = served.pop("2.root.json", None)
        assert (now.pop("2.root.json", None) is not None) == (verb in OF_ROOT or theirs is not None)
        assert now == ({name: served[name] for name in now} if verb == "prune" else served)
    if verb in {"artifact add", "artifact remove", "artifact sync"}:
        assert "kept:  1 " in done.err


@pytest.mark.parametrize("what", ["missing", "wide", "directory", "fifo", "empty", "lines", "huge"])
@pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb not in LOOKING | CLIENT | {"demo"}])
def test_passphrase_files_that_are_none(verb: str, what: str, act: Act, home: Path) -> None:
    """They are refused before any work begins, whatever else is wrong with them."""
    place = home / "bad"
    if what == "directory":
        place.mkdir(mode=0o700)
    elif what == "fifo":
        os.mkfifo(place, 0o600)
    elif what != "missing":
        place.touch(0o644 if what == "wide" else 0o600)
        place.write_text({"wide": SECRET, "empty": "", "lines": f"{SECRET}\n{SECRET}\n", "huge": "x" * 99999}[what])
        place.chmod(0o644 if what == "wide" else 0o600)
    before = tree(home)
    done = act(verb, "-v", "-v", given="bad")
    assert done.code == ExitCode.REFUSED
    assert "passphrase" in done.err.splitlines()[-1] + done.err.splitlines()[-2]
    assert SECRET not in done.err
    assert tree(home) == before


@pytest.mark.parametrize("number", ["99", "-1", "x", "", "1" * 40, "bob=", "=3", "2147483648"])
def test_passphrase_descriptors_that_are_none(number: str, act: Act, home: Path) -> None:
    """A descriptor that is not open, or no number, is refused."""
    before = tree(home)
    done = act("renew", f"--passphrase-fd={number}", given=None)
    assert done.code == ExitCode.REFUSED
    assert done.err.startswith("error: ")
    assert tree(home) == before


STREAMS = {
    "reader gone": lambda: broken(BrokenPipeError(32, "Broken pipe")),
    "full": lambda: broken(OSError(28, "No space left on device")),
    "failing": lambda: broken(OSError(5, "Input/output error")),
    "closed": lambda: None,
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("verb", COMMANDS)
def test_an_answer_that_cannot_be_written(verb: str, stream: str, act: Act, home: Path) -> None:
    """A reader who left is no failure; a stdout that fails is one, exit 6, or 1 where it is closed.

    It is told once, and nothing is broken off.
    """
    timestamp = home / "acme" / "metadata" / "timestamp.json"
    before = timestamp.read_bytes()
    done = act(verb, stdout=STREAMS[stream]())
    lost = {"full": ExitCode.STORAGE, "failing": ExitCode.STORAGE, "closed": ExitCode.REFUSED}
    # Nothing came in, and nothing is said of that.
    assert done.code == (lost.get(stream, 0) if done.err else 0), done.err
    assert done.err.count("error: cannot write to stdout") == (1 if done.code else 0)
    assert not any(word in done.err for word in NEVER)
    if verb in {"artifact add", "artifact remove", "artifact sync", "renew"}:
        assert timestamp.read_bytes() != before
    if verb in OF_ROOT:
        assert timestamp.with_name("2.root.json").exists()


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("verb", COMMANDS)
def test_remarks_that_cannot_be_written(verb: str, stream: str, act: Act) -> None:
    """A stderr that fails changes nothing: not the work, not the answer, not the exit code."""
    usual, done = act(verb, "--nope", stderr=STREAMS[stream]()), act(verb, stderr=STREAMS[stream]())
    assert (usual.code, done.code) == (ExitCode.USAGE, 0)


@pytest.mark.parametrize("verb", COMMANDS)
def test_ctrl_c_at_the_first_word_of_the_answer(verb: str, act: Act, home: Path) -> None:
    """All is done by then, and nobody is told that nothing was."""
    before = traces(home)
    done = act(verb, stdout=broken(KeyboardInterrupt()))
    if not done.err:
        return  # There was nothing to say.
    assert done.code == ExitCode.INTERRUPTED
    assert "error: interrupted; " in done.err
    if any(words in done.err for words in NOTHING):
        assert traces(home) == before


class Interruption:
    """Ctrl-C at the n-th call of a function of ours; counts them."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.calls = at, 0

    def __call__(self, frame: FrameType, event: str, _value: object) -> None:
        code = frame.f_code
        # What is raised in a generator that is being thrown away is never heard of.
        if event == "call" and f"{os.sep}rstuf" in code.co_filename and not code.co_flags & CO_GENERATOR:
            self.calls += 1
            if self.calls == self.at:
                sys.setprofile(None)
                raise KeyboardInterrupt

    def during(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, which is interrupted."""
        sys.setprofile(self)
        try:
            return work()
        finally:
            sys.setprofile(None)


def free_locks(home: Path) -> None:
    """An interrupted process ends, and its locks with it, whatever kept it from closing files. This one goes on."""
    gc.collect()
    if not Path("/proc/self/fd").exists():
        return
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith(str(home)):
                fcntl.flock(int(name), fcntl.LOCK_UN)


@pytest.mark.parametrize("verb", COMMANDS)
def test_ctrl_c_anywhere(verb: str, act: Act, home: Path) -> None:
    """Wherever Ctrl-C falls: exit 130, one line that says what is kept, and a repository that goes on."""
    total, aside = Interruption(), home.with_name("aside")
    shutil.copytree(home, aside)
    assert total.during(lambda: act(verb)).code == 0
    points = 6
    for step in range(points):
        shutil.rmtree(home)
        shutil.copytree(aside, home)
        os.chdir(home / "acme")
        pressed = Interruption(3 + step * (total.calls - 5) // (points - 1))
        done = pressed.during(lambda: act(verb))
        free_locks(home)
        if pressed.calls < (pressed.at or 0):
            continue
        assert done.code == ExitCode.INTERRUPTED, (step, done.err)
        assert done.err.splitlines()[-1 if "kept:" not in done.err else -2].startswith("error: interrupted; "), done.err
        assert not any(word in done.err for word in NEVER)
        if any(words in done.err for words in NOTHING):
            assert traces(home) == traces(aside), (step, done.err)
        # Where something is lost, or overtaken, it must come back first.
        lost = PLACES.get(verb) in {"stateless", "torn", "overtaken"}
        for after in (verb, "publish", "verify") if lost else ("publish", verb, "verify"):
            again = act(after)
            # What was done before Ctrl-C cannot be done again.
            known = (
                "there is no artifact",
                "already holds",
                "is there already",
                "no repository is trusted",
                "is called",
                "no signing event",
                "is not due",
                "signs nothing, so there is nothing to revoke",
                "does not sign root",
                "signs root already",
                "no state is made over it",
                "this state knows every root that is published",
                "is delegated to already",
                "that is what team is already",
                "nobody delegates to 'team'",
            )
            done_already = after == verb and any(words in again.err for words in known)
            assert again.code == 0 or done_already, (step, again.err)
