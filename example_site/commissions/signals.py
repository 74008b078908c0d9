"""The signals that are sent about commissions."""

from django.dispatch import Signal

# A commission is stored, paid and committed. Sender: Commission. Arguments: commission.
commission_taken = Signal()
