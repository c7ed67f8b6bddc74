"""How every client of the broker connects, and what is said when it cannot.

aiokafka and kafka-python take the same names for what both need, so one set of arguments serves
consumers, producers and the administration.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from models.errors import UserError
from pipeline.settings import Settings, variable

log = logging.getLogger(__name__)

PROBE_INTERVAL_S = 10.0
_RETRY_S = 0.2
_ATTEMPT_S = 3.0


class BrokerError(UserError):
    """The broker cannot be reached, or will not let us in."""


@dataclass(frozen=True)
class Broker:
    """A broker as the cluster advertises it."""

    node_id: int
    host: str
    port: int


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """Arguments of any aiokafka or kafka-python client.

    Raises:
        UserError: a file of certificates or the key cannot be read.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.security_protocol,
    }
    context = ssl_context(settings)
    if context is not None:
        arguments["ssl_context"] = context
    if settings.security_protocol.startswith("SASL_"):
        password = settings.sasl_password
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_plain_username"] = settings.sasl_username
        arguments["sasl_plain_password"] = password.get_secret_value() if password else None
    return arguments


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """Context for encrypted connections; none where the protocol is a plain one.

    Raises:
        UserError: a file of certificates or the key cannot be read.
    """
    if not settings.security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(
            cafile=None if settings.ssl_cafile is None else str(settings.ssl_cafile)
        )
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            f"{variable('ssl_cafile')}={settings.ssl_cafile} is no readable file of PEM "
            f"certificates ({error}): name the authority that signed the broker's certificate"
        ) from error
    if settings.ssl_certfile is not None:
        try:
            # An encrypted key is refused, where OpenSSL would ask a terminal for the password.
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, password="")
        except (OSError, ssl.SSLError) as error:
            raise UserError(
                f"{variable('ssl_certfile')}={settings.ssl_certfile} and {variable('ssl_keyfile')}="
                f"{settings.ssl_keyfile} are no certificate with its key in PEM, not encrypted "
                f"({error}): mend the files"
            ) from error
    return context


def hidden_from(settings: Settings) -> str:
    """What else may be the matter with a missing topic: Kafka hides those one may not describe."""
    user = settings.sasl_username
    return f" (if it is there: grant Describe on it to {user})" if user else ""


