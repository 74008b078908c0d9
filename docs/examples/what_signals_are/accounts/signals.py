from django.dispatch import Signal

# Sent with the user and the profile once both are there. Sender: the class of the profile.
profile_made = Signal()
