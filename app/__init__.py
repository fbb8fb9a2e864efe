"""Dalle Studio's app: settings, history, worker, service layer, command line and pages around dalle_core."""
