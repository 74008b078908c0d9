"""The signals that the newsletter sends."""

from django.dispatch import Signal

# Someone wants the newsletter. Sender: Subscriber. Arguments: subscriber, source.
subscribed = Signal()
