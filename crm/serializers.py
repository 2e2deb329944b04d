"""How customers, identities and orders are read and written over the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.models import User, validate_zone
from core.api.fields import Input, NetworkField, Text, WhenField
from crm.facts import CUSTOM
from crm.identities import MAX_LENGTH
from crm.models import Customer, CustomerKind, Identity, Order, OrderLine, OrderStatus, Stage
from crm.orders import LARGEST, LineIn, OrderIn
from crm.record_serializers import CustomValues
from crm.services import Handle

COUNTRY = RegexValidator(r"^[A-Z]{2}\Z", "Two capital letters of ISO 3166, such as NL.")
LANGUAGE = RegexValidator(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,4})?\Z", "A language tag such as en or pt-BR.")
CURRENCY = RegexValidator(r"^[A-Z]{3}\Z", "Three capital letters of ISO 4217, such as EUR.")


def person_fields() -> dict[str, Any]:
    """What an order or an interaction may tell about who it is from; it fills blanks only."""
    return {
        "language": Text(required=False, max_length=8, validators=[LANGUAGE]),
        "country": Text(required=False, validators=[COUNTRY]),
        "city": Text(required=False, max_length=120),
        "birth_year": serializers.IntegerField(required=False, min_value=1900, max_value=2100),
    }


# Out


class IdentityOut(serializers.ModelSerializer[Identity]):
    """A handle, address or number of a customer."""

    class Meta:
        model = Identity
        fields = (
            "id", "customer", "network", "issuer", "external_id", "handle", "name", "verified", "source",
            "created_at",
        )  # fmt: skip


class OriginOut(serializers.Serializer[Any]):
    """Who told what stands in a field, and when."""

    source = serializers.CharField(  # type: ignore[assignment]
        help_text="staff, customer, api:<key>, a network, a shop or an import"
    )
    at = serializers.DateTimeField()
    by = serializers.IntegerField(allow_null=True, required=False, help_text="The member of staff.")


class CustomerOut(serializers.ModelSerializer[Customer]):
    """A person or an organization; `custom` holds the workspace's own fields, `origins` who told what."""

    identities = IdentityOut(many=True)
    tags = serializers.SerializerMethodField()
    custom = serializers.DictField(child=serializers.JSONField())
    origins = serializers.DictField(child=OriginOut())

    class Meta:
        model = Customer
        fields = (
            "id", "kind", "name", "stage", "language", "country", "city", "zone", "birth_year", "job",
            "profession", "company", "interests", "note", "profiling_refused", "owner", "referred_by",
            "custom", "origins", "created_at", "last_seen_at", "identities", "tags",
        )  # fmt: skip

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_tags(self, customer: Customer) -> list[str]:
        return list(dict.fromkeys(put.tag.name for put in customer.customer_tags.all()))


class CustomerChanged(CustomerOut):
    """A customer after a change; `kept` names fields in which a person's word stood before the caller's."""

    kept = serializers.SerializerMethodField()

    class Meta(CustomerOut.Meta):
        fields = (*CustomerOut.Meta.fields, "kept")  # type: ignore[assignment]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_kept(self, customer: Customer) -> list[str]:
        return list(self.context.get("kept", ()))


class MergedOut(serializers.Serializer[Any]):
    """Where a customer that was merged away is now."""

    merged_into = serializers.IntegerField()
    url = serializers.URLField()


class OrderLineOut(serializers.ModelSerializer[OrderLine]):
    """One product of an order; `price` is for one unit."""

    class Meta:
        model = OrderLine
        fields = ("position", "sku", "title", "category", "units", "price")


class OrderOut(serializers.ModelSerializer[Order]):
    """A purchase. Amounts are decimal strings; `base_total` is in the workspace's currency."""

    lines = OrderLineOut(many=True)

    class Meta:
        model = Order
        fields = (
            "id", "source", "external_id", "number", "status", "placed_at", "units", "total", "discount",
            "refunded", "currency", "base_total", "customer", "identity", "created_at", "updated_at", "lines",
        )  # fmt: skip


# In


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A handle",
            {"network": "instagram", "issuer": "acme_shop", "external_id": "17841", "handle": "@eva"},
            request_only=True,
        )
    ]
)
class IdentityIn(Input):
    """A handle, address or number to attach."""

    network = NetworkField(help_text="email, phone, instagram, shop …")
    external_id = Text(
        max_length=MAX_LENGTH, help_text="The network's own id; of e-mail the address, of phone the number."
    )
    issuer = Text(
        required=False, allow_blank=True, max_length=200,
        help_text="Who gave the id (page, shop, site); empty where the network's ids are world-wide.",
    )  # fmt: skip
    handle = Text(required=False, allow_blank=True, max_length=MAX_LENGTH, help_text="As people read it.")
    name = Text(required=False, allow_blank=True, max_length=200)
    verified = serializers.BooleanField(required=False)


def handle_of(values: dict[str, Any]) -> Handle:
    """The identity that checked input describes."""
    return Handle(**values)


