"""What live objects are called and look like, found out without running them."""
