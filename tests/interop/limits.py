"""Whether what `rstuf lint` says of clients is so: of repositories that are hard to read, who reads which."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.interop.clients import RunningClient
from tests.interop.serving import Places
from tests.support.tuf_repo import Delegation, Keys, Repo, classic, flat, succinct

# A session that takes longer is none that anybody waits for.
_UNBEARABLE_SECONDS: Final = 4
_FEW: Final = {f"f/{number}": b"%d" % number for number in range(20)}


@dataclass
class Tally:
    """What came out.

    Attributes:
        verdicts: that were held against what a client did; `excluded` of them say that it cannot.
    """

    verdicts: int = 0
    excluded: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def repositories() -> Iterator[tuple[str, Repo, dict[str, bytes]]]:
    """By what is hard to read: a repository, and all that it has."""
    yield "flat", flat(_FEW), _FEW
    yield "succinct", succinct(bits=4, artifacts=_FEW), _FEW
    yield "prefixes", _prefixes(), _FEW
    yield "ECDSA P-256", flat(_FEW, online=Keys("p256")), _FEW
    yield "ECDSA P-384", flat(_FEW, online=Keys("p384")), _FEW
    yield "blake2b-256 alone", succinct(bits=1, artifacts=_FEW, algorithms=("blake2b-256",)), _FEW
    yield "blake2b-256 beside", succinct(bits=1, artifacts=_FEW, algorithms=("sha256", "blake2b-256")), _FEW
    yield "sha512 beside", succinct(bits=1, artifacts=_FEW, algorithms=("sha256", "sha512")), _FEW
    yield "many bins", succinct(bits=13, artifacts={"x": b"x"}), {"x": b"x"}
    for name in ("7", "constructor", "01", "team"):
        first = Delegation("first", paths=["a/*"], artifacts={"a/1": b"1"})
        second = Delegation(name, paths=["b/*"], artifacts={"b/1": b"1"})
        yield f"a role named {name}", classic([first, second]), {"a/1": b"1", "b/1": b"1"}
    ordered = [Delegation(name, paths=[f"{name}/*"], artifacts={f"{name}/1": b"1"}) for name in ("2", "10", "a")]
    yield "roles named in order", classic(ordered), {"2/1": b"1", "10/1": b"1", "a/1": b"1"}
    for paths in (["valueOf", "x"], ["x "], ["\uff21", "\U0001f600"], ["\uff21", "x"], ["\U0001f600", "\ud7a3"]):
        contents = {path: path.encode() for path in paths}
        yield f"paths {paths}", flat(contents), contents
        one = Delegation("one", paths=["*"], artifacts=contents)
        yield f"delegated paths {paths}", classic([one]), contents
    custom = {"\uff21": 1, "\U0001f600": 2}
    yield "custom data out of order", succinct(bits=1, artifacts=_FEW, custom=custom), _FEW
    dot = Delegation("dot", paths=["d/*"], artifacts={"d/.x": b"1"})
    yield "a dot behind a wildcard", classic([dot]), {"d/.x": b"1"}
    large = {f"{'x' * 180}/{number}": b"1" for number in range(700)}
    yield "many artifacts", flat(large), large


def _prefixes() -> Repo:
    digest = {path: hashlib.sha256(path.encode()).hexdigest()[0] for path in _FEW}
    roles = [
        Delegation(f"h{n:x}", prefixes=[f"{n:x}"], artifacts={p: _FEW[p] for p in _FEW if digest[p] == f"{n:x}"})
        for n in range(16)
    ]
    return classic(roles)


def check(clients: Sequence[RunningClient], places: Places, url: str, scratch: Path, tally: Tally) -> None:
    """Hold every verdict against what happens."""
    for number, (name, repo, contents) in enumerate(repositories()):
        place = scratch / str(number)
        places.metadata, places.artifacts = place / "metadata", place / "targets"
        repo.save(places.metadata, places.artifacts)
        verdicts = _lint(url, places.metadata / "1.root.json")
        well: dict[str, list[str | None]] = {}
        for client in clients:
            if client.kind.lint is not None:
                wrong = _wrong(client, url, places, place / client.kind.name, contents)
                well.setdefault(client.kind.lint, []).append(wrong)
        for kind, found in well.items():
            # Of several releases of one client, none may fail, or one has to.
            verdict, wrong = verdicts[kind], next((each for each in found if each is not None), None)
            tally.verdicts += 1
            if not verdict["ok"]:
                tally.excluded.append(f"{name}: {kind}: {verdict['reason']}; {wrong}")
            if verdict["ok"] != (wrong is None):
                tally.failures.append(f"{name}: {kind}: lint says {verdict}, and what is wrong is {wrong}")


def _wrong(client: RunningClient, url: str, places: Places, memory: Path, contents: Mapping[str, bytes]) -> str | None:
    """What a client does not get, or only in a time that nobody waits; None where all is well."""
    some, root = [*contents][:30], places.metadata / "1.root.json"
    began = time.monotonic()
    said = client.session(url, root=root, memory=memory, paths=some, download=True)
    took = time.monotonic() - began
    if took > _UNBEARABLE_SECONDS:
        return f"it takes {took:.0f} s"
    if said.error is not None:
        return said.error
    digests = {path: hashlib.sha256(contents[path]).hexdigest() for path in some}
    return next((f"{path}: {said.answers[path]}" for path in some if said.answers[path].bytes != digests[path]), None)


def _lint(url: str, root: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "rstuf_cli", "--json", "lint", "--url", url, "--trusted-root", str(root)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)["clients"]
    return found
