"""The formats in which a trace is taken away; each exporter returns, none prints."""
