"""Who: customers, their identities, orders, tags and consents.

Every table that names a customer keeps two columns: `home_customer`, whom the row was written for and
which never changes, and `customer`, the record that owns it today. `crm.merging` alone writes the latter.
"""

from crm.models.customer import Affiliation, Customer, CustomerKind, Stage
from crm.models.identity import Identity, MergeRecord, MergeWhy, Suspect, SuspectState
from crm.models.order import ExchangeRate, Order, OrderLine, OrderStatus
from crm.models.privacy import Consent, ConsentRequest, ErasedKey, Erasure, RetentionRule
from crm.models.record import CustomerNote, CustomerTag, CustomField, FieldType, StageChange, Tag, Task
from crm.models.touch import CustomerTouch, DirtyOrderDay, LinkageMark

__all__ = [
    "Affiliation",
    "Consent",
    "ConsentRequest",
    "CustomField",
    "Customer",
    "CustomerKind",
    "CustomerNote",
    "CustomerTag",
    "CustomerTouch",
    "DirtyOrderDay",
    "ErasedKey",
    "Erasure",
    "ExchangeRate",
    "FieldType",
    "Identity",
    "LinkageMark",
    "MergeRecord",
    "MergeWhy",
    "Order",
    "OrderLine",
    "OrderStatus",
    "RetentionRule",
    "Stage",
    "StageChange",
    "Suspect",
    "SuspectState",
    "Tag",
    "Task",
]
