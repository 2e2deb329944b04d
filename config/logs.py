"""Logs: one line an event, for people or for machines."""

from __future__ import annotations

import logging
import re
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

FORMS = ("console", "json")
SIGNED_LINKS = re.compile(r"(/p/(?:[a-z-]+/)?|/shared/personas/)[\w.:=~-]{16,}")
"""Addresses of customers' own pages and of shared cards: whoever reads the token may open them."""


def logging_settings(*, level: str, form: str) -> dict[str, Any]:
    """Set structlog up and return the `LOGGING` that sends the standard library's logs the same way."""
    level = level.upper()
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {level!r}.")
    if form not in FORMS:
        raise ImproperlyConfigured(f"LOG_FORMAT must be console or json, not {form!r}.")
    structlog.configure(
        processors=[
            *_shared(),
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _shared(),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    hide_signed_links,
                    *_renderers(form),
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"level": level, "propagate": True},
            "django.server": {"handlers": ["stderr"], "propagate": False},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }


def hide_signed_links(logger: Any, method: str, event: Any) -> Any:
    """Leave tokens of signed links out of every line, wherever in it they stand."""
    return {name: _hidden(value) for name, value in event.items()}


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return SIGNED_LINKS.sub(r"\1…", value)
    if isinstance(value, dict):
        return {name: _hidden(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(one) for one in value]
    return value


def _shared() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _renderers(form: str) -> list[Any]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
