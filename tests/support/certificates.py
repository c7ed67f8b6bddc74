"""Certificates for a Kafka that speaks TLS: an authority, a broker and a client."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.embedded import HOST

CLIENT = "czujka-by-certificate"
"""Name that the client's certificate gives it."""


@dataclass(frozen=True)
class Certificates:
    """Files in PEM.

    Attributes:
        authority: who signed the others.
        broker: key and certificate of a broker on loopback, as Kafka wants them: in one file.
        client: certificate of a client.
        client_key: its key.
        stranger: another authority, which signed nothing.
    """

    authority: Path
    broker: Path
    client: Path
    client_key: Path
    stranger: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """Makes them all in a folder."""
        authority, stranger = trustme.CA(), trustme.CA()
        broker = authority.issue_cert(HOST)
        client = authority.issue_cert(f"{CLIENT}.example", common_name=CLIENT)
        files = cls(
            *(
                folder / f"{name}.pem"
                for name in ("authority", "broker", "client", "client-key", "stranger")
            )
        )
        files.authority.write_bytes(authority.cert_pem.bytes())
        files.stranger.write_bytes(stranger.cert_pem.bytes())
        files.broker.write_bytes(_pkcs8(broker) + _chain(broker))
        files.client.write_bytes(_chain(client))
        files.client_key.write_bytes(_pkcs8(client))
        return files


def _chain(issued: trustme.LeafCert) -> bytes:
    return b"".join(part.bytes() for part in issued.cert_chain_pems)


def _pkcs8(issued: trustme.LeafCert) -> bytes:
    """The private key in the one form that Java reads."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
