"""Addresses: what GDAL opens for a path, a URL or an object in a bucket, and what is relative to one."""

from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

#: GDAL's virtual file systems by scheme; of buckets the scheme is left out.
_WHOLE_URL = {"http": "/vsicurl/", "https": "/vsicurl/", "ftp": "/vsicurl/"}
_BUCKETS = {"s3": "/vsis3/", "gs": "/vsigs/", "gcs": "/vsigs/", "az": "/vsiaz/", "oss": "/vsioss/"}


def gdal_name(address: str) -> str:
    """Return what GDAL opens.

    Keys, regions and proxies are GDAL's own settings (``AWS_ACCESS_KEY_ID``, ``AWS_NO_SIGN_REQUEST``, ...).

    Args:
        address: A path; or an address with a scheme (``https``, ``s3``, ``gs``, ``az``, ``file``); or a name
            that GDAL understands already.

    Examples:
        >>> gdal_name("https://host/a.tif"), gdal_name("s3://bucket/a.tif"), gdal_name("maps/a.tif")
        ('/vsicurl/https://host/a.tif', '/vsis3/bucket/a.tif', 'maps/a.tif')
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    if scheme.lower() in _WHOLE_URL:
        return _WHOLE_URL[scheme.lower()] + address
    if scheme.lower() in _BUCKETS:
        return _BUCKETS[scheme.lower()] + rest
    return local_path(address) if scheme.lower() == "file" else address


def local_path(address: str) -> str:
    """Return the path of a ``file://`` address; others as they are."""
    return url2pathname(urlsplit(address).path) if address.lower().startswith("file://") else address


def resolve_href(href: str, document: str) -> str:
    """Return the address of what a document refers to.

    Args:
        href: As the document has it: an address, an absolute path, or a path relative to the document.
        document: Path or URL of the document.

    Examples:
        >>> resolve_href("./B02.tif", "https://host/items/a.json"), resolve_href("B02.tif", "items/a.json")
        ('https://host/items/B02.tif', 'items/B02.tif')
    """
    if "://" in href or href.startswith("/vsi"):
        return href
    if "://" in document:
        return urljoin(document, href) if document.startswith("http") else _beside(href, document)
    folder = Path(document).parent
    plain = folder / href
    return str(plain if plain.exists() else folder / unquote(href))


def _beside(href: str, document: str) -> str:
    """Join within a bucket: urljoin knows the schemes of the web alone."""
    scheme, _, rest = document.partition("://")
    return f"{scheme}://{urljoin(f'//{rest}', href).removeprefix('//')}"
