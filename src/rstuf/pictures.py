"""Data as QR codes, so that nothing but light crosses the gap between an offline machine and the others.

Codes are in byte mode: what is read is what was written, to the byte. What comes out of a picture is hostile until its
reader has checked it, and so is the picture itself: it is bounded before it is decoded, and only PNG and JPEG are, as
each further format would be one more decoder to trust.

The libraries for it are an extra, `rstuf[qr]`, and are loaded when they are needed.
"""

from __future__ import annotations

import importlib
import io
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rstuf.durable import PUBLIC_FILE, How, is_failing, storage_error, write_file
from rstuf.errors import InputMissing, InvalidInput

if TYPE_CHECKING:
    from PIL.Image import Image
    from segno import QRCode

COLUMNS: Final = 80
MAX_PICTURE_BYTES: Final = 10_000_000
# Four bytes a pixel while a picture is decoded.
MAX_PIXELS: Final = 32_000_000
MAX_CODES: Final = 32

# The quiet zone that the standard asks for (ISO/IEC 18004 §6.3.8), in modules.
_BORDER: Final = 4
_PIXELS_A_MODULE: Final = 8
_FORMATS: Final = ("PNG", "JPEG")
# By whether the upper and the lower half of a character are painted.
_HALVES: Final = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
_OTHER_WAY: Final = "carry the file over instead, on a medium"
_NAME_PICTURE: Final = "name the photo or the screenshot of the code, as PNG or JPEG"
_AGAIN: Final = "take it again: the whole code with a margin, sharp, from the front, and evenly lit"


def qr_lines(data: bytes, *, inverted: bool = False, columns: int = COLUMNS) -> list[str]:
    """`data` as a QR code of half blocks, two modules above each other in a character; all lines are of one length.

    Args:
        inverted: paint the dark modules, for terminals with dark text on light ground; else the light ones.
        columns: how many characters fit in a line.

    Raises:
        InvalidInput: the code would be wider than `columns`, there is no data, or the extra is missing.
    """
    code = _code(data)
    width = len(code.matrix[0]) + 2 * _BORDER
    if width > columns:
        raise InvalidInput(
            f"a QR code of {len(data)} bytes is {width} columns wide, and {columns} are there",
            hint=f"make the terminal wider, or write the code as a picture; or {_OTHER_WAY}",
        )
    rows = [[bool(dark) is inverted for dark in row] for row in code.matrix_iter(border=_BORDER)]
    if len(rows) % 2:
        rows.append([not inverted] * width)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(_HALVES[halves] for halves in zip(upper, lower, strict=True)) for upper, lower in pairs]


def write_qr(data: bytes, path: Path) -> None:
    """Write `data` as a QR code, a PNG file. One that has the same bytes already is left as it is.

    Raises:
        InvalidInput: no QR code holds so much, there is no data, or the extra is missing.
        NameTaken: another file has this name.
        StorageError: it cannot be written.
    """
    picture = io.BytesIO()
    _code(data).save(picture, kind="png", scale=_PIXELS_A_MODULE, border=_BORDER)
    write_file(path, picture.getvalue(), mode=PUBLIC_FILE, how=How.CREATE)


def read_picture(path: Path) -> list[bytes]:
    """What the QR codes in a picture hold, from top to bottom, equal ones once. There is one at least.

    Raises:
        InputMissing: there is no such file.
        InvalidInput: it is too large, no PNG or JPEG, damaged or animated; no QR code in it can be read, or there are
            very many; or the extra is missing.
        StorageError: the disk fails.
    """
    reader = _library("zxingcpp")
    picture = _decoded(_read_bounded(path), str(path))
    codes = _codes_in(picture, reader)
    if not any(code.valid for code in codes):
        # At half the size the grain of a bad photo is averaged away.
        codes = _codes_in(picture.reduce(2), reader)
    codes.sort(key=lambda code: (code.position.top_left.y, code.position.top_left.x))
    found = list(dict.fromkeys(bytes(code.bytes) for code in codes if code.valid))
    if not found:
        raise InvalidInput(f"{path}: there is no QR code in it that can be read", hint=_AGAIN)
    if len(found) > MAX_CODES:
        raise InvalidInput(
            f"{path}: there are {len(found)} QR codes in it, and {MAX_CODES} are read at most",
            hint="take a picture of fewer of them at a time",
        )
    return found


def _codes_in(picture: Image, reader: Any) -> list[Any]:
    codes: list[Any] = []
    for binarizer in (reader.Binarizer.LocalAverage, reader.Binarizer.GlobalHistogram):
        codes = codes or reader.read_barcodes(picture, formats=reader.BarcodeFormat.QRCode, binarizer=binarizer)
    return codes


def _code(data: bytes) -> QRCode:
    writer = _library("segno")
    if not data:
        raise InvalidInput("there is nothing to show as a QR code", hint="this is a defect of the program that asked")
    try:
        code: QRCode = writer.make_qr(data, error="l", mode="byte")
    except writer.DataOverflowError:
        raise InvalidInput(f"no QR code holds {len(data)} bytes", hint=_OTHER_WAY) from None
    return code


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InvalidInput(
            f"QR codes need a library that is not installed ({name})", hint="install it: pip install 'rstuf[qr]'"
        ) from None


def _read_bounded(path: Path) -> bytes:
    try:
        # Not to wait for the writer of a FIFO.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissing(str(path)) from None
    except OSError as error:
        if is_failing(error):
            raise storage_error("read", str(path), error) from error
        raise InvalidInput(f"{path}: it cannot be opened: {error.strerror}", hint="look at who may read it") from None
    except ValueError:
        raise InvalidInput(f"{str(path)!r}: no file can have this name", hint=_NAME_PICTURE) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidInput(f"{path}: it is not a regular file", hint=_NAME_PICTURE)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_PICTURE_BYTES + 1)
    except OSError as error:
        raise storage_error("read", str(path), error) from error
    finally:
        os.close(descriptor)
    if len(data) > MAX_PICTURE_BYTES:
        raise InvalidInput(
            f"{path}: pictures of {MAX_PICTURE_BYTES // 1_000_000} MB at most are read, and it is larger",
            hint="make the picture smaller, or cut out the code",
        )
    return data


def _decoded(data: bytes, name: str) -> Image:
    """The picture in shades of grey.

    Raises:
        InvalidInput: it is none, or not one that is read here.
    """
    image = _library("PIL.Image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", image.DecompressionBombWarning)
        try:
            with image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                _check_header(picture, name)
                picture.draft("L", picture.size)
                grey: Image = picture.convert("L")
        except InvalidInput:
            raise
        except (image.DecompressionBombError, image.DecompressionBombWarning):
            raise _too_many_pixels(name) from None
        except image.UnidentifiedImageError:
            raise InvalidInput(f"{name}: it is not a PNG or JPEG picture", hint=_NAME_PICTURE) from None
        except Exception:  # decoders of pictures raise whatever they come upon
            raise InvalidInput(f"{name}: the picture is damaged, or not all of it is there", hint=_AGAIN) from None
    return grey


def _check_header(picture: Image, name: str) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_many_pixels(name)
    # Phones put previews into their JPEG files as further frames; the first is the photo.
    if picture.format == "PNG" and getattr(picture, "n_frames", 1) > 1:
        raise InvalidInput(f"{name}: it is animated", hint="take a picture that stands still, as PNG or JPEG")


def _too_many_pixels(name: str) -> InvalidInput:
    return InvalidInput(
        f"{name}: pictures of {MAX_PIXELS // 1_000_000} million pixels at most are read, and it has more",
        hint="make the picture smaller, or cut out the code",
    )
