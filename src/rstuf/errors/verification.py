"""What a client would not accept."""

from __future__ import annotations

from collections.abc import Iterable

from rstuf.errors.base import RstufError, shorten


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


class DeliveryRefused(VerificationFailed):
    """What somebody signed elsewhere and brought, and cannot come out. Nothing was changed.

    Attributes:
        file: what it was called.
        rule: a stable word for the rule that it breaks, as "version", "expires" or "path".
        reason: what is wrong with it.
    """

    code = "delivery-refused"

    def __init__(self, file: str, rule: str, reason: str, *, hint: str | None = None) -> None:
        self.file, self.rule, self.reason = file, rule, reason
        usual = "nothing was changed; tell whoever made it, who can make it anew"
        super().__init__([f"{shorten(file)} is refused: {reason}"], hint=hint or usual)
