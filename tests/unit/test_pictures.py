"""Data through light: as a QR code in a terminal or a file, and back from a picture of it."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from rstuf.errors import InputMissing, InvalidInput, NameTaken
from rstuf.pictures import MAX_CODES, MAX_PICTURE_BYTES, MAX_PIXELS, qr_lines, read_picture, write_qr

SIGNATURE = json.dumps(
    {
        "event": "9f" * 8,
        "format": "rstuf-signature",
        "keyid": "3c" * 32,
        "sig": "a7" * 64,
        "version": 1,
    },
    separators=(",", ":"),
).encode()


def picture_of(data: bytes) -> Image.Image:
    with tempfile.TemporaryDirectory() as here:
        write_qr(data, Path(here, "code.png"))
        return Image.open(io.BytesIO(Path(here, "code.png").read_bytes())).convert("L")


def saved(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def back(picture: Image.Image, kind: str = "png") -> list[bytes]:
    """What is read from a picture, by way of a file."""
    with tempfile.TemporaryDirectory() as here:
        return read_picture(saved(picture, Path(here, f"photo.{kind}")))


def on_screen(lines: list[str], *, ink: int, ground: int, cell: int = 9, gap: int = 0) -> Image.Image:
    """A screenshot of a terminal: each character a cell, twice as high as wide, `gap` pixels between the lines."""
    height = 2 * cell + gap
    screen = Image.new("L", (len(lines[0]) * cell + 6 * cell, len(lines) * height + 6 * cell), ground)
    draw = ImageDraw.Draw(screen)
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            left, top = column * cell + 3 * cell, row * height + 3 * cell
            for at, shown in ((top, character in "▀█"), (top + cell, character in "▄█")):
                if shown:
                    draw.rectangle((left, at, left + cell - 1, at + cell - 1), fill=ink)
    return screen


def photographed(picture: Image.Image, *, angle: float, tilt: float, blur: float, noise: int, dark: int) -> Image.Image:
    """As a phone sees it: from the side, turned, unsharp, unevenly lit, noisy."""
    width, height = picture.size
    scene = Image.new("L", (2 * width, 2 * height), 140)
    scene.paste(picture, (width // 2, height // 2))
    scene = scene.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=140)
    matrix = (1 + tilt, tilt / 3, 0, 0, 1, 0, tilt / (2 * width), 0)
    scene = scene.transform(scene.size, Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BICUBIC, fillcolor=140)
    scene = scene.filter(ImageFilter.GaussianBlur(blur))
    light = Image.linear_gradient("L").resize(scene.size).point(lambda value: 255 - value * dark // 255)
    scene = ImageChops.multiply(scene, light)
    speckles = random.Random(noise).randbytes(scene.width * scene.height)
    grain = Image.frombytes("L", scene.size, speckles).point(lambda value: value * noise // 255)
    return ImageChops.subtract(scene, grain)


@given(data=st.binary(min_size=1, max_size=700))
@example(data=SIGNATURE)
@example(data=b"\x00")
@example(data=bytes(range(256)))
@example(data=b"0123456789")
@example(data=b"\xef\xbb\xbf\\000026")
@example(data="日本".encode("shift-jis"))
@settings(max_examples=60, deadline=None)
def test_any_bytes_come_back(data: bytes) -> None:
    """What a picture file holds is what is read from it, to the byte, whatever the bytes look like."""
    assert back(picture_of(data)) == [data]


@given(
    data=st.binary(min_size=1, max_size=330),
    angle=st.floats(0, 360),
    tilt=st.floats(0, 0.12),
    blur=st.floats(0, 2.5),
    noise=st.integers(0, 50),
    dark=st.integers(0, 110),
)
@example(data=b"\x00", angle=47.0, tilt=0.0, blur=2.0, noise=42, dark=0)
@settings(max_examples=40, deadline=None)
def test_a_photo_of_a_code_is_read(data: bytes, angle: float, tilt: float, blur: float, noise: int, dark: int) -> None:
    """Turned, tilted, blurred, noisy and unevenly lit, as JPEG: the bytes come back."""
    photo = photographed(picture_of(data), angle=angle, tilt=tilt, blur=blur, noise=noise, dark=dark)
    assert back(photo, "jpeg") == [data]


@given(factor=st.floats(0.35, 4))
@settings(max_examples=20, deadline=None)
def test_a_scaled_picture_is_read(factor: float) -> None:
    """Smaller down to three pixels a module, and larger."""
    picture = picture_of(SIGNATURE)
    size = round(picture.width * factor)
    assert back(picture.resize((size, size), Image.Resampling.BILINEAR)) == [SIGNATURE]


@pytest.mark.parametrize(("inverted", "ink", "ground"), [(False, 230, 10), (True, 10, 245)])
@pytest.mark.parametrize("gap", [0, 1])
def test_a_screenshot_of_a_terminal_is_read(inverted: bool, ink: int, ground: int, gap: int) -> None:
    """Light text on dark ground, or the other way round, also where a font leaves a line between rows."""
    lines = qr_lines(SIGNATURE, inverted=inverted)
    assert back(on_screen(lines, ink=ink, ground=ground, gap=gap)) == [SIGNATURE]


@pytest.mark.parametrize(("inverted", "ink", "ground"), [(False, 10, 245), (True, 230, 10)])
def test_a_code_in_the_wrong_colours_is_read_too(inverted: bool, ink: int, ground: int) -> None:
    """Whoever guessed their terminal's colours wrong is still read by rstuf, if not by every phone."""
    assert back(on_screen(qr_lines(SIGNATURE, inverted=inverted), ink=ink, ground=ground)) == [SIGNATURE]


