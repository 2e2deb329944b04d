"""Which tables of this app are about customers; none names one."""

from analytics.models import DailyInteractions, DailyPersonas, DailyRevenue, DailyService, DailyTopics
from core.privacy import register_customer_data


def register() -> None:
    """Register the rollups, so that they are emptied with the demo."""
    register_customer_data(DailyInteractions, DailyPersonas, DailyRevenue, DailyService, DailyTopics)
