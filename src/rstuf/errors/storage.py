"""Files that could not be read or written."""

from __future__ import annotations

from rstuf.errors.base import RstufError


class StorageError(RstufError):
    """Files could not be read or written. What was visible before is still visible."""

    code = "storage-error"

    def __init__(self, action: str, name: str, reason: str, *, hint: str | None = None) -> None:
        self.action, self.name, self.reason = action, name, reason
        super().__init__(
            f"cannot {action} {name}: {reason}", hint=hint or "mend the storage, then run the same command again"
        )


class FileMissing(StorageError):
    """A file that should be there is not."""

    code = "file-missing"

    def __init__(self, name: str, *, hint: str | None = None) -> None:
        hint = hint or "check its name, or put it back; then run the same command again"
        super().__init__("read", name, "it does not exist", hint=hint)


class FileTooLarge(StorageError):
    """A file is longer than what its reader accepts."""

    code = "file-too-large"

    def __init__(self, name: str, *, limit: int) -> None:
        self.limit = limit
        super().__init__("read", name, f"it is longer than {limit} bytes")


class NotAFile(StorageError):
    """A directory, a symbolic link or something else stands where a file should be."""

    code = "not-a-file"

    def __init__(self, name: str, *, directory: bool = False) -> None:
        self.directory = directory
        reason = "a directory stands in its place" if directory else "it is not a regular file"
        # A file takes the place of anything but a directory.
        hint = "move it away, then run the same command again" if directory else None
        super().__init__("read", name, reason, hint=hint)


class ForeignMetadata(StorageError):
    """The metadata of another repository is where this one publishes."""

    code = "foreign-metadata"

    def __init__(self, name: str) -> None:
        super().__init__(
            "publish beside",
            name,
            "it belongs to another repository, or to another copy of this one, rightly signed",
            hint="see that metadata in rstuf.toml leads to this repository's directory; nothing was written",
        )


class NameTaken(StorageError):
    """A name that is written once and never changed is there with other bytes."""

    code = "name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            "create",
            name,
            "it exists with other bytes",
            hint="two states publish into one storage, or a file was put there by hand; nothing was overwritten",
        )


class SourceChanged(StorageError):
    """A file changed while it was read."""

    code = "source-changed"

    def __init__(self, name: str) -> None:
        super().__init__("take", name, "it changed while it was read", hint="run again when its writer is done")
