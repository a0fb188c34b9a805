"""The master key: wraps data keys and seals small secrets. A file by default; a KMS fits behind the same Protocol."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class KeyUnsafe(RuntimeError):
    """The master key file cannot be trusted; the program must not start with it."""


class MasterKey(Protocol):
    """Seals small secrets and data keys, bound to a context so that one cannot stand in for another."""

    def seal(self, secret: bytes, context: bytes) -> bytes: ...

    def unseal(self, sealed: bytes, context: bytes) -> bytes: ...


class FileMasterKey:
    """A 256-bit key in a file that only its owner may read; AES-256-GCM with random nonces.

    Random 96-bit nonces are safe for far more data keys than there are studies (2^32 per key, NIST SP 800-38D 8.3).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise KeyUnsafe("a master key has 32 bytes")
        self._aead = AESGCM(key)

    @classmethod
    def open(cls, path: Path) -> FileMasterKey:
        """Reads the key, or makes one at the first start. Raises KeyUnsafe where others could read the file."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyUnsafe(f"{path.name} has mode {mode:04o}: others could read it. Set it to 0600.")
        return cls(path.read_bytes())

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """`secret` encrypted and bound to `context`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """The secret again; raises KeyUnsafe where key, content or context differ."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except InvalidTag:
            raise KeyUnsafe("a sealed secret does not belong to this master key") from None
