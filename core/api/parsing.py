"""Reads JSON bodies: bounded, always UTF-8, and never deeper than anything we take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from core.api.refusals import BodyTooLarge

MAX_BODY = 16 * 1024 * 1024


class JSONBody(BaseParser):
    """application/json of at most 16 MB."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            most = MAX_BODY // 1024 // 1024
            raise BodyTooLarge(f"The body is larger than {most} MB. Send fewer items a call.")
        try:
            return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8: byte {error.start} cannot be read.") from error
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
