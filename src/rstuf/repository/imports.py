"""Records come in by the stream; what is wrong with one of them is said with the line in which it stands."""

from __future__ import annotations

from typing import BinaryIO

from rstuf.errors import ArtifactConflict, Lines, PathRepeated, PathTwin
from rstuf.progress import step
from rstuf.repository.artifacts import add_artifacts
from rstuf.repository.intake import Conflict
from rstuf.repository.ports import Ports
from rstuf.repository.records import RecordFormat, find_lines, read_records
from rstuf.repository.reports import AcceptedChange


def import_records(
    ports: Ports, stream: BinaryIO, *, form: RecordFormat, source: str, conflict: Conflict = Conflict.REFUSE
) -> AcceptedChange:
    """Accept the records of a stream, however long; all or nothing.

    Records are sorted before they meet each other and what is here, and keep no line numbers on the way: a record that
    is refused then is looked for once more, where the stream can be read again.

    Args:
        source: what to call the stream in messages.

    Raises:
        InvalidInput: a line cannot be read; nothing was taken.
        ArtifactConflict, PathRepeated, PathTwin, LimitExceeded: one is refused; nothing was taken.
    """
    start = stream.tell() if stream.seekable() else None
    rows = read_records(stream, form=form, source=source)
    try:
        return add_artifacts(ports, rows, conflict=conflict, action="artifacts.import")
    except (ArtifactConflict, PathRepeated, PathTwin) as error:
        refused = error
    numbers: tuple[int, ...] = ()
    if start is not None:
        with step(ports.progress, "looking for the line", unit="lines"):
            stream.seek(start)
            numbers = find_lines(
                stream,
                form=form,
                source=source,
                paths={refused.path, refused.existing} if isinstance(refused, PathTwin) else {refused.path},
                most=1 if isinstance(refused, ArtifactConflict) else 2,
                on_lines=ports.progress.advance,
            )
    raise refused.at(Lines(source, numbers))
