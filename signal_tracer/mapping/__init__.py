"""The wing that reads the signal map from the running process, without importing or running it."""

from signal_tracer.mapping.ownership import settings_file
from signal_tracer.mapping.reading import map_for_check, map_for_request, read_map

__all__ = ["map_for_check", "map_for_request", "read_map", "settings_file"]
