"""Which kinds of files this app takes in."""

from core.import_runs import register_runners
from core.import_stores import take_by
from core.imports import Importer, register
from crm.imports import order_files
from crm.imports.customers import take_organizations, take_people
from crm.imports.forgetting import register_forgetting
from crm.imports.orders import KIND, REQUIRED, store_rows
from crm.imports.presets import CUSTOMERS, ORGANIZATIONS, register_presets
from crm.imports.targets import organization_targets, people_targets
from crm.imports.undoing import undo

PAGE = 1000


def register_importers() -> None:
    """Make them known, and the jobs that try, run and undo them."""
    for kind, label, targets, take in (
        (CUSTOMERS, "Customers", people_targets, take_people),
        (ORGANIZATIONS, "Organizations", organization_targets, take_organizations),
    ):
        register(Importer(kind, label, (), page=PAGE, targets=targets, take=take, undo=undo))
    take_orders = take_by(store_rows, required=REQUIRED, key_of=order_files.key_of)
    register(
        Importer(
            KIND, "Orders", REQUIRED, store_rows, page=2000,
            targets=order_files.targets, take=take_orders, undo=order_files.undo_orders,
        )
    )  # fmt: skip
    register_runners()
    register_presets()
    register_forgetting()
