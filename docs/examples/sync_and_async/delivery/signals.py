from django.dispatch import Signal

# Sent by Parcel, with parcel, when somebody has taken it.
parcel_delivered = Signal()
