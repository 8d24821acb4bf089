"""How the cluster is reached: plain, and MSK with IAM."""

from __future__ import annotations

import base64
import dataclasses
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from minilab.bus import kafka_config as module
from minilab.bus.kafka_config import kafka_config, msk_token
from minilab.errors import MinilabError
from minilab.settings import Settings

SETTINGS = Settings(
    env="x",
    region="eu-central-1",
    kafka_bootstrap_servers="127.0.0.1:1",  # nobody listens: only the configuration is looked at
    kafka_security="MSK_IAM",
)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")


def test_plain_is_the_default() -> None:
    config = kafka_config(dataclasses.replace(SETTINGS, kafka_security="PLAINTEXT"))
    assert not [name for name in config if "sasl" in name or "security" in name or "oauth" in name]


def test_what_is_not_known_says_what_is() -> None:
    with pytest.raises(MinilabError, match="'SCRAM' is not known") as caught:
        kafka_config(dataclasses.replace(SETTINGS, kafka_security="SCRAM"))
    assert "MSK_IAM" in str(caught.value.hint)


def test_the_token_is_a_signed_url(credentials: None) -> None:
    """The form that the MSK Developer Guide and the SASL mechanism's README give."""
    token, expires = msk_token("eu-central-1")
    assert 850 < expires - time.time() <= 900
    assert "=" not in token
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    assert (url.scheme, url.netloc) == ("https", "kafka.eu-central-1.amazonaws.com")
    query = {name: value for name, [value] in parse_qs(url.query).items()}
    assert query["Action"] == "kafka-cluster:Connect"
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Credential"].startswith("AKIAEXAMPLE/")
    assert query["X-Amz-Credential"].endswith("/eu-central-1/kafka-cluster/aws4_request")
    assert query["X-Amz-Security-Token"] == "session"
    assert query["X-Amz-Expires"] == "900"
    assert len(query["X-Amz-Signature"]) == 64
    assert "secret" not in url.query


@pytest.mark.parametrize(
    ("client", "more"),
    [(Producer, {}), (AdminClient, {}), (Consumer, {"group.id": "g"})],
    ids=["producer", "admin", "consumer"],
)
def test_every_client_asks_for_a_token_and_again_before_it_expires_unpolled(
    credentials: None, monkeypatch: pytest.MonkeyPatch, client: Any, more: dict[str, str]
) -> None:
    asked: list[str] = []
    again = threading.Event()

    def short_lived(region: str) -> tuple[str, float]:
        token, _ = msk_token(region)
        asked.append(token)
        if len(asked) >= 3:
            again.set()
        return token, time.time() + 2

    monkeypatch.setattr(module, "msk_token", short_lived)
    made = client(kafka_config(SETTINGS) | more)
    assert again.wait(20), f"asked {len(asked)} times"
    with pytest.raises(KafkaException):
        made.list_topics(timeout=0.1)


def test_without_credentials_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MinilabError, match="no AWS credentials"):
        kafka_config(SETTINGS)
