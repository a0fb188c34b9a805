"""TLS between machines as BCP 195 wants it (RFC 8996, RFC 9325; PS3.15 B.12): 1.3, or 1.2 with forward secrecy and AEAD.

A connection is TLS from its first byte or it is none: nothing is negotiated down (PS3.15 B.12, strict TLS).
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

PeerCertificate = Literal["required", "optional", "none"]
# RFC 9325 4.2 for TLS 1.2: ephemeral ECDH of at least 256 bits with AES-GCM or ChaCha20; suites of 1.3 are all such.
SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERIFY: dict[str, ssl.VerifyMode] = {
    "required": ssl.CERT_REQUIRED,
    "optional": ssl.CERT_OPTIONAL,
    "none": ssl.CERT_NONE,
}


class TlsUnusable(ValueError):
    """Certificate, key or authorities cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one end: its certificate (with the chain) and key, and the authorities that vouch for peers."""

    certificate: Path | None
    key: Path | None
    authorities: Path | None


def server_context(files: TlsFiles, peer_certificate: PeerCertificate = "required") -> ssl.SSLContext:
    """For accepting. Client certificates are verified where they are shown, and needed where `required`. Raises
    TlsUnusable."""
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    if files.certificate is None or files.key is None:
        raise TlsUnusable("a certificate and its key are needed to accept TLS")
    _own(context, files.certificate, files.key)
    if peer_certificate != "none":
        if files.authorities is None:
            raise TlsUnusable("client certificates cannot be verified without authorities")
        _authorities(context, files.authorities)
    context.verify_mode = _VERIFY[peer_certificate]
    # A session could outlive the certificate's revocation; peers open associations, not page views.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def client_context(files: TlsFiles, *, check_hostname: bool = True) -> ssl.SSLContext:
    """For calling: the peer's certificate must be good, by the authorities given or else those of the system. Our own is
    shown where there is one. Raises TlsUnusable."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    if files.authorities is not None:
        _authorities(context, files.authorities)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if files.certificate is not None and files.key is not None:
        _own(context, files.certificate, files.key)
    return context


def accept(sock: socket.socket, context: ssl.SSLContext, timeout_s: float) -> ssl.SSLSocket:
    """The server's handshake, all of it within `timeout_s`. Raises OSError (ssl.SSLError is one); the caller closes."""
    sock.settimeout(timeout_s)
    secured = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    try:
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


def names_in_certificate(secured: ssl.SSLSocket) -> tuple[str, ...]:
    """Common names, DNS names and addresses of the peer's verified certificate; empty where it showed none."""
    shown = cast("dict[str, Any]", secured.getpeercert() or {})
    names: list[str] = []
    subject: tuple[tuple[tuple[str, str], ...], ...] = shown.get("subject", ())
    for relative in subject:
        names += [value for kind, value in relative if kind == "commonName"]
    alternative: tuple[tuple[str, str], ...] = shown.get("subjectAltName", ())
    names += [value for kind, value in alternative if kind in ("DNS", "IP Address")]
    return tuple(dict.fromkeys(names))


def reason_of(error: Exception) -> str:
    """Why TLS failed, in few words and without what the peer sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return type(error).__name__


def _context(protocol: ssl._SSLMethod) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    context.options |= ssl.OP_NO_COMPRESSION
    return context


def _own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for what, path in (("certificate", certificate), ("key", key)):
        if not path.is_file():
            raise TlsUnusable(f"the {what} {path} is not there")
    try:
        # No passphrase is asked for: a server starts by itself.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsUnusable(f"{key} is not the key of {certificate}") from None
        raise TlsUnusable(
            f"{certificate} and {key} are not a PEM certificate and its key without passphrase"
        ) from None
    except OSError as error:
        raise TlsUnusable(f"{certificate} or {key} cannot be read: {error.strerror}") from None


def _authorities(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        if authorities.is_dir():
            context.load_verify_locations(capath=authorities)
            return
        context.load_verify_locations(cafile=authorities)
    except OSError as error:  # ssl.SSLError is one
        why = "is not there" if isinstance(error, FileNotFoundError) else "holds no PEM certificates"
        raise TlsUnusable(f"the file of authorities {authorities} {why}") from None
