"""Watches Django while a trace runs, and puts everything back."""
