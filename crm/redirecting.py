"""What the API answers for a customer that was merged into another."""

from __future__ import annotations

from django.utils.cache import patch_cache_control
from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from crm.serializers import MergedOut

MERGED = {301: OpenApiResponse(MergedOut, "Merged into another customer; `Location` says where.")}


def moved(request: Request, pk: int, name: str) -> Response:
    """301 to where a merged customer is now; a merge can be undone, so nobody keeps it."""
    url = reverse(name, [pk], request=request)
    answer = Response({"merged_into": pk, "url": url}, status=status.HTTP_301_MOVED_PERMANENTLY)
    answer["Location"] = url
    patch_cache_control(answer, no_store=True)
    return answer
