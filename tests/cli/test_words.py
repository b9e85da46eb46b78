"""Numbers, sizes, dates, escaping: what people read."""

from __future__ import annotations

import io
import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf_cli import wording
from rstuf_cli.console import Console, Form, escape, escape_message, pad, to_json, width_of
from rstuf_cli.progress import amounts
from rstuf_cli.reports import roles_in_words

NOW = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_131, "9.1 kB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (4_400_000_000, "4.4 GB"),
        (10**18, "1 000 PB"),
    ],
)
def test_sizes(length: int, text: str) -> None:
    """Sizes are decimal, with two or three digits, and never round to 1000 of a unit that has a next one."""
    assert wording.size(length) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_numbers_are_grouped_and_nothing_is_lost(value: int) -> None:
    """Grouping by thousands changes no digit."""
    text = wording.number(value)
    assert int(text.replace(" ", "")) == value
    assert all(len(group) == 3 for group in text.split(" ")[1:])


@pytest.mark.parametrize(
    ("delta", "relative"),
    [
        (timedelta(days=341, hours=3), "in 341 days"),
        (timedelta(days=13, hours=23), "in 14 days"),
        (timedelta(hours=47), "in 47 h"),
        (timedelta(hours=9), "in 9 h"),
        (timedelta(minutes=119), "in 119 min"),
        (timedelta(seconds=30), "in 30 s"),
        (timedelta(0), "just now"),
        (-timedelta(minutes=4), "4 min ago"),
        (-timedelta(days=12), "12 days ago"),
    ],
)
def test_relative_dates(delta: timedelta, relative: str) -> None:
    """A date is as far away as a person would say."""
    assert wording.ahead(NOW + delta, NOW) == relative


def test_near_dates_have_a_time() -> None:
    """A day alone says too little of what happens tomorrow."""
    assert wording.both(NOW + timedelta(hours=9), NOW) == "in 9 h, 2026-11-21 01:00"
    assert wording.both(NOW + timedelta(days=6), NOW) == "in 6 days, 2026-11-26"


@given(st.floats(allow_nan=False))
def test_bars_have_one_width(share: float) -> None:
    """However much is left, a bar takes its place and no more."""
    assert len(wording.bar(share)) == 20


def test_durations_of_work() -> None:
    """Short work is told in tenths, long work in minutes."""
    assert [wording.seconds(each) for each in (0.04, 9.94, 12.4, 200)] == ["0.0 s", "9.9 s", "12 s", "3 min 20 s"]


def test_progress_amounts() -> None:
    """A bar tells how much of how much, how fast and how long still."""
    assert amounts(3.1e9, 4.4e9, 612e6, unit="bytes") == "3.1 of 4.4 GB   612 MB/s   0:02"
    assert amounts(900, None, None, unit="artifacts") == "900 artifacts"
    assert amounts(1204, 1688, 4, unit="roles") == "1 204 of 1 688 roles   4/s   2:01"


def test_roles_in_words() -> None:
    """Top-level roles by name, bins counted."""
    assert roles_in_words(["bins-1", "bins-2", "snapshot", "timestamp"]) == "2 bins, snapshot and timestamp"
    assert roles_in_words(["timestamp"]) == "timestamp"


@given(st.text(st.characters()))
def test_nothing_escaped_moves_a_terminal(text: str) -> None:
    """No control, format, surrogate or unassigned character is left, and no line ends in the middle."""
    shown = escape(text)
    assert not {unicodedata.category(character) for character in shown} & UNSAFE
    assert escape(shown) == shown
    shown.encode()


@given(st.text(st.characters()))
def test_json_is_plain_ascii(text: str) -> None:
    """Whatever a name holds, the document holds it in printable ASCII and gives it back."""
    document = to_json({text: text})
    assert document.isascii()
    assert document.isprintable()
    assert json.loads(document) == {text: text}


def test_messages_have_an_end() -> None:
    """A message that quotes ten thousand characters is cut in the middle."""
    assert len(escape_message("x" * 10_000)) < 2_100


def test_width_counts_columns() -> None:
    """Wide characters take two columns and combining ones none, so that tables stay aligned."""
    assert [width_of(text) for text in ("abc", "日本", "e\u0301")] == [3, 4, 1]
    assert pad("日本", 6) == "日本  "


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR and dumb terminals are honoured, and a pipe gets none."""
    from rstuf_cli.console import Style

    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal = Console(out=Terminal(), err=Terminal())
    assert ("\x1b[" in terminal.paint("text", Style.GOOD)) is coloured
    assert terminal.shows_progress is (environment.get("TERM") == "xterm")
    assert "\x1b[" not in Console(out=io.StringIO(), err=io.StringIO()).paint("text", Style.GOOD)


def test_long_lines_fold_on_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's terminal breaks between words, under the text; a pipe gets one line."""
    monkeypatch.setenv("COLUMNS", "60")
    text = "error: " + "word " * 30 + "x" * 70
    folded = Console(out=None, err=Terminal()).fold(text, indent=7)
    assert " ".join(line.strip() for line in folded) == text
    assert all(line.startswith("       word") for line in folded[1:-1])
    assert all(len(line) < 60 for line in folded[:-1])
    assert Console(out=None, err=io.StringIO()).fold(text, indent=7) == [text]


def test_signs_have_a_plain_form() -> None:
    """A stream that is not UTF-8 gets ASCII, and no error."""
    raw = io.BytesIO()
    console = Console(out=io.TextIOWrapper(raw, encoding="ascii", write_through=True), err=None)
    console.line("✓ a → é · ██░")
    assert raw.getvalue() == b"* a -> \\xe9 - ##.\n"


def test_a_list_is_one_document_even_if_it_fails() -> None:
    """A listing that breaks off in the middle still ends as one JSON document, with the error in it."""
    out = io.StringIO()
    console = Console(out=out, err=None, form=Form.JSON)
    console.begin_list("artifacts")
    console.list_items('{"path": "a"}')
    console.document({"error": {"code": "storage-error"}})
    assert json.loads(out.getvalue()) == {"artifacts": [{"path": "a"}], "error": {"code": "storage-error"}}
