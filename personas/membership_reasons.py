"""Why a customer is in a segment or not: the rule condition by condition, and what was decided by hand."""

from __future__ import annotations

from dataclasses import dataclass

from core.conditions import Explained, RuleInvalid, fieldset, why
from personas.building import segment_rule
from personas.models import Segment, SegmentKind, SegmentMembership, SegmentPick
from personas.picking import pick_of
from personas.quick_counts import current_context


@dataclass(frozen=True)
class Reasons:
    """What decides about one customer. `rule` is None for a list, or where the rule cannot be read."""

    customer_id: int
    membership: SegmentMembership | None
    pick: SegmentPick | None
    rule: Explained | None

    @property
    def is_member(self) -> bool:
        """As of the last build."""
        return self.membership is not None

    @property
    def belongs(self) -> bool:
        """By what was picked, else by the rule and the data of this moment."""
        if self.pick is not None:
            return self.pick.is_in
        return self.rule is not None and self.rule.holds


def explain_member(segment: Segment, customer_id: int) -> Explained | None:
    """The rule as it stands for this customer; None if there is no such customer. Raises RuleInvalid."""
    return why(segment_rule(segment), fieldset("customer"), current_context(), customer_id)


def reasons_for(segment: Segment, customer_id: int) -> Reasons:
    """Everything that decides about one customer, who must be somebody of their own."""
    members = SegmentMembership.objects.filter(segment=segment, customer_id=customer_id)
    rule = None
    if segment.kind == SegmentKind.RULE:
        try:
            rule = explain_member(segment, customer_id)
        except RuleInvalid:
            rule = None
    return Reasons(customer_id, members.first(), pick_of(segment, customer_id), rule)
