"""Which tables of this app hold a person."""

from collections.abc import Sequence

from core.privacy import Holding, register_customer_data
from core.privacy import register as hold
from crm.models import (
    Affiliation,
    Consent,
    ConsentRequest,
    Customer,
    CustomerNote,
    CustomerTag,
    CustomerTouch,
    CustomField,
    DirtyOrderDay,
    ErasedKey,
    Erasure,
    ExchangeRate,
    Identity,
    LinkageMark,
    MergeRecord,
    Order,
    OrderLine,
    StageChange,
    Suspect,
    Tag,
    Task,
)
from crm.privacy import registering
from crm.privacy.sections import nothing_more, orders, suspects


def with_the_record(customers: Sequence[int]) -> int:
    """For a column of the record itself, which goes as a whole."""
    return 0


def register() -> None:
    """Register every table of this app that holds a person."""
    hold(Holding(Customer, "id", on_merge="stay"))
    hold(Holding(Customer, "referred_by", "home_referred_by", on_erase="clear"))
    hold(Holding(Customer, "merged_into", on_merge="stay", erase=with_the_record, export_for="nobody"))
    hold(Holding(Affiliation, "person", "home_person"))
    hold(Holding(Affiliation, "organization", "home_organization"))
    hold(Holding(Identity, "customer", "home_customer"))
    hold(Holding(Identity, "attached_to", on_merge="stay", on_erase="clear", export_for="nobody"))
    hold(Holding(Order, "customer", "home_customer", seen_field="placed_at", export=orders))
    hold(Holding(CustomerTag, "customer", "home_customer"))
    hold(Holding(Consent, "customer", "home_customer"))
    hold(Holding(ConsentRequest, "customer", "home_customer"))
    hold(Holding(CustomerNote, "customer", "home_customer"))
    hold(Holding(Task, "customer", "home_customer"))
    hold(Holding(StageChange, "customer", "home_customer"))
    hold(Holding(CustomerTouch, "customer", on_merge="recompute", export_for="nobody"))
    hold(Holding(LinkageMark, "customer", on_merge="recompute", export_for="nobody"))
    hold(Holding(MergeRecord, "keep", on_merge="stay"))
    hold(Holding(MergeRecord, "drop", on_merge="stay"))
    hold(Holding(Suspect, "low", on_merge="stay", export=suspects))
    hold(Holding(Suspect, "high", on_merge="stay", export=nothing_more))
    register_customer_data(CustomField, DirtyOrderDay, ErasedKey, Erasure, ExchangeRate, OrderLine, Tag)
    registering.register()
