"""What this example has besides."""

ROOT_URLCONF = "shop.urls"
