"""Publish the project's own dependencies, and let a stock client that lives elsewhere verify them.

    python examples/dependencies/run.py [--publications 50] [--keep DIR]

A ceremony by plan (2-of-3 root, 256 bins); every wheel and source distribution that `pip download` brings; a plain web
server; and a TUF client in an environment of its own, which knows root version 1 and nothing else. Then publications,
removals and renewals, with the client looking again from its memory, and a new one from root version 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
SOURCE_DISTRIBUTIONS = ["tuf", "securesystemslib", "idna", "h11"]


class Example:
    """One run: a scratch directory, its workspace, and what clients must find."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.workspace = scratch / "workspace"
        self.passphrase = scratch / "passphrase"
        self.expected: dict[str, bytes] = {}
        self.removed: set[str] = set()

    def rstuf(self, *arguments: str) -> str:
        """Run the command line as a person would; its data output."""
        command = [sys.executable, "-m", "rstuf_cli", "--repo", str(self.workspace), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"rstuf {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def ceremony(self) -> None:
        """Make the repository; the root keys are encrypted with a passphrase that stands in a private file."""
        self.passphrase.touch(mode=0o600)
        self.passphrase.write_text("correct horse battery staple\n", encoding="utf-8")
        self.rstuf("ceremony", "--plan", str(HERE / "plan.toml"), "--passphrase-file", str(self.passphrase))

    def add(self, files: list[Path], *, replace: bool = False) -> None:
        """Add files in one publication."""
        self.rstuf("artifact", "add", *(["--replace"] if replace else []), *map(str, files))
        for file in files:
            self.expected[file.name] = file.read_bytes()
            self.removed.discard(file.name)

    def remove(self, name: str) -> None:
        """Remove one artifact."""
        self.rstuf("artifact", "remove", name)
        del self.expected[name]
        self.removed.add(name)


def download_dependencies(directory: Path) -> list[Path]:
    """Wheels of all the project's dependencies, and a few source distributions."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(directory)]
    subprocess.run([*pip, str(PROJECT)], check=True)
    subprocess.run([*pip, "--no-deps", "--no-binary", ":all:", *SOURCE_DISTRIBUTIONS], check=True)
    return sorted(path for path in directory.iterdir() if not path.name.startswith("rstuf-"))


def make_client(directory: Path) -> Path:
    """An environment with python-tuf and nothing else; its interpreter."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "tuf>=7,<8"], check=True)
    return python


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a directory by Python's own web server, on a free port."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(directory)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        port = re.search(r"port (\d+)", server.stdout.readline())
        assert port is not None
        yield f"http://127.0.0.1:{port[1]}/"
    finally:
        server.terminate()
        server.wait()


def look(example: Example, python: Path, url: str, memory: str) -> int:
    """Let a client with the memory of that name download everything; how many artifacts it verified."""
    root = example.scratch / "1.root.json"
    names = [*example.expected, *example.removed]
    command = [python, str(HERE / "client.py"), url, str(root), str(example.scratch / memory)]
    done = subprocess.run(command, input="\n".join(names), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the client {memory} refuses the repository:\n{done.stderr}")
    seen = {entry["path"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    for name, data in example.expected.items():
        wanted = {"path": name, "length": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        if seen.get(name) != wanted:
            sys.exit(f"the client {memory} sees {seen.get(name)} where {wanted} was published")
    for name in example.removed:
        if seen.get(name) != {"path": name, "missing": True}:
            sys.exit(f"the client {memory} still sees {name}, which was removed")
    return len(example.expected)


def publish_on(example: Example, rounds: int, chance: random.Random) -> dict[str, int]:
    """Publications of every kind; how many of each."""
    counts = {"added": 0, "replaced": 0, "removed": 0, "renewed": 0}
    extra = example.scratch / "extra"
    extra.mkdir()
    for number in range(rounds):
        kind = chance.choice(list(counts)) if number >= len(counts) else list(counts)[number]
        if kind == "added":
            file = extra / f"note-{number}.txt"
            file.write_text(f"note {number}\n", encoding="utf-8")
            example.add([file])
        elif kind == "replaced":
            file = extra / chance.choice(sorted(example.expected))
            file.write_bytes(chance.randbytes(2000))
            example.add([file], replace=True)
        elif kind == "removed":
            example.remove(chance.choice(sorted(example.expected)))
        else:
            example.rstuf("renew", "--force", chance.choice(["timestamp", "snapshot", "targets", "bins", "bins-2a"]))
        counts[kind] += 1
    return counts


def main() -> None:
    """Run the example and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publications", type=int, default=50)
    parser.add_argument("--keep", type=Path, help="work in this new directory and keep it")
    options = parser.parse_args()
    scratch = options.keep or Path(tempfile.mkdtemp(prefix="rstuf-dependencies-"))
    scratch.mkdir(exist_ok=True)
    try:
        run(scratch.resolve(), options.publications)
    finally:
        if options.keep is None:
            shutil.rmtree(scratch)


def run(scratch: Path, publications: int) -> None:
    """The whole example, in `scratch`."""
    example = Example(scratch)
    downloads = scratch / "downloads"
    downloads.mkdir()
    files = download_dependencies(downloads)
    wheels = sum(each.suffix == ".whl" for each in files)
    size = sum(each.stat().st_size for each in files)
    print(f"downloaded   {wheels} wheels and {len(files) - wheels} source distributions, {size:,} bytes")
    python = make_client(scratch / "client")
    example.ceremony()
    shutil.copy(example.workspace / "public" / "1.root.json", scratch / "1.root.json")
    example.add(files)
    status = json.loads(example.rstuf("status", "--json"))
    print(f"published    {len(files)} artifacts, {len(status['roles'])} roles or groups of roles")
    with served(example.workspace / "public") as url:
        print(f"verified     {look(example, python, url, 'remembering')} artifacts by a client from root v1")
        counts = publish_on(example, publications, random.Random(458))
        print(f"published    {publications} times more: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
        print(f"verified     {look(example, python, url, 'remembering')} artifacts by the client that remembers")
        print(f"verified     {look(example, python, url, 'fresh')} artifacts by a fresh client from root v1")
    example.rstuf("verify", "--full")
    print("audited      rstuf verify --full: nothing wrong")


if __name__ == "__main__":
    main()
