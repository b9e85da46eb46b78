"""The state's rows, changed one by one behind rstuf's back: not one of them goes unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.audited import codes, history, notes, said, tamper, verified
from tests.support.engine import Engine

from rstuf.model.artifacts import slot_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository with some history, and some more that waits. Made once; tests take copies."""
    engine = history(tmp_path_factory.mktemp("made"))
    engine.add("files/new.bin", b"n")
    engine.add("files/4.bin", b"not yet")
    engine.remove("files/3.bin")
    return engine


def test_untouched_it_is_sound(engine: Engine) -> None:
    """What the tests below change has nothing wrong with it before."""
    report = verified(engine)
    assert (said(report), notes(report)) == ("", set())


_PLACE = f"(SELECT id FROM role WHERE bin_index = {slot_of('files/5.bin') >> 30})"
_SPARE = "SELECT 0, 'done', 1, 1, 1, 0, x'7b7d'"

DISAGREES = {
    "files": [
        (
            "UPDATE role SET visible = visible - 1 WHERE name = 'timestamp'",
            "clients see version 3 and the state says 2",
        ),
        ("UPDATE role SET visible = 0 WHERE name = 'bins-1'", "snapshot lists version"),
        ("UPDATE role SET sha256 = printf('%064d', 0) WHERE name = 'bins-2'", "its file has other bytes"),
        ("UPDATE role SET length = length + 1 WHERE name = 'snapshot'", "its file has other bytes"),
        ("UPDATE root SET data = CAST(data || ' ' AS BLOB)", "1.root.json has other bytes than the state has"),
        ("DELETE FROM role WHERE name = 'bins-3'", "clients see it and the state does not know it"),
    ],
    "dates": [
        (
            "UPDATE role SET expires = expires + 1 WHERE name = 'bins-0'",
            "expires at 2026-12-20T12:00:00Z and the state",
        ),
        ("UPDATE role SET expires = expires + 1 WHERE name = 'timestamp'", "timestamp -: clients see that it expires"),
        ("UPDATE role SET expires = expires + 1 WHERE name = 'snapshot'", "snapshot -: clients see that it expires"),
        ("UPDATE role SET expires = expires + 1 WHERE name = 'targets'", "targets -: clients see that it expires"),
        ("UPDATE role SET expires = expires + 1 WHERE name = 'root'", "root -: clients see that it expires"),
    ],
    "places": [
        (
            "UPDATE role SET kind = 'delegated' WHERE name = 'bins-1'",
            "it is a bin of targets, and in the state it is none",
        ),
        ("UPDATE role SET kind = 'delegated' WHERE name = 'targets'", "the state has it as delegated, not targets"),
        (
            "UPDATE role SET bin_bits = 3 WHERE name = 'targets'",
            "it is bin 0 of the 4 of targets, and in the state bin 0 of",
        ),
        ("UPDATE role SET bin_bits = NULL WHERE name = 'targets'", "differ in whether it shares its artifacts out"),
        (
            "UPDATE role SET bin_index = 7 WHERE name = 'bins-1'",
            "it is bin 1 of the 4 of targets, and in the state bin 7",
        ),
        (
            "UPDATE role SET name = 'bans-1', name_key = 'bans-1' WHERE name = 'bins-1'",
            "bins-1 -: clients see it and the",
        ),
        (
            (
                "UPDATE role SET name = CASE name WHEN 'bins-1' THEN 'bins-2' ELSE 'bins-1' END, name_key = id "
                "WHERE name IN ('bins-1', 'bins-2')"
            ),
            "it is bin 1 of the 4 of targets, and in the state bin 2",
        ),
    ],
    "artifacts": [
        (
            (
                "UPDATE artifact SET fragment = CAST(replace(fragment, '\"length\":1', '\"length\":2') AS BLOB) "
                "WHERE path = 'files/7.bin'"
            ),
            "files/7.bin: the metadata and the state have different contents",
        ),
        ("DELETE FROM artifact WHERE path = 'files/7.bin'", "files/7.bin: it is in the metadata, and not in what"),
        (
            "UPDATE artifact SET number = (SELECT value FROM counter) WHERE path = 'files/7.bin'",
            "files/7.bin: it is in the metadata, and not",
        ),
        ("UPDATE role SET number = 0 WHERE kind = 'bin'", "it is in the metadata, and not in what the state says"),
        (
            (
                "INSERT INTO artifact SELECT holder, slot, 'files/7.bin2', number, fragment FROM artifact "
                "WHERE path = 'files/7.bin'"
            ),
            "files/7.bin2: the state says that clients see it",
        ),
    ],
    "keys": [
        ("DELETE FROM key WHERE name = 'online'", "root -: it lists the key"),
        ("UPDATE key SET public = printf('%064d', 1) WHERE name = 'online'", "root -: it lists the key"),
    ],
}

