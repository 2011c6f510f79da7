"""Passwords: argon2id in a thread, at most two at a time (64 MiB each), and equal cost for names that do not exist."""

from __future__ import annotations

import secrets

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from isocenter.errors import InvalidInput

SHORTEST = 10
LONGEST = 200  # argon2 reads all of it: a bound keeps the cost of a login bounded
PARALLEL = 2


class Passwords:
    """Hashes and checks passwords. ``time_cost`` and ``memory_kib`` are RFC 9106's second recommendation by default."""

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 65536, parallelism: int = 4) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
        self._limiter = anyio.CapacityLimiter(PARALLEL)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        return await anyio.to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether it is the password of ``stored``; None (no such account) costs the same time and is always False."""
        if stored is None:
            if self._nobody is None:
                self._nobody = await self.hash(secrets.token_hex(16))
            await anyio.to_thread.run_sync(self._verify, self._nobody, password[:LONGEST], limiter=self._limiter)
            return False
        return await anyio.to_thread.run_sync(self._verify, stored, password[:LONGEST], limiter=self._limiter)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def new_password() -> str:
    """A random password of 16 URL-safe characters (96 bits)."""
    return secrets.token_urlsafe(12)


def check_password(password: str, name: str, field: str = "password") -> None:
    """InvalidInput unless it is 10 to 200 characters long and says more than the account's name."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"A password has {SHORTEST} to {LONGEST} characters; a sentence is easy to remember.", field=field)
    if password.strip().lower() in {name.lower(), name.lower() * 2} or len(set(password)) < 4:
        raise InvalidInput("This password is too easy to guess; take a longer one.", field=field)
