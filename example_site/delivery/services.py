"""Stand-ins for services on the network: each takes a while, and lets others run meanwhile."""

import asyncio


async def ask_carrier(town: str) -> str:
    """When does the carrier's van come by?"""
    await asyncio.sleep(0.03)
    return "14:00 to 16:00"


async def open_tracking(tracking_code: str) -> str:
    """Have a page made on which the parcel can be followed."""
    await asyncio.sleep(0.02)
    return f"https://carrier.example/track/{tracking_code}"


async def notify_phone(text: str) -> bool:
    """Push a message to the customer's phone."""
    await asyncio.sleep(0.005)
    return True
