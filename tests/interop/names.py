"""Whether clients find and verify what is published, whatever its name, and nothing is written outside its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from sys import maxunicode
from typing import Final

from tests.interop.clients import RunningClient
from tests.interop.commands import Workspace
from tests.interop.serving import Places
from tests.interop.stories import wrong_in
from tests.support.file_names import ACCEPTED, REFUSED, without_twins
from tests.support.paths import is_path, paths_among

from rstuf.model.names import TargetPath, misread_path

_TOGETHER: Final = 200
_PLAIN: Final = tuple(chr(code) for code in range(0x20, 0x7F))


@dataclass
class Tally:
    """What came out.

    Attributes:
        texts: that were drawn; `refused` of them are no paths.
        published: artifacts; `downloads` of them by all clients together, each verified.
        excluded: clients that lint said would fail, and that did, with the reason.
        strays: files outside of the workspace that were not there before.
    """

    texts: int = 0
    refused: int = 0
    published: int = 0
    downloads: int = 0
    excluded: list[str] = field(default_factory=list)
    strays: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass
class Naming:
    """One repository, whose artifacts have any names."""

    clients: Sequence[RunningClient]
    places: Places
    url: str
    scratch: Path
    tally: Tally
    tell: Callable[[str], None]

    def play(self, *, seed: int, wanted: int) -> None:
        """First names that all clients read alike, then any at all."""
        random = Random(seed)
        letters = [chr(code) for code in range(maxunicode + 1) if is_path(f"a{chr(code)}")]
        low = [letter for letter in letters if letter <= "\uffff"]
        corpus = [path for path in ACCEPTED if max(path) <= "\uffff"]
        alike = [path for path in self._drawn(random, low, wanted * 2 // 3) if misread_path(path) is None]
        self._publish("alike", paths_among([*corpus, *alike]))
        strange = ["constructor", "__proto__", "toString", "ends with a space ", "\uff21", "\U0001f600"]
        self._publish("any", paths_among([*strange, *ACCEPTED, *self._drawn(random, letters, wanted // 3)]))

    def _drawn(self, random: Random, letters: Sequence[str], count: int) -> Iterator[str]:
        """Texts that are paths, of any letters; half of them plain ones."""
        while count:
            some = (random.choice((_PLAIN, letters)) for _ in range(random.choice((1, 1, 2, 3))))
            text = "/".join("".join(random.choices(each, k=random.randrange(1, 9))) for each in some)
            self.tally.texts += 1
            if not is_path(text):
                self.tally.refused += 1
                continue
            count -= 1
            yield text

    def _publish(self, name: str, paths: Sequence[TargetPath]) -> None:
        workspace = Workspace.made(self.scratch / name / "workspace", self.url, layout="succinct", bins=2)
        self.places.metadata, self.places.artifacts = workspace.metadata, workspace.artifacts
        names = without_twins([path for path in paths if _fits(path)])
        before = self._outside(workspace)
        for first in range(0, len(names), _TOGETHER):
            workspace.add({path: path.encode() * 3 for path in names[first : first + _TOGETHER]})
        self.tally.published += len(names)
        self.tally.strays += len(self._outside(workspace) - before)
        self._refuse_all(workspace)
        reasons = workspace.readers()
        for client in self.clients:
            reason = reasons[client.kind.lint] if client.kind.lint is not None else None
            memory = self.scratch / name / client.kind.name
            asked = [*workspace.contents, *sorted(workspace.gone)]
            root = workspace.metadata / "1.root.json"
            wrong = wrong_in(workspace, client.session(self.url, root=root, memory=memory, paths=asked, download=True))
            if reason is None:
                self.tally.downloads += len(names) - len(wrong)
                self.tally.failures += [f"{client.kind.name}: {each}" for each in wrong]
            elif wrong:
                self.tally.excluded.append(f"{client.kind.name}: {reason}; {len(wrong)} of {len(names)} fail")
            else:
                self.tally.failures.append(f"{client.kind.name} reads it all, though {reason}")
        self.tell(f"names, {name}: {len(names)} artifacts")

    def _refuse_all(self, workspace: Workspace) -> None:
        """None of what nobody may publish comes in, from a list of records."""
        records = self.scratch / "records.ndjson"
        before = (workspace.metadata / "timestamp.json").read_bytes()
        for text in REFUSED[:: len(REFUSED) // 8]:
            line = {"path": text, "length": 1, "hashes": {"sha256": "0" * 64}}
            records.write_text(json.dumps(line) + "\n")
            workspace.rstuf("artifact", "import", str(records), code=1)
        self.tally.strays += (workspace.metadata / "timestamp.json").read_bytes() != before

    def _outside(self, workspace: Workspace) -> set[Path]:
        above = self.scratch
        return {path for path in above.rglob("*") if not path.is_relative_to(workspace.place)}


def _fits(path: str) -> bool:
    """Whether a file of that name can be made here, to be added; staging is where rstuf makes its own."""
    first = path.partition("/")[0]
    return len(path.encode()) < 900 and not first.lower().startswith(".staging")
