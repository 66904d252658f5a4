"""A CA of one's own and what it signs; and a server that ends TLS in front of another."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))
ELSEWHERE = x509.DNSName("elsewhere.example")


class Authority:
    """A CA; ``file`` holds its certificate alone."""

    def __init__(self, folder: Path, name: str = "own CA") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._made = 0
        self._certificate = self._sign(self._name, self._key.public_key(), None)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, host: x509.GeneralName = LOOPBACK) -> Path:
        """A PEM file with the certificate of ``host`` and its key."""
        self._made += 1
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"number {self._made}")])
        signed = self._sign(subject, key.public_key(), host)
        path = self._folder / f"{self._made}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        return path

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, host: x509.GeneralName | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


class TLSFront:
    """Ends TLS on a port of loopback and hands all on to ``target``, in the open.

    ``postgres``: a client asks for TLS first, as libpq does.
    """

    def __init__(
        self, certificate: Path, target: tuple[str, int] | str, *, postgres: bool = False
    ) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._target = target
        self._postgres = postgres
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with raw, suppress(OSError):
            if self._postgres:
                raw.recv(8)
                raw.sendall(b"S")
            with (
                self._context.wrap_socket(raw, server_side=True) as near,
                self._connect() as far,
            ):
                self._hand_on(near, far)

    def _connect(self) -> socket.socket:
        if isinstance(self._target, str):
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            return far
        return socket.create_connection(self._target)

    @staticmethod
    def _hand_on(near: ssl.SSLSocket, far: socket.socket) -> None:
        ends: dict[socket.socket, socket.socket] = {near: far, far: near}
        while True:
            # What TLS has decrypted already no select sees.
            ready = [near] if near.pending() else select.select([*ends], [], [])[0]
            for one in ready:
                piece = one.recv(65536)
                if not piece:
                    return
                ends[one].sendall(piece)
