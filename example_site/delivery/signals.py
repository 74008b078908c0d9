"""The signals that delivery sends. All are sent with ``asend``."""

from django.dispatch import Signal

# A parcel left the house. Sender: Parcel. Arguments: parcel, town, carrier_api_key.
parcel_handed_over = Signal()

# A van comes by. Sender: Parcel. Arguments: parcel, window.
pickup_booked = Signal()

# The customer can follow the parcel. Sender: Parcel. Arguments: parcel, url.
tracking_opened = Signal()
