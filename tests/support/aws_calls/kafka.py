"""MSK's permissions: Kafka is no AWS API, but IAM decides there too (``kafka-cluster:…``).

Clients of confluent-kafka are replaced by ones that say what they do to which topic and group.
Source: Amazon MSK Developer Guide, "Authorization policy resources", "Common use cases".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

Add = Callable[[str, Sequence[tuple[str, str]]], None]

SERVICE = "kafka-cluster"
# Topics and groups are their cluster's, whose name the brokers' addresses do not tell: it is the
# deployment's. Its id is left open.
_NAME = "minilab-${env}/*"
_CLUSTER = f"arn:aws:kafka:*:*:cluster/{_NAME}"


def topic_arn(topic: str) -> str:
    return f"arn:aws:kafka:*:*:topic/{_NAME}/{topic}"


def group_arn(group: str) -> str:
    return f"arn:aws:kafka:*:*:group/{_NAME}/{group}"


def watch_kafka(module: ModuleType, add: Add) -> None:
    """Replace ``confluent_kafka``'s Producer and Consumer, before anyone has them."""
    module.Producer = _producer(module.Producer, add)  # type: ignore[attr-defined]
    module.Consumer = _consumer(module.Consumer, add)  # type: ignore[attr-defined]


def _names(partitions: Iterable[Any]) -> list[str]:
    return sorted({p if isinstance(p, str) else p.topic for p in partitions})


def _on_topics(topics: Iterable[str], *actions: str) -> list[tuple[str, str]]:
    return [(action, topic_arn(topic)) for topic in topics for action in actions]


def _producer(base: Any, add: Add) -> Any:
    class Producer(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            config = {**(args[0] if args else {}), **kwargs}
            connects = [("Connect", _CLUSTER)]
            if config.get("enable.idempotence") in (True, "true"):
                connects.append(("WriteDataIdempotently", _CLUSTER))
            add(SERVICE, connects)
            self._told: set[str] = set()

        def produce(self, topic: str, *args: Any, **kwargs: Any) -> None:
            if topic not in self._told:  # once a client: a call of this is no request
                self._told.add(topic)
                add(SERVICE, _on_topics([topic], "DescribeTopic", "WriteData"))
            super().produce(topic, *args, **kwargs)

        def list_topics(self, topic: str | None = None, *args: Any, **kwargs: Any) -> Any:
            if topic is not None:  # else the broker answers with what may be seen
                add(SERVICE, _on_topics([topic], "DescribeTopic"))
                args = (topic, *args)
            return super().list_topics(*args, **kwargs)

    return Producer


def _consumer(base: Any, add: Add) -> Any:
    class Consumer(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            config = {**(args[0] if args else {}), **kwargs}
            self._group = group_arn(str(config.get("group.id")))
            add(SERVICE, [("Connect", _CLUSTER)])

        def assign(self, partitions: Any, *args: Any, **kwargs: Any) -> None:
            add(SERVICE, _on_topics(_names(partitions), "DescribeTopic", "ReadData"))
            super().assign(partitions, *args, **kwargs)

        def subscribe(self, topics: Any, *args: Any, **kwargs: Any) -> None:
            add(SERVICE, _on_topics(_names(topics), "DescribeTopic", "ReadData"))
            add(SERVICE, [("DescribeGroup", self._group), ("AlterGroup", self._group)])
            super().subscribe(topics, *args, **kwargs)

        def commit(self, *args: Any, **kwargs: Any) -> Any:
            add(SERVICE, [("DescribeGroup", self._group), ("AlterGroup", self._group)])
            return super().commit(*args, **kwargs)

        def committed(self, partitions: Any, *args: Any, **kwargs: Any) -> Any:
            add(SERVICE, [("DescribeGroup", self._group)])
            add(SERVICE, _on_topics(_names(partitions), "DescribeTopic"))
            return super().committed(partitions, *args, **kwargs)

        def get_watermark_offsets(self, partition: Any, *args: Any, **kwargs: Any) -> Any:
            if not kwargs.get("cached"):
                add(SERVICE, _on_topics([partition.topic], "DescribeTopic"))
            return super().get_watermark_offsets(partition, *args, **kwargs)

        def list_topics(self, topic: str | None = None, *args: Any, **kwargs: Any) -> Any:
            if topic is not None:  # else the broker answers with what may be seen
                add(SERVICE, _on_topics([topic], "DescribeTopic"))
                args = (topic, *args)
            return super().list_topics(*args, **kwargs)

    return Consumer
