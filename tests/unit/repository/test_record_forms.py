"""Records and listings as others write them: what is read of each form, and what is refused instead of guessed."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf.errors import InvalidInput, InvalidRecord
from rstuf.metadata.fragments import artifact_of
from rstuf.model.artifacts import Artifact, ListedHash
from rstuf.model.names import target_path
from rstuf.repository.checksums import read_checksums
from rstuf.repository.records import RecordFormat, read_records

H256, H512 = "0a" * 32, "0b" * 64


def records(text: str, form: RecordFormat = RecordFormat.CSV) -> list[Artifact]:
    rows = list(read_records(io.BytesIO(text.encode()), form=form, source="it"))
    return [artifact_of(row.path, row.fragment) for row in rows]


def refusal(text: str, form: RecordFormat = RecordFormat.CSV) -> InvalidRecord:
    with pytest.raises(InvalidRecord) as refused:
        records(text, form)
    return refused.value


def listing(text: str) -> list[tuple[str, ListedHash]]:
    return [(each.path, each.listed) for each in read_checksums(io.BytesIO(text.encode()), source="it")]


# --- CSV -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"a b;7;sha256;{H256}\n",
        f"a b,7,sha256,{H256}\n",
        f'"a b",7,"sha256","{H256}"\r\n',
        f'\ufeff"a b",7,"sha256","{H256}"\r\n',
        f"\ufeffSHA256,Path,Size\r\n{H256},a b,7\r\n",
        f"\npath;size;algorithm;hash\na b;7;sha256;{H256}",
        f"path,length,hash_type,digest\r\na b,7,sha256,{H256}\r\n",
        f"Size,Path,SHA256\n7,a b,{H256}\n",
        f'"sha256";"length";"path"\n{H256};7;"a b"\n',
        f"Path,Hash,Length,Hash Type\na b,{H256},7,sha256\n",
        f"path,sha512,sha256,length\na b,,{H256},7\n\n",
    ],
)
def test_csv_says_its_own_form(text: str) -> None:
    """Both separators are read, quoted or not, and a header names the columns in any order."""
    assert records(text) == [Artifact(target_path("a b"), 7, {"sha256": H256})]


def test_csv_with_a_column_for_each_hash() -> None:
    """An artifact may have several hashes, and need not have all that have a column."""
    text = f"path,length,sha256,sha512\na,1,{H256},{H512}\nb,2,,{H512}\n"
    assert [each.hashes for each in records(text)] == [{"sha256": H256, "sha512": H512}, {"sha512": H512}]
    assert "hashes is empty" in refusal(f"{text}c,3,,\n").reason


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a,b,c,d", f"a,b,c,d;7;sha256;{H256}"),
        ("a;b;c;d", f"a;b;c;d,7,sha256,{H256}"),
        ('say "hi";', f'"say ""hi"";";7;sha256;{H256}'),
        ('a"b', f'a"b;7;sha256;{H256}'),
        (" a ", f" a ;7;sha256;{H256}"),
        ("path", f"path;7;sha256;{H256}"),
        ("sha256", f"sha256;7;sha256;{H256}"),
    ],
)
def test_paths_are_read_as_they_are(path: str, line: str) -> None:
    """Separators, quotes and spaces in a path stay, and a path that is named like a column is no header."""
    assert [each.path for each in records(line)] == [path]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a;b,c;d,e;f,g", "both ; and , could separate its fields"),
        ("what is this", "neither path;size;algorithm;hash nor a header"),
        ("name;bytes;digest", "neither path;size;algorithm;hash nor a header"),
        ("path", "neither path;size;algorithm;hash nor a header"),
        ("path,size,sha256,date", "unknown column 'date'"),
        ("date,path,size,sha256", "unknown column 'date'"),
        ("path,size,length,sha256", "names a column twice"),
        ("path,path,size,sha256", "names a column twice"),
        ("path,size", "the header names path, length; what is needed is path, length, algorithm and hash, or"),
        ("path,size,hash", "the header names path, length, hash; what is needed"),
        ("path,size,algorithm", "the header names path, length, algorithm; what is needed"),
        ("path,size,algorithm,hash,sha512", "what is needed"),
        ('"Algorithm","Hash","Path"', "the header names algorithm, hash, path; what is needed"),
        (f'"a";7;sha256;"{H256}', "neither path;size;algorithm;hash nor a header"),
        (f"a;7;sha256;{H256};", "neither path;size;algorithm;hash nor a header"),
        (f"a;7;md5;{H256}", "'md5'"),
        (f"a; 7;sha256;{H256}", "' 7' is not a whole number of bytes"),
    ],
)
def test_what_a_first_line_leaves_open_is_refused(text: str, reason: str) -> None:
    """Nothing is guessed: a first line that has no one meaning is refused with what is missing."""
    refused = refusal(text + "\n")
    assert refused.line == 1
    assert reason in refused.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"b,1,sha256,{H256}", "1 fields where path;length;algorithm;hash are 4"),
        ("path;size;algorithm;hash", "'size' is not a whole number of bytes"),
        (f'"b\n";1;sha256;{H256}', "not acceptable CSV: a quote is not closed"),
        (f'"b"c;1;sha256;{H256}', "not acceptable CSV"),
        (f"b;9007199254740992;sha256;{H256}", "larger than 2^53 - 1"),
    ],
)
def test_later_lines_keep_to_the_first(line: str, reason: str) -> None:
    """Another separator, a second header, an open quote: refused with the line in which it begins."""
    refused = refusal(f"a;7;sha256;{H256}\n\n{line}\n")
    assert refused.line == 3
    assert reason in refused.reason


_PATHS = st.text(st.sampled_from('ab,;" é'), min_size=1, max_size=8).filter(lambda text: text.strip())


@given(
    paths=st.lists(_PATHS, min_size=1, max_size=5),
    columns=st.permutations(["path", "length", "algorithm", "hash"]),
    delimiter=st.sampled_from(";,"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    header=st.booleans(),
)
def test_what_pythons_csv_writes_is_read(
    paths: list[str], columns: list[str], delimiter: str, quoting: int, header: bool
) -> None:
    """Whatever the separator, the quoting and the order of columns, the same artifacts come out."""
    columns = columns if header else ["path", "length", "algorithm", "hash"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    if header:
        writer.writeheader()
    for path in paths:
        writer.writerow({"path": path, "length": 5, "algorithm": "sha256", "hash": H256})
    assert [each.path for each in records(text.getvalue())] == paths


# --- NDJSON ----------------------------------------------------------------------------------------------


def test_rstufs_own_form_says_the_same() -> None:
    """`{"path", "info": {…}}` is read beside the flat form, custom data among it; null says that there are none."""
    described = {"length": 3, "hashes": {"sha256": H256, "sha512": H512}, "custom": {"k": ["v"]}}
    flat = records(json.dumps({"path": "a", **described}), RecordFormat.NDJSON)
    assert records(json.dumps({"info": described, "path": "a"}), RecordFormat.NDJSON) == flat
    assert flat == [Artifact(target_path("a"), 3, described["hashes"], described["custom"])]  # type: ignore[arg-type]
    plain = json.dumps({"path": "a", "info": {**described, "custom": None}})
    assert records(plain, RecordFormat.NDJSON)[0].custom is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"length": 4}, "has length beside info"),
        ({"custom": {}}, "has custom beside info"),
        ({"hashes": {"sha256": H256}}, "has hashes beside info"),
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"info": {"length": 3, "hashes": {"sha256": H256}, "path": "b"}}, "unknown field 'path'"),
        ({"info": {"length": 3, "hashes": {"sha256": H256}, "Custom": {}}}, "unknown field 'Custom'"),
        ({"info": None}, "info is not a JSON object"),
        ({"info": {}}, "has no length"),
        ({"info": {"length": 3}}, "has no hashes"),
    ],
)
def test_nothing_that_a_record_says_is_passed_over(change: dict[str, object], reason: str) -> None:
    """What stands beside `info`, or in it without a meaning, is refused and not ignored."""
    record = {"path": "a", "info": {"length": 3, "hashes": {"sha256": H256}}} | change
    assert reason in refusal(json.dumps(record), RecordFormat.NDJSON).reason


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ('[{"path": "a"}]', ".[]"),
        ("[\n  {}\n]", ".[]"),
        ('{\n  "path": "a"\n}', "."),
        ('{"artifacts": [{"path": "a", "info": {}}]}', ".artifacts[]"),
    ],
)
def test_json_of_another_shape_is_told_the_way(text: str, query: str) -> None:
    """An array, or an object over several lines, is refused with the command that makes it one object a line."""
    assert f"jq -c '{query}' makes" in (refusal(text, RecordFormat.NDJSON).hint or "")


# --- listings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        f"{H256}  d/a b",
        f"{H256} *d/a b",
        f"{H256}  ./d/a b",
        f"{H256.upper()}  d/a b",
        f"SHA256 (d/a b) = {H256}",
        f"SHA2-256(d/a b)= {H256}",
        f"SHA256(d/a b)= {H256}",
    ],
)
def test_listings_of_coreutils_bsd_and_openssl(line: str) -> None:
    """Each of their forms names a file and its hash, in lines of LF or CR LF, between comments and blank lines."""
    said = ("d/a b", ListedHash("sha256", H256, "it", 3))
    assert listing(f"# made by hand\n\n{line}\n") == [said]
    assert listing(f"# made by hand\r\n \r\n{line}\r\n") == [said]


@pytest.mark.parametrize("line", [f"{H512}  a", f"SHA512 (a) = {H512}", f"SHA2-512(a)= {H512.upper()}"])
def test_listings_of_sha512(line: str) -> None:
    """A hash of 128 digits is SHA-512."""
    assert listing(line) == [("a", ListedHash("sha512", H512, "it", 1))]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (f"{H256}    two spaces", "  two spaces"),
        (f"{H256}  at the end ", "at the end "),
        (f"{H256}  *starred", "*starred"),
        (f"SHA256 (a) = b) = {H256}", "a) = b"),
    ],
)
def test_names_in_listings_are_read_as_they_are(line: str, path: str) -> None:
    """Spaces, stars and brackets of a name stay."""
    assert [name for name, _ in listing(line + "\n")] == [path]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"\\{H256}  a\\nb", r"'a\nb' cannot be an artifact path: it contains U+000A"),
        (f"\\{H256}  a\\\\b", r"'a\\b' cannot be an artifact path: it contains '\\'"),
        (f"\\SHA256 (a\\rb) = {H256}", r"'a\rb' cannot be an artifact path: it contains U+000D"),
        (f"\\{H256}  a\\tb", r"the name has the unknown escape '\\t'"),
        (f"\\{H256}  a\\", r"the name has the unknown escape '\\'"),
        (f"{H256}  ../a", "it has the segment '..'"),
        (f"{H256}  /etc/passwd", "it starts with /"),
        (f"{H256} a", "neither 'HASH  PATH' nor 'SHA256 (PATH) = HASH'"),
        (f"{H256[:32]}  a", "a hash of 32 hex digits; SHA-256 has 64 and SHA-512 has 128"),
        (f"MD5 (a) = {H256[:32]}", "it lists MD5; SHA256 and SHA512 are read"),
        (f"SHA256 (a) = {H512}", "a hash of 128 hex digits"),
        (f"SHA512-256 (a) = {H256}", "it lists SHA512-256"),
        ("-----BEGIN PGP SIGNED MESSAGE-----", "it is signed by PGP"),
    ],
)
def test_lines_of_listings_are_refused(line: str, reason: str) -> None:
    """A name that no artifact can have, another algorithm, or no such line at all: refused with the line."""
    with pytest.raises(InvalidRecord) as refused:
        listing(f"{H256}  good\n{line}\n")
    assert refused.value.line == 2
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    "text",
    [
        f"\r\nAlgorithm : SHA256\r\nHash      : {H256.upper()}\r\nPath      : C:\\dist\\a.whl\r\n",
        f"\nAlgorithm       Hash                  Path\n---------\nSHA256          {H256.upper()}   C:\\...\n",
    ],
)
def test_what_powershell_shows_is_told_the_way(text: str) -> None:
    """`Get-FileHash` cuts names off on the screen: its output is refused with the command that writes a listing."""
    with pytest.raises(InvalidRecord, match="PowerShell") as refused:
        listing(text)
    assert "Get-FileHash | ForEach-Object" in (refused.value.hint or "")


def test_a_position_in_a_line_is_no_other_line() -> None:
    """What is wrong with JSON is said with its column: the line is that of the file."""
    refused = refusal("\n" + '{"path": nothing}' + "\n", RecordFormat.NDJSON)
    assert str(refused).startswith("it, line 2: not acceptable JSON: ")
    assert refused.reason.endswith("(column 10)")


def test_very_many_keys_take_no_longer_than_they_should() -> None:
    """A megabyte of keys, of which the last one stands twice, is refused at once."""
    keys = "".join(f'"k{number}":0,' for number in range(90_000))
    began = time.process_time()
    refused = refusal(f'{{{keys}"k89999":1}}', RecordFormat.NDJSON)
    assert "'k89999' stands twice" in refused.reason
    assert time.process_time() - began < 5


# --- texts that are none ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"\x1f\x8b\x08\x00", "(gunzip -c)"),
        (b"BZh91AY", "(bunzip2 -c)"),
        (b"\xfd7zXZ\x00\x00", "(xz -dc)"),
        (b"\x28\xb5\x2f\xfd\x04", "(zstd -dc)"),
        (b"PK\x03\x04\x14", "(unzip -p)"),
    ],
)
def test_packed_text_is_told_the_way(data: bytes, word: str) -> None:
    """Compressed input is refused by name, with what unpacks it."""
    for form in RecordFormat:
        with pytest.raises(InvalidInput, match="packed with") as refused:
            list(read_records(io.BytesIO(data), form=form, source="it"))
        assert word in (refused.value.hint or "")
    with pytest.raises(InvalidInput, match="packed with"):
        list(read_checksums(io.BytesIO(data), source="it"))


@pytest.mark.parametrize("form", RecordFormat)
def test_binary_data_are_no_text_with_odd_line_ends(form: RecordFormat) -> None:
    """A program handed in by mistake is not said to be a text of an old Mac."""
    with pytest.raises(InvalidRecord) as refused:
        list(read_records(io.BytesIO(b"\x7fELF\x02\x01\x01\0\r\xff\n" * 5), form=form, source="it"))
    assert "CR" not in str(refused.value)
    assert "not UTF-8" in str(refused.value)


@pytest.mark.parametrize("form", [*RecordFormat, "listing"])
def test_line_ends_of_old_macs_are_refused(form: str) -> None:
    """Where CR alone ends the lines, that is what is said, however many they are."""
    line = {
        "ndjson": json.dumps({"path": "a", "length": 1, "hashes": {"sha256": H256}}),
        "csv": f"a;1;sha256;{H256}",
        "listing": f"{H256}  a",
    }[form]
    for times in (2, 20_000):
        stream = io.BytesIO(f"{line}\r".encode() * times)
        if form == "listing":
            read: Iterator[object] = read_checksums(stream, source="it")
        else:
            read = read_records(stream, form=RecordFormat(form), source="it")
        with pytest.raises(InvalidRecord, match="line 1: a CR stands within the line"):
            list(read)
