"""Autoregressive text-to-image models of the DALL·E family: networks, generation, training.

Knows nothing of the app, of Gradio or of SQLite.
"""

__version__ = "0.1.0"
