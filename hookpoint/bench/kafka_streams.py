"""Kafka Streams."""


def command(job):
    raise NotImplementedError


def obstacle(settings):
    return "not yet"
