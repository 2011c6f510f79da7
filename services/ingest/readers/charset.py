"""Text of DICOM attributes as people wrote it: declared character sets, ISO 2022 escapes, and wrong declarations.

Hospitals write GB18030 or UTF-8 under ISO_IR 100 or under nothing at all; taken literally that gives mojibake that neither
links nor can be found by a leak check.
"""

from __future__ import annotations

import re

from pydicom.charset import convert_encodings, decode_bytes

# Where ISO 2022 code extension goes back to the initial state (PS3.5 6.1.2.5.3): CR LF TAB FF; and ^ = \ in names.
_TEXT_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C}
_PN_DELIMITERS = {0x5E, 0x3D, 0x5C}
_DEFAULT = "iso8859"


def encodings_of(declared: bytes | str | None) -> tuple[str, ...]:
    """Python codecs of a SpecificCharacterSet value (0008,0005), ISO 8859-1 where it is absent or unknown."""
    text = declared.decode("latin-1") if isinstance(declared, bytes) else declared or ""
    names = [name.strip(" \0") for name in text.split("\\")]
    if not any(names):
        return (_DEFAULT,)
    try:
        return tuple(convert_encodings(names))
    except (LookupError, ValueError):
        return (_DEFAULT,)


def decode_text(raw: bytes, encodings: tuple[str, ...], person_name: bool = False) -> str:
    """The text of one raw value (all its parts, backslashes included), trailing padding removed.

    Trusts the declaration unless the bytes contradict it: bytes that are well-formed UTF-8 under a declaration that is
    not, or that are no text of the declared set but are well-formed GB18030.
    """
    raw = raw.rstrip(b"\0 ")
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    declared = set(encodings)
    if b"\x1b" in raw:
        return _by_escapes(raw, encodings, person_name)
    utf8 = _strict(raw, "utf-8")
    single_byte = declared <= {_DEFAULT, "iso8859-1", "latin_1", "utf8", "utf-8", "ascii"}
    # Two GB18030 bytes are often two well-formed UTF-8 bytes (平扫 as ƽɨ); three-byte UTF-8 hardly happens by chance.
    if utf8 is not None and ("utf8" in declared or "utf-8" in declared or (_is_multibyte_text(utf8) if single_byte else _has_wide(utf8))):
        return utf8
    if single_byte:
        chinese = _strict(raw, "gb18030")
        if chinese is not None and _is_han_text(chinese) and not _may_be_latin(raw):
            return chinese
        return raw.decode("latin-1")
    text = _by_escapes(raw, encodings, person_name)
    if "\ufffd" in text:
        text = utf8 or _strict(raw, "gb18030") or text
    return text


def _strict(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None


def _by_escapes(raw: bytes, encodings: tuple[str, ...], person_name: bool) -> str:
    delimiters = _PN_DELIMITERS if person_name else _TEXT_DELIMITERS
    known = list(encodings)
    if len(known) == 1 and b"\x1b" in raw:
        known += ["iso2022_jp", "iso2022_jp_2", "euc_kr", "gb2312"]
    try:
        return str(decode_bytes(raw, known, delimiters))
    except (LookupError, ValueError):
        return raw.decode("latin-1")


def _has_wide(text: str) -> bool:
    return any(ch >= "\u0800" for ch in text)


def _is_multibyte_text(text: str) -> bool:
    """Beyond Latin-1 letters that two-byte UTF-8 could give by chance."""
    return _has_wide(text) or all(ch.isascii() or ch.isalpha() for ch in text)


def _may_be_latin(raw: bytes) -> bool:
    """Whether bytes that also read as GB18030 look like Latin-1 words: single accented letters, or two of them between
    letters ("Größe"), and none of the control codes 80-9F that Latin-1 text never holds."""
    if re.search(rb"[\x80-\x9f]", raw):
        return False
    return any(
        len(run.group(2)) % 2 or (len(run.group(2)) == 2 and (run.group(1) or run.group(3)))
        for run in re.finditer(rb"([A-Za-z]?)([\xa0-\xff]+)(?=([A-Za-z]?))", raw)
    )


def _is_han_text(text: str) -> bool:
    """Every character outside ASCII is a Chinese character or full-width sign, as real GB18030 reads."""
    return all(ch < "\x80" or "\u4e00" <= ch <= "\u9fff" or "\u3000" <= ch <= "\u303f" or "\uff00" <= ch <= "\uffef" or ch == "·" for ch in text)
