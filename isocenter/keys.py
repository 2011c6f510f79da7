"""The site key: one secret outside the catalog from which every pseudonym, UID, date shift and capsule key is derived.

Without the key file nothing starts; ``isocenter backup`` takes it along. Derivation is HMAC-SHA-256 with a purpose
label, so that no derived value can be used for another purpose.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from isocenter.errors import WrongKey

KEY_BYTES = 32
SHIFT_DAYS_MAX = 3650
# UIDs defined by the standard itself (SOP classes, transfer syntaxes, well-known frames of reference) stay.
STANDARD_UID_ROOT = "1.2.840.10008."


@dataclass(frozen=True, repr=False)
class SiteKey:
    """The 32-byte secret of this site and what is derived from it. Picklable, so that workers can be given it."""

    secret: bytes

    def digest(self, purpose: str, *parts: str) -> bytes:
        """HMAC-SHA-256 over length-prefixed parts: 32 bytes, the same for the same site, purpose and parts."""
        mac = hmac.new(self.secret, purpose.encode(), hashlib.sha256)
        for part in parts:
            data = part.encode()
            mac.update(len(data).to_bytes(8, "big"))
            mac.update(data)
        return mac.digest()

    def hmac_hex(self, purpose: str, *parts: str) -> str:
        """The first 32 hex digits (128 bits) of :meth:`digest`."""
        return self.digest(purpose, *parts).hex()[:32]

    def uid(self, original: str) -> str:
        """The keyed UID of an original one: 2.25.<128-bit number>, at most 44 characters (PS3.5 B.2).

        Stateless: the same original always gives the same UID, on every worker and at every re-import.
        Standard UIDs and the empty string stay as they are.
        """
        original = original.strip("\0 ")
        if not original or original.startswith(STANDARD_UID_ROOT):
            return original
        return "2.25." + str(int.from_bytes(self.digest("uid", original)[:16], "big"))

    def shift_days(self, hospital: str, patient_id: str) -> int:
        """Whole days, -1..-3650, added to every date of this patient (PS3.15 E.3.6, modified dates)."""
        value = int.from_bytes(self.digest("date-shift", hospital, patient_id)[:8], "big")
        return -(1 + value % SHIFT_DAYS_MAX)

    def content_hasher(self, purpose: str) -> hmac.HMAC:
        """An HMAC-SHA-256 to be fed file or pixel bytes: a lookup that cannot be tried against known files."""
        return hmac.new(self.digest("content", purpose), digestmod=hashlib.sha256)

    def seal(self, purpose: str, owner: str, clear: bytes) -> bytes:
        """AES-256-GCM: nonce (12) + ciphertext + tag, bound to purpose and owner."""
        nonce = os.urandom(12)
        return nonce + AESGCM(self.digest("seal", purpose)).encrypt(nonce, clear, owner.encode())

    def open(self, purpose: str, owner: str, sealed: bytes) -> bytes:
        """The clear bytes of :meth:`seal`; WrongKey when key, purpose or owner is not the same."""
        try:
            return AESGCM(self.digest("seal", purpose)).decrypt(sealed[:12], sealed[12:], owner.encode())
        except InvalidTag as error:
            raise WrongKey("A capsule does not open with this site key; restore the key file that belongs to this catalog.") from error

    @property
    def fingerprint(self) -> str:
        """What the catalog keeps to recognise the key: 32 hex digits that tell nothing about it."""
        return self.hmac_hex("fingerprint")


def create_key_file(path: Path) -> SiteKey:
    """A new random key in a file of mode 0600; FileExistsError when there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return read_key_file(path)


def read_key_file(path: Path) -> SiteKey:
    """The key of a site; WrongKey when the file is missing, readable by others or not a key."""
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text().strip()
    except OSError as error:
        raise WrongKey(f"The site key file {path.name} cannot be read ({error.strerror}); restore it from the backup.") from error
    if mode & 0o077:
        raise WrongKey(f"The site key file {path.name} can be read by others (mode {mode:04o}); chmod 600 it.")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise WrongKey(f"The site key file {path.name} does not hold a {KEY_BYTES}-byte key in hex; restore it from the backup.")
    return SiteKey(secret)
