"""Refusals with a status of their own. Imports little: the settings of REST framework lead here."""

from __future__ import annotations

from rest_framework import status
from rest_framework.exceptions import APIException


class Conflict(APIException):
    """What was asked does not fit how things stand."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"
    default_detail = "This does not fit how things stand."


class BodyTooLarge(APIException):
    """More than one call may carry."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = "The body is too large."


class LengthRequired(APIException):
    """A body in chunks: the server hands it on as if there were none."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_required"
    default_detail = "Send the body with its Content-Length, not in chunks."
