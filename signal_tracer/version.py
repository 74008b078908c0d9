"""The version of this release, for whatever says by whom it was written."""

__version__ = "0.1.0"
