"""What is asked of a signal graph, what its edges are called, and one compared with another."""
