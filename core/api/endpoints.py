"""The base of every endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponseBase
from django.http.response import HttpResponseRedirectBase
from django.urls import resolve
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from core.api.choices import Filtering
from core.api.refusals import LengthRequired
from core.paging import LIMIT_PARAM, PAGE_PARAM, SORT_PARAM, KeysetPagination, Sort

PAGING = frozenset({PAGE_PARAM, LIMIT_PARAM, SORT_PARAM})


class Endpoint(GenericViewSet[Any]):
    """Some actions on one kind of thing.

    `filterset_class`, `sorts` and `default_sort` are those of its list; `parameters` names by action what
    else a query string may hold. A parameter that nobody reads is refused: a filter with a typing mistake
    would answer with everything.
    """

    pagination_class = KeysetPagination
    filter_backends: Sequence[Any] = (Filtering,)
    lookup_value_regex = "[0-9]{1,19}"
    sorts: ClassVar[dict[str, Sort]] = {}
    default_sort: ClassVar[str] = ""
    parameters: ClassVar[dict[str, frozenset[str]]] = {}
    conflicts: ClassVar[frozenset[str]] = frozenset()
    """Actions that may be answered 409."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired
        if self.action is not None:
            self._refuse_unknown_parameters(request)

    def _refuse_unknown_parameters(self, request: Request) -> None:
        unknown = sorted(set(request.query_params) - self.known_parameters())
        if not unknown:
            return
        known = ", ".join(sorted(self.known_parameters())) or "none"
        raise ValidationError(
            {
                name[:100]: [
                    ErrorDetail(f"There is no such parameter. Known: {known}.", code="unknown_parameter")
                ]
                for name in unknown[:20]
            }
        )

    def known_parameters(self) -> frozenset[str]:
        """What the query string of this action may hold."""
        if self.action in self.parameters:
            return self.parameters[self.action]
        return self._list_parameters() if self.action == "list" else frozenset()

    def _list_parameters(self) -> frozenset[str]:
        filterset = getattr(self, "filterset_class", None)
        return PAGING | frozenset(filterset.base_filters if filterset else ())

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        for name, value in getattr(request, "rate_headers", {}).items():
            answer[name] = value
        return answer

    def answer_page(self, queryset: Any, serializer_class: Any) -> Response:
        """One page of rows that are not this endpoint's own kind: `/customers/7/identities/`."""
        rows = self.paginate_queryset(queryset)
        many = serializer_class(rows, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(many.data)


class Nothing(APIView):
    """Answers addresses that do not exist in the one error shape, and those without their last slash."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address. See /api/v1/docs/.")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """308 keeps method and body, so a push without the slash arrives all the same."""
        wanted = f"{request.path}/"
        if not request.path.endswith("/") and resolve(wanted).func is not resolve(request.path).func:
            query = request.META.get("QUERY_STRING", "")
            return _Kept(f"{wanted}?{query}" if query else wanted)
        return super().dispatch(request, *args, **kwargs)


class _Kept(HttpResponseRedirectBase):
    status_code = 308
