"""What shows a trace: the outline that every output shares, and each output."""
