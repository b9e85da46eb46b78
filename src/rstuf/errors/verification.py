"""What a client would not accept."""

from __future__ import annotations

from collections.abc import Iterable

from rstuf.errors.base import RstufError


class VerificationFailed(RstufError):
    """What is published, or was about to be, is not what a client would accept."""

    code = "verification-failed"

    def __init__(self, problems: Iterable[str], *, hint: str | None = None) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{self.problems[0]}{more}", hint=hint)


class ReleaseRefused(VerificationFailed):
    """A publication failed its own check before clients could see any of it."""

    code = "release-refused"

    def __init__(self, problems: Iterable[str], *, hint: str | None = None) -> None:
        super().__init__(problems, hint=hint or "clients see what they saw; rstuf verify says what is wrong")