@given(data=st.binary(min_size=1, max_size=420))
@settings(max_examples=30, deadline=None)
def test_lines_show_what_was_given(data: bytes) -> None:
    """Any bytes that fit, in either colours, come back from a picture of the terminal."""
    for inverted, ink, ground in ((False, 255, 0), (True, 0, 255)):
        assert back(on_screen(qr_lines(data, inverted=inverted), ink=ink, ground=ground, cell=5)) == [data]


def test_a_signature_fits_a_terminal() -> None:
    """A document with a signature of Ed25519 takes less than 80 columns, all lines alike, half blocks alone."""
    assert 250 <= len(SIGNATURE) <= 330
    for inverted in (False, True):
        lines = qr_lines(SIGNATURE, inverted=inverted)
        assert {len(line) for line in lines} == {69}
        assert len(lines) == 35
        assert set("".join(lines)) <= set(" ▀▄█")
    assert len(qr_lines(b"a" * 425)[0]) == 77


def test_the_margin_is_light() -> None:
    """Four modules around the code are quiet, as readers want it: painted, or left out where the ground is light."""
    for inverted, light in ((False, "█"), (True, " ")):
        lines = qr_lines(SIGNATURE, inverted=inverted)
        assert set(lines[0] + lines[1] + lines[-1] + lines[-2]) == {light}
        assert {line[:4] + line[-4:] for line in lines} == {light * 8}


@pytest.mark.parametrize(("size", "columns"), [(426, 80), (1000, 80), (2953, 80), (300, 60)])
def test_what_is_too_wide_is_refused(size: int, columns: int) -> None:
    """A code that a terminal would break over lines is none: the error says how wide it is."""
    with pytest.raises(InvalidInput, match=rf"\d+ columns wide, and {columns} are there") as caught:
        qr_lines(b"a" * size, columns=columns)
    assert caught.value.hint


@pytest.mark.parametrize("size", [2954, 100_000])
def test_what_no_code_holds_is_refused(size: int, tmp_path: Path) -> None:
    """Beyond the largest code there is, whatever is made of it, and no file appears."""
    for make in (qr_lines, lambda data: write_qr(data, tmp_path / "code.png")):
        with pytest.raises(InvalidInput, match=f"no QR code holds {size} bytes"):
            make(b"a" * size)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_no_data() -> None:
    """An empty code is refused."""
    with pytest.raises(InvalidInput, match="nothing to show"):
        qr_lines(b"")


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    """The same code again is fine; another one under the same name is refused, and the first stays."""
    path = tmp_path / "code.png"
    for _ in range(2):
        write_qr(b"one", path)
    with pytest.raises(NameTaken):
        write_qr(b"two", path)
    assert read_picture(path) == [b"one"]
    assert list(tmp_path.iterdir()) == [path]


def test_several_codes_are_read_from_top_to_bottom() -> None:
    """A picture of several codes gives each of them once, in order."""
    codes = [picture_of(data) for data in (b"first", b"second", b"third", b"first")]
    sheet = Image.new("L", (400, 400 * len(codes)), 255)
    for at, code in enumerate(codes):
        sheet.paste(code, (30, 400 * at + 30))
    assert back(sheet) == [b"first", b"second", b"third"]


def test_very_many_codes_are_refused() -> None:
    """A wall of codes is no signature."""
    side = picture_of(b"0").width
    sheet = Image.new("L", (side, 48 * side), 255)
    for at in range(48):
        sheet.paste(picture_of(b"%d" % at), (0, at * side))
    with pytest.raises(InvalidInput, match=f"{MAX_CODES} are read at most"):
        back(sheet)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of one colour: a few bytes that say they are very many pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


def png(data: bytes = SIGNATURE) -> bytes:
    file = io.BytesIO()
    picture_of(data).save(file, "png")
    return file.getvalue()


def as_kind(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture_of(SIGNATURE).save(file, kind, **options)
    return file.getvalue()


def text_chunks() -> bytes:
    whole = png()
    return whole[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9)) + whole[33:]


def blank() -> bytes:
    file = io.BytesIO()
    Image.new("L", (300, 300), 200).save(file, "png")
    return file.getvalue()


