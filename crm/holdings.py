"""Which tables of this app hold a person."""

from core.privacy import Holding, register_customer_data
from core.privacy import register as hold
from crm.models import (
    Consent,
    Customer,
    CustomerTag,
    CustomerTouch,
    DirtyOrderDay,
    ExchangeRate,
    Identity,
    MergeRecord,
    Order,
    OrderLine,
    Tag,
)


def register() -> None:
    """Register every table of this app that holds a person."""
    hold(Holding(Customer, "id", on_merge="stay"))
    hold(Holding(Identity, "customer", "home_customer"))
    hold(Holding(Order, "customer", "home_customer", seen_field="placed_at"))
    hold(Holding(CustomerTag, "customer", "home_customer"))
    hold(Holding(Consent, "customer", "home_customer"))
    hold(Holding(CustomerTouch, "customer", on_merge="recompute"))
    hold(Holding(MergeRecord, "keep", on_merge="stay"))
    register_customer_data(OrderLine, Tag, DirtyOrderDay, ExchangeRate)
