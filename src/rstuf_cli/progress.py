"""Long work on a terminal: a bar that appears only when work lasts. Elsewhere: a line a step, for those who ask."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from rstuf.progress import Progress, Silent
from rstuf_cli.console import Console, Verbosity, terminal_width
from rstuf_cli.wording import number, seconds, size

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import Task, TaskID

# Work that is over sooner needs no bar, and loading one would take longer than the work.
_PATIENCE: Final = 0.4
_LOOK_EVERY: Final = 64
_WIDEST: Final = 90


class CommandProgress(Progress):
    """A `Progress` that has an end, at which the terminal is as it was."""

    def close(self) -> None:
        """Take everything from the terminal that was drawn on it."""


def progress_for(console: Console) -> CommandProgress:
    """The observer that suits where stderr goes."""
    if console.shows_progress:
        return TerminalProgress(console)
    if console.verbosity in {Verbosity.MORE, Verbosity.DEBUG}:
        return StepLines(console)
    return SilentProgress()


class SilentProgress(Silent, CommandProgress):
    """Nobody looks."""


class StepLines(CommandProgress):
    """One line on stderr for every step that has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name, self._unit, self._done, self._started = "", "", 0, 0.0

    def begin(self, step: str, *, total: int | None = None, unit: str = "") -> None:
        self._name, self._unit, self._done, self._started = step, unit, 0, time.monotonic()

    def advance(self, amount: int = 1) -> None:
        self._done += amount

    def end(self) -> None:
        amount = size(self._done) if self._unit == "bytes" else f"{number(self._done)} {self._unit}".strip()
        took = seconds(time.monotonic() - self._started)
        self._console.detail(f"{self._name}: {amount}, {took}" if self._done else f"{self._name}: {took}")


class TerminalProgress(CommandProgress):
    """A bar with amounts, rate and time left, drawn on stderr once a step has lasted a moment."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._display: RichProgress | None = None
        self._task: TaskID | None = None
        self._name, self._unit, self._total = "", "", 0
        self._done, self._calls, self._started = 0, 0, 0.0

    def begin(self, step: str, *, total: int | None = None, unit: str = "") -> None:
        self._name, self._unit, self._total = step, unit, total or 0
        self._done, self._calls, self._started = 0, 0, time.monotonic()
        if self._display is not None:
            self._add_task()

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        self._calls += 1
        # Rows come by the million: the clock is looked at now and then only.
        if self._unit != "bytes" and self._calls % _LOOK_EVERY:
            return
        if self._display is None:
            if time.monotonic() - self._started < _PATIENCE:
                return
            self._open()
        elif self._task is not None:
            self._display.update(self._task, completed=self._done)

    def end(self) -> None:
        if self._display is not None and self._task is not None:
            self._display.remove_task(self._task)
            self._task = None

    def close(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _open(self) -> None:
        self._display = _rich_display(self._console)
        self._display.start()
        self._add_task()

    def _add_task(self) -> None:
        if self._display is not None:
            self._task = self._display.add_task(
                self._name, total=self._total or None, completed=self._done, unit=self._unit
            )


def _rich_display(console: Console) -> RichProgress:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column
    from rich.text import Text

    class Amounts(ProgressColumn):
        """`3.1 of 4.4 GB   612 MB/s   0:02`."""

        def render(self, task: Task) -> Text:
            return Text(amounts(task.completed, task.total, task.speed, unit=task.fields["unit"]))

    # The bar takes the room that words and numbers leave, so that all of it stays on one line.
    columns: list[Any] = [
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        Amounts(table_column=Column(no_wrap=True)),
    ]
    # Its colours are those of the terminal's own palette; NO_COLOR is honoured by rich itself.
    drawn_on = RichConsole(
        file=console.error_stream, markup=False, highlight=False, width=min(terminal_width(), _WIDEST)
    )
    return RichProgress(*columns, console=drawn_on, transient=True, refresh_per_second=8, expand=True)


def amounts(done: float, total: float | None, speed: float | None, *, unit: str) -> str:
    """How far a step is: done, of how much, how fast, and the time that is left."""
    shown = size if unit == "bytes" else number
    text = shown(int(done))
    if total:
        whole = shown(int(total))
        same_unit = unit == "bytes" and text.rpartition(" ")[2] == whole.rpartition(" ")[2]
        text = f"{text.rpartition(' ')[0] if same_unit else text} of {whole}"
    if unit not in {"bytes", ""}:
        text += f" {unit}"
    if speed:
        text += f"   {shown(int(speed))}/s"
        if total:
            left = max(0, round((total - done) / speed))
            text += f"   {left // 60}:{left % 60:02d}"
    return text
