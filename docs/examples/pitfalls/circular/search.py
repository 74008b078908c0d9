from pitfalls.circular.shop import Product


def connect() -> None:
    print("connected to", Product)
