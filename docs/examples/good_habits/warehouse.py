def announce(number: int) -> None:
    print(f"on the screen: parcel {number}")


def order_label(number: int) -> None:
    raise ConnectionError("the label printer is off")
