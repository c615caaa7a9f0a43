"""An address as a QR code, for a phone's camera to read from the screen."""

import io

import segno


def rows(address: str) -> list[str]:
    """Return rows of half blocks, each of them two modules high; a block is light, a blank is dark."""
    drawn = io.StringIO()
    segno.make_qr(address).terminal(drawn, compact=True)
    return drawn.getvalue().splitlines()
