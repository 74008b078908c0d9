"""The list of the scenarios: what the index shows, and what each page is called."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """``slug`` is also the page's address, the name of its URL and of its template."""

    slug: str
    title: str
    summary: str
    button: str


SCENARIOS = [
    Scenario(
        "checkout",
        "Checkout",
        "A custom signal whose receivers send further signals, three dispatches deep. One "
        "receiver fails, and nobody is told.",
        "Place the order",
    ),
    Scenario(
        "profile",
        "A profile for every user",
        "post_save of the user model creates a related row in another app.",
        "Create a user",
    ),
    Scenario(
        "newsletter",
        "A failure that nobody sees",
        "One of three receivers fails under send_robust. The page says thank you.",
        "Subscribe",
    ),
    Scenario(
        "delivery",
        "Async receivers",
        "An async view sends a signal with asend. Its receivers run at the same time, and two of "
        "them send signals of their own.",
        "Hand over the parcel",
    ),
    Scenario(
        "deletion",
        "Clean-up on deletion",
        "post_delete removes a picture and a search entry, and a cascade deletes more rows than "
        "were asked for.",
        "Delete the egg cup",
    ),
    Scenario(
        "nothing",
        "Nothing to see",
        "A page that sends no signal that anyone waits for: what the empty panel looks like.",
        "Do nothing",
    ),
]
BY_SLUG = {scenario.slug: scenario for scenario in SCENARIOS}