DAMAGED = {
    "dates": [
        (
            "UPDATE role SET sign_by = expires + 1 WHERE name = 'bins-0'",
            "it is due at 2026-12-20T12:00:01Z, and it expires",
        ),
        (
            "UPDATE role SET sign_by = sign_by - 1 WHERE name = 'timestamp'",
            "other dates or files than the publications",
        ),
        (
            "UPDATE role SET signed_at = expires WHERE name = 'snapshot'",
            "it was signed at 2026-11-27T12:00:00Z, and it",
        ),
        (
            "UPDATE role SET signed_at = signed_at - 1 WHERE name = 'snapshot'",
            "other dates or files than the publications",
        ),
        ("UPDATE role SET sign_by = NULL WHERE name = 'targets'", "the dates and the file of version 1 are not all"),
        (
            "UPDATE repository SET newest_evidence = 1",
            "evidence of a signature is of 1970-01-01T00:00:01Z, and a role was",
        ),
        ("UPDATE repository SET newest_evidence = 9999999999", "2286-11-20T17:46:39Z, and nothing was signed then"),
    ],
    "versions and numbers": [
        ("UPDATE role SET version = visible - 1 WHERE name = 'snapshot'", "and 2 is the highest that there ever was"),
        (
            "UPDATE role SET visible = 9, version = 9 WHERE name = 'root'",
            "its newest root is version 1, and the role is at 9",
        ),
        (
            "UPDATE role SET length = 1 WHERE name = 'root'",
            "what is recorded of its file is not what the newest root is",
        ),
        ("UPDATE role SET newest = 99 WHERE name = 'bins-1'", "its newest change is 99, and"),
        ("UPDATE role SET number = 99 WHERE name = 'bins-1'", "its newest change is 99, and"),
        ("UPDATE counter SET value = 1", "and 1 is the newest that there is"),
        ("DELETE FROM counter", "its counter of changes is gone"),
        ("UPDATE role SET newest = 1 WHERE kind = 'bin'", "its newest change is 1 in the state, and it holds"),
        (
            "DELETE FROM artifact WHERE number = (SELECT value FROM counter)",
            "is still to be published, and no artifact of it is there",
        ),
        ("UPDATE artifact SET number = 99 WHERE path = 'files/new.bin'", "it holds an artifact of change 99, and"),
        ("UPDATE publication_role SET number = 99", "publications were rendered at changes that there never were"),
    ],
    "counts": [
        ("UPDATE role SET artifacts = artifacts + 1 WHERE name = 'bins-1'", "artifacts with"),
        ("UPDATE role SET payload = 7 WHERE name = 'bins-1'", "artifacts with 7 bytes in it, and there are"),
        ("UPDATE role SET artifacts = 2 WHERE name = 'timestamp'", "it holds no artifacts itself, and 2 are counted"),
    ],
    "places": [
        ("DELETE FROM role WHERE name = 'bins-3'", "its artifacts are shared out over 4 bins, and there are 3"),
        ("UPDATE role SET kind = 'snapshot' WHERE name = 'bins-1'", "its kind is snapshot"),
        ("UPDATE role SET holder = 999 WHERE name = 'bins-1'", "it is a bin of a role that has none"),
        ("UPDATE role SET holder = 1 WHERE name = 'bins-1'", "it is a bin of a role that has none"),
        ("UPDATE role SET holder = NULL WHERE name = 'bins-1'", "its place is known in part only"),
        ("UPDATE role SET bin_bits = 3 WHERE name = 'snapshot'", "only a role that holds artifacts can share them out"),
        ("UPDATE role SET name_key = 'other' WHERE name = 'bins-1'", "roles cannot be found by their names (1)"),
        ("DELETE FROM role WHERE name = 'snapshot'", "it has no role snapshot"),
    ],
    "artifacts": [
        (
            "UPDATE artifact SET slot = slot + 1 WHERE path = 'files/5.bin'",
            "files/5.bin: it is kept where nothing looks",
        ),
        ("UPDATE artifact SET slot = slot + 1 WHERE path = 'files/new.bin'", "files/new.bin: it is kept where nothing"),
        ("UPDATE artifact SET slot = -1 WHERE path = 'files/5.bin'", "lie outside of every bin"),
        ("UPDATE artifact SET slot = 'x' WHERE path = 'files/5.bin'", "lie outside of every bin"),
        ("UPDATE artifact SET holder = 1 WHERE path = 'files/5.bin'", "artifacts belong to role 1, which holds none"),
        (f"UPDATE artifact SET holder = {_PLACE} WHERE path = 'files/5.bin'", ", which holds none"),
        ("UPDATE artifact SET holder = 99 WHERE path = 'files/5.bin'", "artifacts belong to role 99, which holds none"),
        (
            "UPDATE artifact SET fragment = CAST(replace(fragment, ':', ': ') AS BLOB) WHERE path = 'files/new.bin'",
            "says of it cannot be published: it is not canonical JSON",
        ),
        (
            "UPDATE artifact SET fragment = x'7b7d' WHERE path = 'files/new.bin'",
            "cannot be published: its length is not",
        ),
        (
            "UPDATE artifact SET fragment = x'7b' WHERE path = 'files/new.bin'",
            "cannot be published: it is not JSON of ours",
        ),
        (
            "UPDATE artifact SET fragment = CAST(fragment AS TEXT) WHERE path = 'files/new.bin'",
            "files/new.bin: its entry is not kept as bytes",
        ),
        (
            "UPDATE artifact SET path = 'files/../up' WHERE path = 'files/new.bin'",
            "cannot be published: it has the segment",
        ),
        ("UPDATE superseded SET path = 'files/5.bin'", "marked as replaced by changes that are not there"),
        ("UPDATE superseded SET holder = 1", "replaced artifacts belong to role 1, which holds none"),
    ],
    "twins": [
        ("DELETE FROM path_key WHERE path = 'Files/Odd.bin'", "Files/Odd.bin is not guarded against paths"),
        ("INSERT INTO path_key VALUES ('gone', 'Gone')", "Gone is guarded against others and is no artifact"),
        (
            "UPDATE path_key SET path = 'FILES/odd.bin' WHERE path = 'Files/Odd.bin'",
            "Files/Odd.bin and FILES/odd.bin are",
        ),
    ],
    "keys": [
        (
            "UPDATE key SET keyid = printf('%064d', 0) WHERE name = 'one'",
            "the key one has another id than its value makes",
        ),
        ("UPDATE key SET keyid = printf('%064d', 0) WHERE name = 'one'", "the key one is not found by its id"),
        ("UPDATE key SET name_key = 'ONE' WHERE name = 'one'", "the key one cannot be found by its name"),
        ("UPDATE key SET public = 'zz' WHERE name = 'one'", "its value is not an Ed25519 key in hexadecimal"),
        ("UPDATE key SET scheme = 'rsa' WHERE name = 'one'", "is not a kind that is known"),
        (
            "UPDATE key SET signer = '-----BEGIN PRIVATE KEY-----' WHERE name = 'one'",
            "the key one: a private key is in",
        ),
        (
            "UPDATE key SET signer = 'hsm://me:secret@host' WHERE name = 'one'",
            "the key one: its signer's URI has a password",
        ),
    ],
    "periods": [
        ("DELETE FROM periods WHERE role = 'bins'", "bins -: it has no periods"),
        ("DELETE FROM periods WHERE role = 'root'", "root -: it has no periods"),
        ("UPDATE periods SET renew_before_seconds = expires_seconds WHERE role = 'bins'", "the periods in the state"),
    ],
    "roots": [
        ("INSERT INTO root SELECT 0, data, 1 FROM root", "roots before version 1"),
        ("UPDATE root SET data = 'x'", "in the state cannot be compared: the state"),
    ],
    "delegators": [
        ("DELETE FROM delegator", "targets -: the bytes of version 1 are not recorded, so nothing could put them back"),
        ("UPDATE delegator SET data = x'7b7d'", "targets -: the bytes that are recorded of version 1 are not those"),
        ("UPDATE delegator SET version = 9", "targets -: the bytes of version 1 are not recorded"),
    ],
    "superseded files": [
        ("DELETE FROM retention", "how long superseded files stay is not one row"),
        ("UPDATE superseded_file SET version = version + 9", "files are noted as superseded that there never were"),
        ("UPDATE superseded_file SET place = 99", "files are noted as superseded that there never were"),
        (
            "UPDATE superseded_file SET role = (SELECT id FROM role WHERE name = 'root') WHERE length = 479",
            "files are noted as superseded that there never were",
        ),
        (
            "INSERT INTO superseded_file (role, version) SELECT id, visible FROM role WHERE name = 'bins-1'",
            "files that clients see are noted as superseded (1)",
        ),
        ("UPDATE superseded_file SET role = role + 99", "rows of the table superseded_file belong to rows"),
    ],
    "publications": [
        ("UPDATE publication SET number = 99", "publication 3 is of change 99, and"),
        (
            "INSERT INTO publication VALUES (9, 'abandoned', 1, 1, NULL, 2, NULL)",
            "publication 9 has not a newer timestamp",
        ),
        ("UPDATE publication SET committed = NULL WHERE id = 3", "publication 3 is done, and its end is not recorded"),
        ("UPDATE publication SET timestamp = NULL WHERE id = 3", "the timestamp of publication 3 is not recorded"),
        (
            "UPDATE publication SET timestamp = x'7b7d' WHERE id = 3",
            "the bytes that publication 3 brought are not those",
        ),
        ("UPDATE publication SET phase = 'abandoned' WHERE id = 3", "the last publication that is done brought 0"),
        (
            "UPDATE role SET version = 3, visible = 3 WHERE name = 'timestamp'; ",
            "publication 9 took version 9, and it is at",
        ),
        ("DELETE FROM publication WHERE id = 3", "rows of the table publication_role belong to rows of publication"),
        ("UPDATE publication SET phase = 'lost' WHERE id = 3", "the publications in the state cannot be compared"),
    ],
    "schema": [
        (
            "CREATE TRIGGER sly AFTER INSERT ON root BEGIN DELETE FROM audit; END",
            "it has the trigger sly, which rstuf does",
        ),
        ("DROP INDEX role_due", "its index role_due is gone"),
        ("DROP TABLE superseded", "how it is kept"),
        ("DROP TABLE superseded_file", "how it is kept"),
    ],
}
# What must be there before a statement can do harm.
_FIRST = {
    "publication 9 took": "INSERT INTO publication VALUES (9, 'abandoned', 1, 1, NULL, 9, NULL)",
}