def group_arguments(settings: Settings) -> dict[str, int]:
    """Time limits of a consumer group, ms.

    The embedded broker lets a join wait for about half the session, hence the short one there.
    """
    session_ms = 6_000 if settings.embedded else settings.session_timeout_s * 1000
    return {
        "session_timeout_ms": session_ms,
        "heartbeat_interval_ms": min(3_000, session_ms // 6),
    }


async def probe(settings: Settings) -> None:
    """Says once when the broker goes and once when it is back, until cancelled.

    For roles whose clients are silenced: they log each of their many attempts.
    """
    gone = False
    while True:
        await asyncio.sleep(PROBE_INTERVAL_S)
        try:
            await reach(settings)
        except BrokerError as error:
            if not gone:
                log.warning("the broker is away, trying on: %s", error)
            gone = True
        else:
            if gone:
                log.warning("the broker at %s is back", settings.bootstrap_servers)
            gone = False


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stops a consumer, also one whose broker is away.

    aiokafka awaits the fetches that it has just cancelled, and their cancellation comes out of it
    as if we were cancelled.
    """
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise


def ensure_broker(settings: Settings) -> tuple[Broker, ...]:
    """`reach` for code without an event loop."""
    return asyncio.run(reach(settings))


async def reach(settings: Settings) -> tuple[Broker, ...]:
    """Asks the cluster for its brokers, and connects to one of them as advertised.

    Tries until ``connect_timeout_s`` is over, so that a broker that is just starting is waited for.
    Blocks for no longer than that.

    Raises:
        BrokerError: nobody answers, or the credentials are refused; the message names the address,
            what happened there, and what to do.
    """
    deadline = time.monotonic() + settings.connect_timeout_s
    arguments = connection_arguments(settings)
    addresses = arguments.pop("bootstrap_servers").split(",")
    failures: dict[str, str] = {}
    while True:
        for address in addresses:
            try:
                async with asyncio.timeout(_attempt_s(deadline)):
                    brokers = await _ask(address, arguments)
            except (OSError, KafkaError, TimeoutError) as error:
                _stop_if_final(settings, address, error)
                failures[address] = _reason(settings, error)
            else:
                await _try_advertised(settings, address, brokers, arguments, deadline)
                return brokers
        if time.monotonic() + _RETRY_S >= deadline:
            raise unreachable(settings, failures)
        await asyncio.sleep(_RETRY_S)


def unreachable(settings: Settings, failures: dict[str, str]) -> BrokerError:
    """The error for a broker that is not there: address → what happened."""
    what = "; ".join(f"{address}: {reason}" for address, reason in failures.items())
    return BrokerError(
        f"no Kafka broker answered within {settings.connect_timeout_s:g} s ({what}): start it, or "
        f"name another with --bootstrap-servers or {variable('bootstrap_servers')}"
    )


def _attempt_s(deadline: float) -> float:
    return max(0.1, min(_ATTEMPT_S, deadline - time.monotonic()))


async def _ask(address: str, arguments: dict[str, Any]) -> tuple[Broker, ...]:
    host, _, port = address.rpartition(":")
    connection = await create_conn(host.strip("[]"), int(port), **arguments)
    try:
        answer = await connection.send(MetadataRequest([]))
    finally:
        connection.close()
    return tuple(Broker(row[0], row[1], row[2]) for row in answer.brokers)


async def _try_advertised(
    settings: Settings,
    address: str,
    brokers: tuple[Broker, ...],
    arguments: dict[str, Any],
    deadline: float,
) -> None:
    """Clients talk to brokers at the addresses these advertise, not at the one we were given."""
    failures = []
    for broker in brokers:
        try:
            async with asyncio.timeout(_attempt_s(deadline)):
                connection = await create_conn(broker.host, broker.port, **arguments)
        except (OSError, KafkaError, TimeoutError) as error:
            failures.append(f"{broker.host}:{broker.port}: {_reason(settings, error)}")
        else:
            connection.close()
            return
    if failures:
        raise BrokerError(
            f"the broker at {address} answers, but none of the addresses it advertises does "
            f"({'; '.join(failures)}): mend `advertised.listeners` in its configuration"
        )


_REFUSALS = (AuthenticationFailedError, SaslAuthenticationFailed, UnsupportedSaslMechanismError)


def _stop_if_final(settings: Settings, address: str, error: Exception) -> None:
    """Raises at once what waiting will not mend."""
    if isinstance(error, _REFUSALS):
        raise BrokerError(
            f"the broker at {address} refuses {variable('sasl_username')}="
            f"{settings.sasl_username} with {settings.sasl_mechanism} ({error}): "
            f"mend name, {variable('sasl_password')} or {variable('sasl_mechanism')}"
        ) from error
    certificate = _certificate_error(error)
    if certificate is not None:
        raise BrokerError(
            f"the certificate of the broker at {address} cannot be verified "
            f"({certificate.verify_message}): name its authority in {variable('ssl_cafile')}"
        ) from error


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _reason(settings: Settings, error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer; a firewall, or another protocol than ours there?"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or error}); does the listener speak it?"
    if isinstance(error, KafkaConnectionError | ConnectionResetError):
        # A listener of TLS that is spoken to plainly, or that misses our certificate, says no more.
        if not settings.security_protocol.endswith("SSL"):
            return f"it hangs up; does it want TLS ({variable('security_protocol')})?"
        if settings.ssl_certfile is None:
            return f"it hangs up; does it want a certificate ({variable('ssl_certfile')})?"
        return f"it hangs up; does it trust {variable('ssl_certfile')}={settings.ssl_certfile}?"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"not a Kafka listener of this protocol, it seems ({error})"
