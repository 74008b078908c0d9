from django.dispatch import Signal

# Arguments: invoice.
invoiced = Signal()