def _cases(tables: dict[str, list[tuple[str, str]]]) -> list[tuple[str, str]]:
    return [case for cases in tables.values() for case in cases]


@pytest.mark.parametrize(("statement", "message"), _cases(DISAGREES))
def test_what_clients_see_otherwise_is_found(engine: Engine, tmp_path: Path, statement: str, message: str) -> None:
    """A row that says something else than the metadata is named."""
    _change(tmp_path, statement, message)
    report = verified(engine)
    assert message in said(report)
    assert "state-disagrees" in codes(report)


@pytest.mark.parametrize(("statement", "message"), _cases(DAMAGED))
def test_what_cannot_be_as_it_is_is_found(engine: Engine, tmp_path: Path, statement: str, message: str) -> None:
    """A row that contradicts another, or itself, is named, though clients see nothing of it yet."""
    _change(tmp_path, statement, message)
    report = verified(engine)
    assert message in said(report)
    assert "state-damaged" in codes(report)


def _change(directory: Path, statement: str, message: str) -> None:
    first = next((sql for start, sql in _FIRST.items() if message.startswith(start)), None)
    changed = tamper(directory, *[each for each in (first, statement) if each is not None])
    assert changed > 0 or statement.startswith(("CREATE", "DROP"))


@pytest.mark.parametrize(
    ("statement", "note"),
    [
        ("UPDATE periods SET expires_seconds = 86401, renew_before_seconds = 1 WHERE role = 'bins'", "periods-differ"),
        ("UPDATE periods SET renew_before_seconds = 2000000 WHERE role = 'bins'", "periods-differ"),
        ("UPDATE role SET signed_at = signed_at - 1 WHERE name = 'bins-0'", "periods-differ"),
        ("UPDATE role SET sign_by = sign_by + 1 WHERE name = 'bins-0'", "periods-differ"),
        (
            (
                "INSERT INTO key VALUES ('5eb93174c1d4b90a90a4b1a0bb7e0c5f9e1c2bd4c4d4b8c8b46cf5a1b24a4a1f', "
                "'spare', 'spare', 'ed25519', 'ed25519', printf('%064d', 0), NULL, 1)"
            ),
            "unused-key",
        ),
        ("INSERT INTO key_loss SELECT keyid, 'leaked', 1 FROM key WHERE name = 'online'", "leaked-key"),
    ],
)
def test_what_may_be_on_purpose_is_a_note(engine: Engine, tmp_path: Path, statement: str, note: str) -> None:
    """Other periods than those that a role was signed with, and keys that no role lists, are worth knowing."""
    assert tamper(tmp_path, statement)
    assert note in notes(verified(engine))


