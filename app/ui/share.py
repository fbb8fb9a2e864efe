"""A public address through Gradio's tunnel. The only thing here that needs the internet, and only when asked for."""

import contextlib
import io
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.errors import OutputError

if TYPE_CHECKING:
    import gradio

logger = logging.getLogger(__name__)


def share(page: "gradio.Blocks") -> str:
    """The https address of a running page for whoever has it. Raises OutputError where the tunnel cannot be opened."""
    from gradio.networking import setup_tunnel

    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the tunnel's own log, of which ours says enough
            address = setup_tunnel(page.server_name, page.server_port, page.share_token, None, None)
    except Exception as error:
        logger.exception("no tunnel")
        raise OutputError(
            f"The public link could not be made ({' '.join(str(error).split())[:200]}). It goes through Gradio's "
            "servers and needs the internet."
        ) from error
    return f"https://{urlsplit(address).netloc}"
