"""Whoever signs on a machine of their own: with a key, a record and a pinned root, and no workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tests.interop.processes import run_rstuf
from tests.support.files import lay_out
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

_LIFE: Final = timedelta(days=200)


@dataclass(frozen=True, slots=True)
class Holder:
    """One who holds a key, and is never where the repository is.

    Attributes:
        home: a directory of theirs.
        root: the first root, as they were given it.
        url: where they see what clients see.
    """

    home: Path
    name: str
    root: Path
    url: str

    @property
    def key(self) -> Path:
        return self.home / f"{self.name}.key"

    @property
    def contents(self) -> Path:
        """Files that go with the role that was made last."""
        return self.home / "contents"

    def sign(self, bundle: Path, *, code: str) -> Path:
        """Sign what a bundle holds; the signature's file."""
        signature = bundle.with_suffix(".sig")
        trusted = "--trusted-root", str(self.root), "--code", code
        self._run("bundle", "sign", str(bundle), *trusted, "-o", str(signature))
        return signature

    def prepare(self, role: str, contents: Mapping[str, bytes], *, without: Sequence[str] = ()) -> Path:
        """Make a role's next version over what clients see, and sign it; its file."""
        trust = "--trust-dir", str(self.home / "trust")
        run_rstuf("trust", "add", "interop", self.url, "--root", str(self.root), *trust)
        lay_out(self.contents, contents)
        files = [str(self.contents), "--replace"] if contents else []
        removed = [word for path in without for word in ("--remove", path)]
        file = self._free(role)
        self._run("delegation", "prepare", role, *files, *removed, *trust, "-o", str(file))
        return file

    def make(self, role: str, seen: Path, contents: Mapping[str, bytes], *, without: Sequence[str] = ()) -> Path:
        """The same with python-tuf, from the file that clients see; written with spaces and line breaks."""
        lay_out(self.contents, contents)
        metadata = Metadata[Targets].from_file(str(seen))
        for path in without:
            del metadata.signed.targets[path]
        for path, content in contents.items():
            metadata.signed.targets[path] = TargetFile.from_data(path, content, ["sha256"])
        metadata.signed.version += 1
        metadata.signed.expires = (datetime.now(UTC) + _LIFE).replace(microsecond=0)
        private: Any = load_pem_private_key(self.key.read_bytes(), None)
        metadata.sign(CryptoSigner(private))
        file = self._free(role)
        metadata.to_file(str(file), serializer=JSONSerializer(compact=False))
        return file

    def _run(self, *words: str) -> None:
        run_rstuf(*words, "--key", str(self.key), "--holder-dir", str(self.home / "record"))

    def _free(self, role: str) -> Path:
        file = self.home / f"{role}.json"
        file.unlink(missing_ok=True)
        return file
