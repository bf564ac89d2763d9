"""Which format an Accept header asks for, as RFC 9110 reads it."""

from __future__ import annotations

from leakdiff.web.routing import Format

_MOST = 64  # ranges of a header that are looked at
# In the order in which they are taken where a client likes them equally: text for curl, which accepts everything.
_MEDIA: tuple[tuple[Format, str], ...] = (
    ("text", "text/plain"),
    ("html", "text/html"),
    ("json", "application/json"),
)


def preferred(accept: str) -> Format:
    """Return the format that an Accept header asks for; text for those who accept everything, and for none."""
    ranges = [_read(part) for part in accept.split(",", _MOST)[:_MOST] if part.strip()]
    liked = [(_liking(media, ranges), format_) for format_, media in _MEDIA]
    best = max(liked, key=lambda found: found[0])  # the first of equals
    return best[1]


def _read(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weights = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
    return media, _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _liking(media: str, ranges: list[tuple[str, float]]) -> tuple[float, int, int]:
    """Return weight, closeness and place of the range that fits a type most closely; the larger, the better."""
    fits = (media, f"{media.partition('/')[0]}/*", "*/*")
    found = [(fits.index(range_), place, weight) for place, (range_, weight) in enumerate(ranges) if range_ in fits]
    distance, place, weight = min(found, default=(0, 0, 0.0))
    return (weight, -distance, -place) if weight else (0.0, -len(fits), 0)
