"""Every file under a name that is written once, ever seen: a name never stands for two contents."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_METADATA = re.compile(r"^repo/metadata/(\d+\.[^/]+\.json|timestamp\.json)$")
_CONTENT = re.compile(r"^repo/targets/(?:.*/)?([0-9a-f]{64})\.[^/]+$")

_SECRET = b"PRIVATE KEY"


@dataclass(slots=True)
class Ledger:
    """sha256 by name; of the timestamp, which is replaced, by its version."""

    seen: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Ledger:
        """One that goes its own way."""
        return Ledger(dict(self.seen))

    def note(self, repo: Path) -> list[str]:
        """Take down what the workspace shows now; what is wrong with it."""
        wrong = [
            f"L6: others may read {file.relative_to(repo)}"
            for file in (*repo.glob("keys/*"), *repo.glob("state.db*"))
            if file.stat().st_mode & 0o077 and (file.parent == repo or _SECRET in file.read_bytes())
        ]
        files = (file for part in ("metadata", "targets") for file in (repo / part).rglob("*"))
        return wrong + self.note_files(
            (f"repo/{file.relative_to(repo)}", file.read_bytes()) for file in files if file.is_file()
        )

    def note_files(self, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """The same from names and contents."""
        wrong = []
        for path, data in files:
            found = hashlib.sha256(data).hexdigest()
            if (content := _CONTENT.match(path)) is not None:
                if content[1] != found:
                    wrong.append(f"L4: {path} holds other bytes than its name says")
            elif (metadata := _METADATA.match(path)) is not None:
                name = metadata[1]
                if name == "timestamp.json":
                    name = f"timestamp version {_version(data)}"
                if self.seen.setdefault(name, found) != found:
                    wrong.append(f"L3: {name} had other bytes before")
        return wrong


def _version(data: bytes) -> object:
    """The version of a timestamp; its length when it is torn."""
    try:
        return json.loads(data)["signed"]["version"]
    except (ValueError, LookupError, TypeError):
        return f"unreadable, {len(data)} bytes"
