"""TLS and SASL settings as the keyword arguments that each client library wants."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from config.settings import KafkaSecurity, Settings


def aiokafka_security(settings: Settings) -> dict[str, Any]:
    """Arguments for any aiokafka client.

    Raises:
        ValueError: a certificate cannot be used any more.
    """
    return kafka_arguments(settings.kafka)


def kafka_python_security(settings: Settings) -> dict[str, Any]:
    """Arguments for any kafka-python client.

    Raises:
        ValueError: a certificate cannot be used any more.
    """
    # Both libraries kept the names of the one that they descend from.
    return kafka_arguments(settings.kafka)


def kafka_arguments(kafka: KafkaSecurity) -> dict[str, Any]:
    """As both libraries name them.

    Raises:
        ValueError: SASL without a username or password, or a certificate that cannot be used.
    """
    arguments: dict[str, Any] = {"security_protocol": kafka.protocol, **_sasl(kafka)}
    if kafka.protocol.endswith("SSL"):
        arguments["ssl_context"] = kafka_ssl_context(kafka)
    return arguments


def redis_kwargs(settings: Settings) -> dict[str, Any]:
    """Arguments for ``redis.from_url`` beside the URL: who may sign the server's certificate.

    Raises:
        ValueError: the file of those who may cannot be used.
    """
    is_tls = settings.redis_url.get_secret_value().startswith("rediss://")
    if not is_tls:
        return {}
    arguments: dict[str, Any] = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    if settings.redis_ca_file is not None:
        _context("HOOKPOINT_REDIS_CA_FILE", settings.redis_ca_file)
        arguments["ssl_ca_certs"] = settings.redis_ca_file
    return arguments


def kafka_problem(settings: Settings, error: BaseException) -> str:
    """What went wrong, for people; with what to look at where a client only says that it was."""
    text = str(error) or type(error).__name__
    if "Unable to bootstrap" not in text:
        return text
    return f"Unable to bootstrap: {kafka_hint(settings)}"


def kafka_hint(settings: Settings) -> str:
    """What to look at where no broker lets us in."""
    protocol = settings.kafka.protocol
    also = ", and are its __USERNAME, __PASSWORD and __MECHANISM" if "SASL" in protocol else ""
    return (
        f"is HOOKPOINT_KAFKA_BOOTSTRAP right, and is HOOKPOINT_KAFKA__PROTOCOL={protocol} what is "
        f"spoken there{also}?"
    )


def _sasl(kafka: KafkaSecurity) -> dict[str, Any]:
    if not kafka.protocol.startswith("SASL_"):
        return {}
    if not kafka.username or kafka.password is None or not kafka.password.get_secret_value():
        raise ValueError(
            f"{kafka.protocol} needs HOOKPOINT_KAFKA__USERNAME and HOOKPOINT_KAFKA__PASSWORD"
        )
    return {
        "sasl_mechanism": kafka.mechanism,
        "sasl_plain_username": kafka.username,
        "sasl_plain_password": kafka.password.get_secret_value(),
    }


def kafka_ssl_context(kafka: KafkaSecurity) -> ssl.SSLContext:
    """TLS towards the brokers: who may sign their certificate, and our own if they ask for one.

    Raises:
        ValueError: a certificate file cannot be used; names it.
    """
    context = _context("HOOKPOINT_KAFKA__CA_FILE", kafka.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if kafka.cert_file is not None:
        try:
            context.load_cert_chain(kafka.cert_file, kafka.key_file)
        except OSError as problem:
            raise ValueError(
                f"HOOKPOINT_KAFKA__CERT_FILE {kafka.cert_file} or __KEY_FILE {kafka.key_file} "
                f"cannot be used: {problem}"
            ) from problem
    return context


def _context(variable: str, ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as problem:  # SSLError is one
        raise ValueError(f"{variable} {ca_file} cannot be used: {problem}") from problem
