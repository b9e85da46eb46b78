"""Stock clients in other languages, each a process of its own that reads requests and answers them, one JSON a line.

with started(CLIENTS["tuf-js"]) as client:
    client.session(url, root=..., memory=..., paths=["a"], download=True)

A request says where the repository is (`url`; artifacts are below `targets/`), with which `root` file a client comes
that has no `memory` yet, for which `paths` to look in one session, and whether to `download` what is found. The answer
says of each path the SHA-256 by which it is signed (`found`; null where no role lists it), that of the `bytes` that
were downloaded, or an `error`; or an `error` of the whole session. Clients fetch by their own means, over HTTP.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from rstuf.errors import RstufError

READERS: Final = Path(__file__).parent / "readers"
BUILT: Final = Path(__file__).parents[2] / "build" / "interop"

# What upstream merged for go-tuf on 2026-09-22 (pull request 783), and no release up to 2.4.2 has: prefixes are of the
# hash in hex.
_GO_TUF: Final = "github.com/theupdateframework/go-tuf/v2"
_WRONG_PREFIX: Final = "base64.URLEncoding.EncodeToString(targetFilepathHash[:])"
_RIGHT_PREFIX: Final = "hex.EncodeToString(targetFilepathHash[:])"


class CannotRun(RstufError):
    """A client cannot be built, or stopped answering."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client says of one path.

    Attributes:
        found: the SHA-256 by which it is signed, in hex; None where no role lists it.
        bytes: that of what was downloaded.
        error: what it says where it can't tell.
    """

    found: str | None = None
    bytes: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What a client says of a repository.

    Attributes:
        answers: by the path; empty where there is an `error`.
    """

    answers: Mapping[str, Answer]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ClientKind:
    """A client that can be started.

    Attributes:
        lint: what `rstuf lint` calls it; None of one that nobody has yet.
        build: makes it; its command line.
    """

    name: str
    lint: str | None
    build: Callable[[], list[str]]


class RunningClient:
    """A client that answers."""

    def __init__(self, kind: ClientKind, process: subprocess.Popen[bytes]) -> None:
        self.kind, self._process = kind, process
        self.sessions, self.lookups, self.downloads = 0, 0, 0

    def session(self, url: str, *, root: Path, memory: Path, paths: Sequence[str], download: bool = False) -> Session:
        """One session: refresh, then look for each path.

        Raises:
            CannotRun: it is no more.
        """
        memory.mkdir(parents=True, exist_ok=True)
        asked = {"url": url, "root": str(root), "memory": str(memory), "paths": [*paths], "download": download}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise CannotRun(f"{self.kind.name} ended in the middle of a session")
        said: dict[str, Any] = json.loads(line)
        self.sessions += 1
        if said.get("error"):
            return Session({}, said["error"])
        answers = {path: Answer(**each) for path, each in zip(paths, said["answers"], strict=True)}
        self.lookups += len(answers)
        self.downloads += sum(each.bytes is not None for each in answers.values())
        return Session(answers)


@contextmanager
def started(*kinds: ClientKind) -> Iterator[list[RunningClient]]:
    """Clients that answer until the block is left."""
    with ExitStack() as stack:
        yield [stack.enter_context(_running(kind)) for kind in kinds]


@contextmanager
def _running(kind: ClientKind) -> Iterator[RunningClient]:
    # A proxy of the machine has nothing to do with what is served on it.
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = subprocess.Popen(kind.build(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        yield RunningClient(kind, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)


def _python_tuf() -> list[str]:
    return [sys.executable, str(READERS / "python" / "reader.py")]


def _tuf_js() -> list[str]:
    return _reader_js("tuf-js")


def _tuf_js_5() -> list[str]:
    return _reader_js("tuf-js-5")


@cache
def _installed_js() -> Path:
    place = BUILT / "js"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "reader.mjs"):
        shutil.copy(READERS / "js" / name, place)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], place)
    return place / "reader.mjs"


def _reader_js(package: str) -> list[str]:
    return [_found("node"), str(_installed_js()), package]


def _go_tuf() -> list[str]:
    return [_built_go("go-tuf")]


def _go_tuf_mended() -> list[str]:
    """From a copy, with the one line in it that upstream mended."""
    module = Path(_run(["go", "list", "-m", "-f", "{{.Dir}}", _GO_TUF], READERS / "go").strip())
    copy, places = BUILT / "go-tuf-mended.source", BUILT / "mended.mod"
    shutil.rmtree(copy, ignore_errors=True)
    # What the module cache holds is read-only.
    shutil.copytree(module / "metadata", copy / "metadata", copy_function=shutil.copyfile)
    shutil.copyfile(module / "go.mod", copy / "go.mod")
    source = copy / "metadata" / "metadata.go"
    text = source.read_text()
    if text.count(_WRONG_PREFIX) != 1:
        raise CannotRun("go-tuf reads hash prefixes in another way than up to 2.4.2: drop the mended one")
    source.write_text(text.replace(_WRONG_PREFIX, _RIGHT_PREFIX).replace('\t"encoding/base64"\n', ""))
    places.write_text((READERS / "go" / "go.mod").read_text() + f"\nreplace {_GO_TUF} => {copy}\n")
    shutil.copyfile(READERS / "go" / "go.sum", places.with_suffix(".sum"))
    return [_built_go("go-tuf-mended", f"-modfile={places}")]


def _built_go(name: str, *options: str) -> str:
    BUILT.mkdir(parents=True, exist_ok=True)
    _run(["go", "build", *options, "-o", str(BUILT / name), "."], READERS / "go")
    return str(BUILT / name)


def _run(command: Sequence[str], directory: Path) -> str:
    done = subprocess.run([_found(command[0]), *command[1:]], cwd=directory, capture_output=True, check=False)
    if done.returncode:
        raise CannotRun(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


def _found(command: str) -> str:
    place = shutil.which(command)
    if place is None:
        raise CannotRun(f"{command} is missing: tuf-js needs node and npm, go-tuf needs go")
    return place


PYTHON_TUF: Final = ClientKind("python-tuf", "python-tuf", _python_tuf)
TUF_JS: Final = ClientKind("tuf-js", "tuf-js", _tuf_js)
TUF_JS_5: Final = ClientKind("tuf-js 5", "tuf-js", _tuf_js_5)
GO_TUF: Final = ClientKind("go-tuf", "go-tuf", _go_tuf)
GO_TUF_MENDED: Final = ClientKind("go-tuf, mended", None, _go_tuf_mended)
ALL: Final = (PYTHON_TUF, TUF_JS, TUF_JS_5, GO_TUF, GO_TUF_MENDED)
