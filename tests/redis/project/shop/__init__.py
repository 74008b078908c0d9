"""A shop: each order that is paid is a task, which sends a signal, whose receiver sends another."""
