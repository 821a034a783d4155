"""Market contexts: URIs that name programs, compared after normalisation (rule 512)."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def same_context(one: str | None, other: str | None) -> bool:
    """Whether two market contexts are the same program; None is only the same as None."""
    return normal_context(one) == normal_context(other)


def normal_context(uri: str | None) -> str | None:
    """A market context in normal form: scheme and host in small letters, no default port, no empty path."""
    if uri is None:
        return None
    try:
        parts = urlsplit(uri.strip())
        host = parts.netloc.lower()
    except ValueError:
        return uri
    default = {"http": ":80", "https": ":443"}.get(parts.scheme.lower(), "\0")
    path = parts.path or ("/" if host else "")
    return urlunsplit((parts.scheme.lower(), host.removesuffix(default), path, parts.query, ""))
