"""Causes of a crisis."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """What a crisis is about."""

    MISFIRE = "misfire"  # an unfortunate post or campaign of the brand itself
    MODERATION = "moderation"  # comments unanswered, deleted or badly answered
    OUTAGE = "outage"  # something technical does not work
    DATA_BREACH = "data-breach"
    PRODUCT = "product"  # what was bought is bad, unsafe or overpriced
    SERVICE = "service"  # how customers are treated: delays, refunds, waiting
    PEOPLE = "people"  # staff or leaders
    MISINFORMATION = "misinformation"
    EXTERNAL = "external"  # weather, strikes, authorities, others' failures
    UNKNOWN = "unknown"
