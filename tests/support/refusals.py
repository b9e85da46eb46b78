"""Commands that must fail: what they say, and that they leave everything as it was."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from tests.support.plans import plan_text

from rstuf_cli.app import main

PLAN = plan_text(name="bad", signers=("one", "two", "three"), threshold=2, kinds={"two": "ecdsa"}, encrypted={"one"})


def tree(directory: Path) -> dict[str, str]:
    """Every file and directory below `directory`, with what it holds."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "directory"
        for path in sorted(directory.rglob("*"))
    }


class Refusal:
    """Runs commands that must fail, and looks at what they leave and say."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, workspace: Path, *arguments: str, codes: tuple[int, ...] = (1,)) -> str:
        before = tree(workspace.parent)
        self._capfd.readouterr()
        code = main(["--repo", str(workspace), "--wait", "1", *arguments])
        out, err = self._capfd.readouterr()
        assert code in codes, (code, err)
        assert out == ""
        assert err.startswith("error: "), err
        assert "Traceback" not in err
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", err)
        assert tree(workspace.parent) == before
        return err
