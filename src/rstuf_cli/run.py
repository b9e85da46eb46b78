"""One run of a command: what was asked for on the command line, and the engine's session that follows from it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import typer

import rstuf
from rstuf_cli.console import Console, Form, Verbosity, escape, escape_message

if TYPE_CHECKING:
    from rstuf_cli.progress import CommandProgress
    from rstuf_cli.prompts import Passphrases

    NamesToCome = Callable[[Sequence[rstuf.KeyEntry], Path], Iterable[str]]

# prctl(2)
_SET_DUMPABLE: Final = 4


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every command takes, before and after its name.

    Attributes:
        repo: where the workspace is looked for; None for the current directory.
        wait: seconds that a lock is waited for.
        accept_clock: the person vouches for the clock.
        passphrase_file, passphrase_fd: as they were written, all of them.
        yes: every question that is not for a secret is answered beforehand.
    """

    repo: str | None = None
    json: bool = False
    verbose: int = 0
    quiet: bool = False
    wait: int = 60
    accept_clock: bool = False
    passphrase_file: Sequence[str] = ()
    passphrase_fd: Sequence[str] = ()
    yes: bool = False

    def joined(self, given: Mapping[str, Any]) -> Options:
        """These, with what was given further right on the command line: lists grow, the rest is replaced."""
        changes = dict(given)
        for name in ("passphrase_file", "passphrase_fd"):
            changes[name] = (*getattr(self, name), *changes.get(name, ()))
        changes["verbose"] = self.verbose + changes.get("verbose", 0)
        return replace(self, **changes)