def test_two_unfinished_publications_are_found(engine: Engine, tmp_path: Path) -> None:
    """Even without the index that forbids it."""
    add = "INSERT INTO publication VALUES ({0}, 'staged', 1, 1, NULL, {0}, NULL)"
    assert tamper(tmp_path, "DROP INDEX publication_unfinished", add.format(8), add.format(9)) == 2
    report = verified(engine)
    assert "2 publications are unfinished, and only one can be" in said(report)
    assert "its index publication_unfinished is gone" in said(report)


def test_a_private_key_is_not_quoted(engine: Engine, tmp_path: Path) -> None:
    """Whoever reads the report learns that it is there, not what it is."""
    secret = "-----BEGIN PRIVATE KEY-----topsecret"
    assert tamper(
        tmp_path, f"UPDATE key SET public = '{secret}', signer = 'hsm://me:topsecret@host' WHERE name = 'two'"
    )
    assert "topsecret" not in str(verified(engine))


def test_two_live_paths_that_are_one_elsewhere_are_found(engine: Engine, tmp_path: Path) -> None:
    """A twin in the table of artifacts is found whether or not either is guarded."""
    path = "files/odd.bin"
    insert = (
        f"INSERT INTO artifact SELECT holder, {slot_of(path)}, '{path}', number, fragment FROM artifact "
        "WHERE path = 'Files/Odd.bin'"
    )
    assert tamper(tmp_path, insert)
    assert "Files/Odd.bin and files/odd.bin are one path on many file systems" in said(verified(engine))


def test_rows_of_a_role_whose_file_is_gone_are_looked_at(engine: Engine, tmp_path: Path) -> None:
    """What is wrong with them does not hide behind what is wrong with the file."""
    place = f"bins-{slot_of('files/7.bin') >> 30}"
    for name in [name for name in engine.metadata.files if place in name]:
        engine.metadata.remove(name)
    assert tamper(tmp_path, "UPDATE artifact SET fragment = x'7b7d' WHERE path = 'files/7.bin'")
    assert f"{place} files/7.bin: what change 1" not in said(verified(engine))
    assert "files/7.bin: what change" in said(verified(engine))
