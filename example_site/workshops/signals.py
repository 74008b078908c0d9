"""The signals that are sent about workshops."""

from django.dispatch import Signal

# There will be a workshop. Sender: Booking. Arguments: title.
workshop_announced = Signal()

# The same, for the page that does it right.
workshop_published = Signal()