@extend_schema_serializer(
    examples=[OpenApiExample("A new city", {"city": "Lund", "custom": {"plan": "Plus"}}, request_only=True)]
)
class CustomerChanges(Input):
    """Fields of a customer; those left out stay as they are."""

    kind = serializers.ChoiceField(choices=CustomerKind.choices, required=False)
    name = Text(required=False, allow_blank=True, max_length=200)
    stage = serializers.ChoiceField(choices=Stage.choices, required=False)
    language = Text(required=False, allow_blank=True, max_length=8, validators=[LANGUAGE])
    country = Text(required=False, allow_blank=True, validators=[COUNTRY])
    city = Text(required=False, allow_blank=True, max_length=120)
    zone = Text(required=False, allow_blank=True, max_length=64, validators=[validate_zone])
    birth_year = serializers.IntegerField(required=False, allow_null=True, min_value=1900, max_value=2100)
    job = Text(required=False, allow_blank=True, max_length=120)
    profession = Text(required=False, allow_blank=True, max_length=120)
    company = Text(required=False, allow_blank=True, max_length=160)
    interests = serializers.ListField(child=Text(max_length=60), required=False, max_length=50)
    note = Text(required=False, allow_blank=True, max_length=20_000)
    profiling_refused = serializers.BooleanField(
        required=False, help_text="Left out of personas and predictions."
    )
    owner = serializers.PrimaryKeyRelatedField(
        queryset=User.objects.filter(is_active=True), required=False, allow_null=True
    )
    referred_by = serializers.PrimaryKeyRelatedField(
        queryset=Customer.objects.roots(), required=False, allow_null=True
    )
    custom = CustomValues(required=False, help_text="The workspace's own fields by key; null clears one.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A person with two identities",
            {
                "name": "Eva Lind",
                "country": "SE",
                "identities": [
                    {"network": "email", "external_id": "eva@example.org"},
                    {"network": "phone", "external_id": "+46 70 123 45 67"},
                ],
            },
            request_only=True,
        )
    ]
)
class CustomerIn(CustomerChanges):
    """A new customer: a name, an identity, or both."""

    identities = serializers.ListField(child=IdentityIn(), required=False, max_length=20)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("name", "").strip() and not attrs.get("identities"):
            raise ValidationError([ErrorDetail("Give a name, an identity, or both.", code="required")])
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "What the shop knows",
            {
                "name": "Eva Lind",
                "city": "Lund",
                "identities": [{"network": "email", "external_id": "eva@example.org"}],
            },
            request_only=True,
        )
    ]
)
class CustomerUpsert(CustomerChanges):
    """What the caller knows of a customer; fields left out stay as they are."""

    identities = serializers.ListField(child=IdentityIn(), required=False, max_length=20)


def values_of(checked: dict[str, Any]) -> dict[str, Any]:
    """Checked input as `crm.services` takes it: the workspace's own fields by "custom.<key>"."""
    own = {f"{CUSTOM}{key}": value for key, value in checked.get("custom", {}).items()}
    return {**{name: value for name, value in checked.items() if name != "custom"}, **own}


class BuyerIn(Input):
    """Who bought, by one of their identities. A customer is made where nobody has it."""

    network = NetworkField(required=False, help_text="email, phone, instagram …; shop unless said.")
    external_id = Text(max_length=MAX_LENGTH)
    issuer = Text(
        required=False, allow_blank=True, max_length=200,
        help_text="Who gave the id: the order's source unless said, empty for email and phone.",
    )  # fmt: skip
    name = Text(required=False, allow_blank=True, max_length=200)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **person_fields()}


def amount(**options: Any) -> serializers.DecimalField:
    """A field of money: at most two decimals."""
    return serializers.DecimalField(
        max_digits=14,
        decimal_places=2,
        max_value=LARGEST,
        min_value=Decimal(0),
        **options,
    )


class OrderLineIn(Input):
    """One product; `price` is for one unit, after discounts."""

    title = Text(max_length=300)
    sku = Text(required=False, allow_blank=True, max_length=80)
    category = Text(required=False, allow_blank=True, max_length=120)
    units = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    price = amount(required=False)


ORDER = {
    "source": "webshop",
    "external_id": "100234",
    "customer": {"network": "email", "external_id": "eva@example.org", "name": "Eva Lind"},
    "placed_at": "2026-11-20T14:03:00Z",
    "total": "49.90",
    "currency": "EUR",
    "lines": [{"sku": "K-7", "title": "Kettle", "units": 1, "price": "49.90"}],
}


class OrderPush(Input):
    """A purchase as the shop tells it. Pushed again, it changes only what differs."""

    source = Text(  # type: ignore[assignment]
        max_length=60, help_text="The shop; with external_id it is unique."
    )
    external_id = Text(max_length=120)
    customer = BuyerIn()
    placed_at = WhenField()
    total = amount(help_text="What was paid.")
    currency = Text(validators=[CURRENCY])
    number = Text(required=False, allow_blank=True, max_length=60, help_text="As people read it.")
    status = serializers.ChoiceField(choices=OrderStatus.choices, required=False)
    units = serializers.IntegerField(
        required=False, min_value=0, max_value=1_000_000_000, help_text="The sum of the lines unless said."
    )
    discount = amount(required=False)
    refunded = amount(required=False)
    lines = serializers.ListField(child=OrderLineIn(), required=False, max_length=500)


def order_of(values: dict[str, Any]) -> OrderIn:
    """The order that checked input describes."""
    buyer = values["customer"]
    facts = {name: buyer[name] for name in person_fields() if name in buyer}
    more = ("number", "status", "units", "discount", "refunded")
    return OrderIn(
        external_id=values["external_id"].strip(),
        customer_id=buyer["external_id"],
        placed_at=values["placed_at"],
        total=values["total"],
        currency=values["currency"],
        network=buyer.get("network") or "shop",
        issuer=buyer.get("issuer"),
        customer_name=buyer.get("name", ""),
        lines=tuple(LineIn(**line) for line in values.get("lines", ())),
        facts=facts,
        **{name: values[name] for name in more if name in values},
    )