def cut() -> bytes:
    file, whole = io.BytesIO(), picture_of(SIGNATURE)
    whole.crop((0, 0, whole.width // 2, whole.height)).save(file, "png")
    return file.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not a PNG or JPEG"),
    "text": (lambda: SIGNATURE, "not a PNG or JPEG"),
    "noise": (lambda: random.Random(1).randbytes(5000), "not a PNG or JPEG"),
    "only the beginning of a PNG": (lambda: b"\x89PNG\r\n\x1a\n", "not a PNG or JPEG|damaged"),
    "a PNG cut in the middle": (lambda: png()[: len(png()) // 2], "damaged"),
    "a PNG cut in its header": (lambda: png()[:20], "not a PNG or JPEG|damaged"),
    "a PNG with a wrong checksum": (lambda: png().replace(b"IDAT", b"IDAT\0", 1), "damaged"),
    "a JPEG cut in the middle": (lambda: as_kind("jpeg")[:3000], "damaged"),
    "a GIF": (lambda: as_kind("gif"), "not a PNG or JPEG"),
    "a TIFF": (lambda: as_kind("tiff"), "not a PNG or JPEG"),
    "a bitmap": (lambda: as_kind("bmp"), "not a PNG or JPEG"),
    "an SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a PNG or JPEG"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG or JPEG"),
    "an animated PNG": (
        lambda: as_kind("png", save_all=True, append_images=[picture_of(b"other").resize((552, 552))]),
        "animated",
    ),
    "no code": (blank, "no QR code in it"),
    "half a code": (cut, "no QR code in it"),
    "a pixel too many": (lambda: bomb(MAX_PIXELS // 1000 + 1, 1000), "million pixels"),
    "a bomb that Pillow warns of": (lambda: bomb(10_000, 10_000), "million pixels"),
    "a bomb that Pillow refuses": (lambda: bomb(60_000, 60_000), "million pixels"),
    "a bomb of one line": (lambda: bomb(2**31 - 1, 1), "million pixels"),
    "a picture without pixels": (lambda: bomb(0, 0), "not a PNG or JPEG|damaged"),
    "a comment of 200 MB": (text_chunks, "damaged|not a PNG or JPEG"),
    "a large file": (lambda: png() + bytes(MAX_PICTURE_BYTES), "10 MB at most"),
}


@pytest.mark.parametrize(("make", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_picture_is_refused(make: Callable[[], bytes], reason: str, tmp_path: Path) -> None:
    """What is no picture of a code ends in a clear error that names the file and says what to do."""
    path = tmp_path / "photo.png"
    path.write_bytes(make())
    with pytest.raises(InvalidInput, match=reason) as caught:
        read_picture(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_photo_with_a_preview_is_read(tmp_path: Path) -> None:
    """Phones put further frames into a JPEG: the photo is the first one."""
    path = tmp_path / "photo.jpg"
    whole = picture_of(SIGNATURE).convert("RGB")
    whole.save(path, "MPO", save_all=True, append_images=[whole.resize((90, 90))])
    with Image.open(path) as opened:
        assert opened.format == "MPO"
    assert read_picture(path) == [SIGNATURE]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_pictures_of_every_colour_depth_are_read(mode: str) -> None:
    """Screenshots come in colour, with a palette or with transparency."""
    assert back(picture_of(SIGNATURE).convert(mode)) == [SIGNATURE]


@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["png", "jpeg"]), times=st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_damaged_pictures_end_in_the_one_error(seed: int, kind: str, times: int) -> None:
    """Bytes changed, left out or doubled anywhere: read as it was, or refused."""
    chance, data = random.Random(seed), bytearray(as_kind(kind))
    for _ in range(times):
        at = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(40)]
            case _:
                data[at:at] = data[at : at + chance.randrange(40)]
    with tempfile.TemporaryDirectory() as here:
        path = Path(here, "photo")
        path.write_bytes(data)
        try:
            found = read_picture(path)
        except InvalidInput:
            return
        assert found == [SIGNATURE]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a directory and a pipe that nobody writes to: refused at once."""
    with pytest.raises(InputMissing):
        read_picture(tmp_path / "none.png")
    with pytest.raises(InvalidInput, match="not a regular file"):
        read_picture(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="not a regular file"):
        read_picture(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="no file can have this name"):
        read_picture(tmp_path / "a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    """Permissions are named as the reason."""
    path = tmp_path / "photo.png"
    path.write_bytes(png())
    path.chmod(0)
    with pytest.raises(InvalidInput, match="cannot be opened"):
        read_picture(path)


@pytest.mark.parametrize("missing", ["segno", "zxingcpp", "PIL.Image"])
def test_without_the_extra_it_says_what_to_install(missing: str, tmp_path: Path, monkeypatch) -> None:
    """Where a library is missing, the error has the command that installs it."""
    path = tmp_path / "code.png"
    write_qr(b"one", path)
    monkeypatch.setitem(sys.modules, missing, None)
    calls: list[Callable[[], object]] = [lambda: read_picture(path)]
    if missing == "segno":
        calls = [lambda: qr_lines(b"one"), lambda: write_qr(b"two", tmp_path / "two.png")]
    for call in calls:
        with pytest.raises(InvalidInput, match="not installed") as caught:
            call()
        assert "pip install 'rstuf[qr]'" in (caught.value.hint or "")
