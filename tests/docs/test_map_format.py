"""What docs/formats.md says of maps is what their reader does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.docs.test_formats import rows, section

from rstuf.client import map_notes
from rstuf.client.map_file import (
    MAX_ASKED,
    MAX_ENTRIES,
    MAX_MAP_BYTES,
    MAX_PATTERNS,
    MAX_REPOSITORIES,
    MAX_URLS,
    read_map,
)


def test_the_map_is_valid() -> None:
    """The example is one that clients take, with all fields of the table, and the limits are those of the reader."""
    (text,) = re.findall(r"```json\n(.*?)```", section("The map"), re.DOTALL)
    chart = read_map(text.encode(), what="the example")
    assert [entry.threshold for entry in chart.entries] == [2, 1]
    document = json.loads(text)
    fields = {f"mapping[].{name}" for entry in document["mapping"] for name in entry} | set(document)
    assert {name.strip("`") for name, _ in rows("The map")} == fields
    for limit in (MAX_REPOSITORIES, MAX_URLS, MAX_ENTRIES, MAX_PATTERNS, MAX_ASKED, MAX_MAP_BYTES // 1024):
        assert re.search(rf"\b{limit}\b", section("The map"))


def test_every_note_is_documented() -> None:
    """The codes in the row of `map check` are those that a map can have."""
    source = Path(map_notes.__file__).read_text(encoding="utf-8")
    made = set(re.findall(r'MapNote\(\s*"([a-z-]+)"', source))
    (row,) = [row for row in rows("map check") if row[0] == "`notes`"]
    assert set(re.findall(r"`([a-z-]+)`", row[1].split("The codes are")[1])) == made
