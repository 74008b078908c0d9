"""The list of the scenarios: what the index shows, and what each page is called."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """``slug`` is also the page's address, the name of its URL and of its template.

    ``guide`` is the page of the documentation that tells more, as a path without its ending.
    ``repaired`` is the label of a second button, which does the same without the mistake.
    ``choices`` are further buttons where there are more than two ways: what each sends as
    ``choice``, and its label.
    """

    slug: str
    title: str
    guide: str
    summary: str
    button: str
    repaired: str = ""
    choices: tuple[tuple[str, str], ...] = ()


SCENARIOS = [
    Scenario(
        "checkout",
        "Checkout",
        "guide/custom-signals",
        "A custom signal whose receivers send further signals, three dispatches deep. One "
        "receiver fails, and nobody is told.",
        "Place the order",
    ),
    Scenario(
        "observer",
        "The Observer pattern",
        "guide/what-signals-are",
        "The same two observers, told by a class that keeps them in a list, and by a signal that "
        "knows nobody.",
        "Fire the kiln",
    ),
    Scenario(
        "profile",
        "A profile for every user",
        "guide/good-uses",
        "post_save of the user model creates a related row in another app.",
        "Create a user",
    ),
    Scenario(
        "newsletter",
        "A failure that nobody sees",
        "guide/good-habits",
        "One of three receivers fails under send_robust. The page says thank you.",
        "Subscribe",
    ),
    Scenario(
        "delivery",
        "Async receivers",
        "guide/sync-and-async",
        "An async view sends a signal with asend. Its receivers run at the same time, and two of "
        "them send signals of their own.",
        "Hand over the parcel",
    ),
    Scenario(
        "deletion",
        "Clean-up on deletion",
        "guide/good-uses",
        "post_delete removes a picture and a search entry, and a cascade deletes more rows than "
        "were asked for.",
        "Delete the egg cup",
    ),
    Scenario(
        "import",
        "A bulk import",
        "guide/pitfalls",
        "bulk_create stores three products with one query and without a signal. The search does "
        "not find them.",
        "Import them at once",
        "Import one by one",
    ),
    Scenario(
        "proxy",
        "A receiver that waits for another class",
        "guide/pitfalls",
        "A product is saved as its proxy. The receiver that keeps the search in step is connected "
        "to the model, and never runs.",
        "Save it as a second",
        "Save it as a product",
    ),
    Scenario(
        "rollback",
        "A mail for an order that does not exist",
        "guide/good-habits",
        "A receiver mails inside a transaction that is rolled back a moment later.",
        "Reserve what is sold out",
        "Reserve it, and wait for the commit",
    ),
    Scenario(
        "before-commit",
        "A worker that begins too early",
        "guide/good-habits",
        "A receiver hands work to a worker inside a transaction. The worker asks for an order that "
        "is not there yet.",
        "Pack an order",
        "Pack it, and wait for the commit",
    ),
    Scenario(
        "half-way",
        "Half of the work",
        "guide/good-habits",
        "A receiver of post_save fails. The row stays, the receivers after it never run, and the "
        "guest is told that nothing was booked.",
        "Book a seat",
        "Book all or nothing",
    ),
    Scenario(
        "unimported",
        "A module that nobody imports",
        "my-receiver-does-not-run",
        "A receiver is written, decorated and never connected, because no line imports its module.",
        "Announce a workshop",
        "Announce it to a receiver that is there",
    ),
    Scenario(
        "stock-list",
        "A query for every item",
        "guide/debugging-recipes",
        "A receiver goes through a list, and fetches for each item what could have come with it.",
        "Count the stock",
        "Count it with the products",
    ),
    Scenario(
        "saves",
        "Saved three times",
        "guide/pitfalls",
        "A form saves a product after each field. Its receivers run each time.",
        "Save after each field",
        "Save once",
    ),
    Scenario(
        "twice",
        "A receiver connected twice",
        "guide/connecting",
        "One receiver is connected both to any sender and to one of them. The customer gets two "
        "mails.",
        "Write a review",
        "Write one that is heard once",
    ),
    Scenario(
        "fragile",
        "Gone in production",
        "guide/connecting",
        "A receiver that lives only because DEBUG is True. In production it never runs, and "
        "nothing says so.",
        "Open and close the kiln",
    ),
    Scenario(
        "stocktaking",
        "Hundreds of dispatches",
        "guide/debugging-recipes",
        "Each of many saves runs a receiver: what a busy page looks like, and one that is beyond "
        "the limit.",
        "Count",
    ),
    Scenario(
        "four-ways",
        "One order, four ways",
        "guide/when-not-to",
        "The same order with a receiver, with save(), with a service function and with a task: "
        "what each of them shows, and what it hides.",
        "With a receiver",
        choices=(
            ("save", "With save()"),
            ("service", "With a service function"),
            ("task", "With a task"),
        ),
    ),
    Scenario(
        "five-steps",
        "From bad to good in five steps",
        "guide/from-bad-to-good",
        "A receiver that is heavy, writes, runs twice, mails too early and swallows what fails. "
        "A button for it, and one for each step that makes it good.",
        "As it was found",
        choices=(
            ("1", "1: connect it once"),
            ("2", "2: save once"),
            ("3", "3: do little"),
            ("4", "4: mail after the commit"),
            ("5", "5: in the open"),
        ),
    ),
    Scenario(
        "nothing",
        "Nothing to see",
        "panel",
        "A page that sends no signal that anyone waits for: what the empty panel looks like.",
        "Do nothing",
    ),
]
BY_SLUG = {scenario.slug: scenario for scenario in SCENARIOS}
