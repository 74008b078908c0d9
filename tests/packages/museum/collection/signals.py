"""What the museum says of itself."""

from django.dispatch import Signal

loan_changed = Signal()  # instance, state
report_filed = Signal()  # report
tour_booked = Signal()  # booking
