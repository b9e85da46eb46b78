"""Keys of paths with letters that are not seen: up to format 6 these counted, and some file systems overlook them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rstuf.model.names import UNSEEN, TargetPath, path_key

if TYPE_CHECKING:
    from sqlite_utils import Database

_LIVE: Final = """
    SELECT DISTINCT path FROM artifact AS one
    WHERE length(path) <> length(CAST(path AS BLOB)) AND length(fragment) > 0 AND number = (
        SELECT max(number) FROM artifact AS other
        WHERE other.holder = one.holder AND other.slot = one.slot AND other.path = one.path
    )
"""


def overlook_unseen_letters(database: Database) -> None:
    """Guard such paths under the keys that they have now.

    Of two that are twins by it one keeps the key, and looking for damage finds the other.
    """
    odd = [TargetPath(path) for (path,) in database.execute(_LIVE).fetchall() if UNSEEN.search(path)]
    for path in odd:
        database.execute("DELETE FROM path_key WHERE path = ?", (path,))
    for path in odd:
        if path_key(path) != path:
            database.execute("INSERT OR IGNORE INTO path_key (key, path) VALUES (?, ?)", (path_key(path), path))