class Run:
    """What a command is handed.

    Attributes:
        interrupted: what Ctrl-C leaves of the work, in words, from now on. Said before a change, and true of both
            sides of it: Ctrl-C can fall between the change and whatever is told of it.
        unsigned: the same, where it is pressed instead of answering a question: keys are opened before they sign.
        kept, kept_data: see `keeps`.
        clients: names of clients that have to be able to read what this command publishes.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self.options = Options()
        self.purpose = "rstuf"
        self.interrupted, self.unsigned = "nothing was changed", "nothing was signed"
        self.kept: str | None = None
        self.kept_data: dict[str, Any] = {}
        self.clients: tuple[str, ...] = ()
        self._clock = clock
        self._asked: Passphrases | None = None
        self._pondered = 0.0

    def take(self, options: Options, purpose: str) -> None:
        """Go by these options from now on; more may follow further right."""
        self.options, self.purpose = options, purpose
        if options.quiet and options.verbose:
            from rstuf_cli.failures import UsageFault

            raise UsageFault("--quiet and --verbose do not go together", hint="leave one of them out")
        levels = [Verbosity.USUAL, Verbosity.MORE, Verbosity.DEBUG]
        self.console.verbosity = Verbosity.QUIET if options.quiet else levels[min(options.verbose, 2)]

    def settle(self) -> None:
        """The command line is read to its end: what it asks for is what its parser found."""
        self.console.form = Form.JSON if self.options.json else Form.TEXT

    @property
    def directory(self) -> Path:
        """Where the person stands: `--repo`, then `RSTUF_REPO`, then the current directory."""
        chosen = self.options.repo or os.environ.get("RSTUF_REPO")
        return Path(chosen) if chosen else Path.cwd()

    @property
    def names_workspace(self) -> bool:
        """Whether they named a workspace, and do not only stand in one by chance."""
        return bool(self.options.repo or os.environ.get("RSTUF_REPO"))

    @cached_property
    def progress(self) -> CommandProgress:
        """The observer of this command's work."""
        from rstuf_cli.progress import progress_for

        return progress_for(self.console)

    def session(self, *, new_keys: int = 0) -> rstuf.Session:
        """How the engine is to work with a repository for this command.

        Args:
            new_keys: for how many of them a person will be asked for a passphrase, where it is known beforehand.

        Raises:
            InvalidInput, UnsafeDirectory: a passphrase cannot be read from where it should be.
        """
        keep_to_itself()
        return self._session(new_keys=new_keys)

    def _session(self, *, new_keys: int = 0) -> rstuf.Session:
        from rstuf_cli.prompts import Passphrases, person_is_there

        if person_is_there():
            self._asked = self._asked or Passphrases(self.console)
            self._asked.coming = new_keys
        return self._session_with(self._asked)

    def session_that_asks_nobody(self) -> rstuf.Session:
        """The same, with no other passphrases than those that were given.

        Raises:
            InvalidInput, UnsafeDirectory: as `session` says.
        """
        return self._session_with(None)

    def _session_with(self, person: Passphrases | None) -> rstuf.Session:
        from rstuf_cli.prompts import WarnsOfWeak

        options, given = self.options, self._given
        secrets = given if person is None else rstuf.AskingSecrets(given, person)
        return rstuf.Session(
            purpose=self.purpose,
            actor=actor(),
            secrets=WarnsOfWeak(secrets, self.console, awaited=self._awaits),
            wait=timedelta(seconds=options.wait),
            clock_trust=rstuf.ClockTrust.ACCEPTED if options.accept_clock else rstuf.ClockTrust.USUAL,
            progress=self.progress,
            on_wait=self._waits,
            on_note=self._warns,
            before_keys=keep_to_itself,
            clients=self.clients,
        )

    @cached_property
    def _given(self) -> rstuf.Secrets:
        """The passphrases that the command line names: read once, as a descriptor gives each of them once."""
        if self.options.passphrase_file or self.options.passphrase_fd:
            keep_to_itself()
        return rstuf.load_secrets(self.options.passphrase_file, self.options.passphrase_fd, None)

    def _warns(self, key: str, note: str) -> None:
        self.console.warning(f"{escape(key)}: {escape_message(note)}")

    def _waits(self, lock: str, holder: str | None) -> None:
        self.console.note(escape(f"waiting for the {lock} lock, held by {holder or 'another process'}"))

    def _awaits(self, key: str, where: str) -> None:
        # What is drawn would be drawn over it.
        self.progress.close()
        self.console.note(escape(f"{where} has not signed with {key} yet: confirm it there, if it asks"))

    def open(
        self, *, making: str | NamesToCome | None = None, signing: bool = False, looking: bool = False
    ) -> rstuf.Repository:
        """The repository that the person stands in. Use it as a context manager.

        Args:
            making: the name of a key that is about to be made or added: it may have a passphrase too. Or what says
                which names may be made, of the keys that are known and the workspace.
            signing: a ceremony that waits for its signers will do.
            looking: so will one whose first root was cancelled.

        Raises:
            WorkspaceNotFound: they stand in none.
            RstufError: it cannot be used as it is.
        """
        search = rstuf.Search.HERE if self.names_workspace else rstuf.Search.UPWARDS
        stage = rstuf.Stage.SIGNING if signing else rstuf.Stage.LIVE
        stage = rstuf.Stage.LOOKING if looking else stage
        repository = rstuf.open_repository(self.directory, self._session(), search=search, stage=stage)
        try:
            self.refuse_unknown_keys(lambda: [*(key.name for key in repository.keys()), *self._new(repository, making)])
        except BaseException:
            repository.close()
            raise
        return repository

    def _new(self, repository: rstuf.Repository, making: str | NamesToCome | None) -> Iterable[str]:
        if making is None or isinstance(making, str):
            return [] if making is None else [making]
        return making(repository.keys(), rstuf.find_workspace(self.directory))

    def refuse_unknown_keys(self, known: Callable[[], Iterable[str]]) -> None:
        """That every passphrase which was given for a key by name is for one of those that are known.

        Raises:
            UsageFault: one is not: it would be passed over in silence.
        """
        named = rstuf.keys_named_in([*self.options.passphrase_file, *self.options.passphrase_fd])
        if not named:
            return
        keys = list(known())
        for name in named:
            if name.casefold() not in {key.casefold() for key in keys}:
                from rstuf.errors import nearest, shorten
                from rstuf_cli.failures import UsageFault

                meant = nearest(name, keys)
                hint = f"did you mean {meant}? " if meant is not None else ""
                hint += f"the keys: {', '.join(keys)}"
                if name in rstuf.keys_named_in(self.options.passphrase_file):
                    hint += f"; a file with = in its name is written ./{shorten(name)}=..."
                raise UsageFault(f"a passphrase is given for {shorten(name)!r}, and no key has that name", hint=hint)

    def keeps(self, what: str, **data: Any) -> None:
        """From here on, a failure tells that `what` stays done; `data` joins the error document."""
        self.kept, self.kept_data = what, data

    @property
    def interruption(self) -> str:
        """What Ctrl-C left of the work, in words."""
        return self.unsigned if self._asked is not None and self._asked.interrupted else self.interrupted

    def lasted(self) -> Callable[[], float]:
        """A stopwatch, started: seconds of work since this call, without those that a person took to answer."""

        def worked() -> float:
            return self._clock() - self._pondered - (self._asked.waited if self._asked is not None else 0.0)

        started = worked()
        return lambda: worked() - started

    @contextmanager
    def pondering(self) -> Iterator[None]:
        """A person decides meanwhile; nothing is drawn, and no work is timed."""
        self.progress.close()
        started = self._clock()
        try:
            yield
        finally:
            self._pondered += self._clock() - started

    def close(self) -> None:
        """Leave the terminal as it was, and forget passphrases."""
        if "progress" in self.__dict__:
            self.progress.close()
        if self._asked is not None:
            self._asked.forget()


def run_of(context: typer.Context) -> Run:
    """The run that a command's context carries."""
    return cast("Run", context.find_root().obj)


def actor() -> str:
    """Who acts, for the audit log: "maria@laptop". The system is asked, not the environment."""
    try:
        import pwd

        user = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "unknown")
    host = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return f"{user}@{host}" if host else user


@cache
def keep_to_itself() -> None:
    """Let nobody see the memory of this process, in which keys and passphrases will be, but root.

    Should it crash, no copy goes to the disk; and where the system is Linux, no other process of the same user can look
    into it while it runs. From then on /proc/PID belongs to root, for everybody but the process itself.
    """
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    if sys.platform == "linux":
        # Loaded where keys are used, and by nothing that only looks at artifacts.
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
