"""Errors say what to do: every place that builds one gives a hint, or stands here with the reason why there is none."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

from rstuf import errors
from rstuf.errors import RstufError, every_error

SOURCE = Path(__file__).parents[2] / "src"
# Where no person could do anything, or where those who catch it know what.
WITHOUT: Mapping[tuple[str, str], str] = {
    ("rstuf/metadata/canonical.py", "InvalidJson"): "who asked for the JSON knows what it should be",
    ("rstuf/metadata/key_identity.py", "InvalidKey"): "who read the key knows where it came from",
    ("rstuf/signing/public_keys.py", "InvalidKey"): "who read the key knows where it came from",
    ("rstuf/model/policy.py", "InvalidPolicy"): "becomes an InvalidPlan",
    ("rstuf/repository/records.py", "InvalidInput"): "becomes an InvalidRecord",
    ("rstuf/repository/checksums.py", "InvalidInput"): "becomes an InvalidRecord",
    ("rstuf/repository/csv_records.py", "InvalidInput"): "becomes an InvalidRecord",
    ("rstuf/repository/authority.py", "SignerUnavailable"): "nobody here has the key",
    ("rstuf/signing/source.py", "SignerUnavailable"): "nobody here has the key",
    ("rstuf/signing/token_objects.py", "InvalidKey"): "becomes the fault of a key that is listed",
    ("rstuf/state/artifacts.py", "StateError"): "a caller's defect",
    ("rstuf/state/publications.py", "StateError"): "a caller's defect",
    ("rstuf/state/transaction.py", "StateError"): "a caller's defect",
    ("rstuf/state/transaction.py", "InvalidKey"): "the plan was checked before",
    ("rstuf/storage/contents.py", "InvalidInput"): "a caller's defect",
    ("rstuf/storage/names.py", "InvalidInput"): "a caller's defect",
}


def _takes_a_hint(kind: type[RstufError]) -> bool:
    return "hint" in inspect.signature(kind.__init__).parameters


# Those that know their hint themselves.
_OWN = {
    *(errors.StorageError, errors.FileMissing, errors.InputMissing, errors.InvalidMetadata, errors.ReleaseRefused),
    *(errors.InvalidBundle, errors.InvalidPlan, errors.StateDamaged, errors.ArtifactNotFound, errors.DeliveryRefused),
}
ASKED = {kind.__name__ for kind in every_error() if _takes_a_hint(kind) and kind not in _OWN} | {"UsageFault"}


def _built_without() -> Iterator[tuple[str, str, int]]:
    for file in sorted(SOURCE.rglob("*.py")):
        place = file.relative_to(SOURCE).as_posix()
        if place.startswith("rstuf/errors/"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ASKED and not any(keyword.arg == "hint" for keyword in node.keywords):
                yield place, name, node.lineno


def test_errors_are_built_with_a_hint() -> None:
    """Each place that builds an error without one is known, and the reason for it still holds somewhere."""
    found = list(_built_without())
    unknown = [f"{place}:{line}: {name}" for place, name, line in found if (place, name) not in WITHOUT]
    assert unknown == []
    assert {(place, name) for place, name, _ in found} == set(WITHOUT)


def test_the_test_finds_what_it_looks_for() -> None:
    """The classes that take a hint are those that it asks about."""
    assert {"InvalidInput", "InvalidKey", "SignerUnavailable", "UnsafeDirectory", "UsageFault"} <= ASKED
    assert not {"Locked", "InvalidPath"} & ASKED


def test_classes_that_are_built_from_data_have_their_own() -> None:
    """Without a hint to be given, the class has one."""
    built = {
        "InvalidArtifact": errors.InvalidArtifact("a", "length", "is negative"),
        "InvalidConfig": errors.InvalidConfig("rstuf.toml", "x"),
        "InvalidPlan": errors.InvalidPlan("[root]", "x"),
        "ReleaseRefused": errors.ReleaseRefused(["x"]),
        "StorageError": errors.StorageError("read", "x", "y"),
        "Locked": errors.Locked("write", holder=None, waited=1),
        "WrongPassphrase": errors.WrongPassphrase("a"),
        "NotAFile": errors.NotAFile("x"),
    }
    assert [name for name, error in built.items() if not error.hint] == []
