"""A stand-in for the company that sends text messages: it is down, always."""


class SmsGatewayError(Exception):
    """The text message was not sent."""


def send_text(phone: str, text: str) -> None:
    """Send ``text`` to ``phone``."""
    raise SmsGatewayError(f"the SMS gateway answered 503 Service Unavailable for {phone}")
