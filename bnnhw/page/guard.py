"""What a request must look like before anything is done for it."""

import json
from collections.abc import Collection
from email.message import Message
from hmac import compare_digest
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import UsageError

__all__ = ["Refused", "check_from", "check_host", "image_of", "length_of", "split", "value_of"]

_ON = ("target", "model")
_DEEPEST_NUMBER = 20


class Refused(Exception):
    """A request that is not answered.

    Parameters
    ----------
    status : int
        Of HTTP.
    what : str
        Why, in words.
    """

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what


def check_host(headers: Message, hosts: Collection[str]) -> None:
    """Refuse requests that were meant for another host: a name that was bent to this address.

    Raises
    ------
    Refused
    """
    if headers.get_all("Host") is None or len(headers.get_all("Host", [])) != 1:
        raise Refused(400, "A request names one host.")
    if headers["Host"].strip().lower() not in hosts:
        raise Refused(403, "This page is served to this machine alone.")


def check_from(headers: Message, hosts: Collection[str], *, navigation: bool) -> None:
    """Refuse what the pages of other sites send.

    Parameters
    ----------
    headers : Message
    hosts : collection of str
        Names of this server.
    navigation : bool
        The request asks for the page itself, to which others may link.

    Raises
    ------
    Refused
    """
    origins = headers.get_all("Origin", [])
    if any(origin not in {f"http://{host}" for host in hosts} for origin in origins):
        raise Refused(403, "Other sites may not ask here.")
    site = headers.get("Sec-Fetch-Site", "none")
    if not navigation and site not in ("same-origin", "none"):
        raise Refused(403, "Other sites may not ask here.")


def split(path: str, token: str) -> str:
    """Give what follows the token in the path of a request.

    Raises
    ------
    Refused
        If the token is not there: as for a path that does not exist.
    """
    parts = path.partition("?")[0].split("/", 2)
    if len(parts) != 3 or not compare_digest(parts[1].encode("utf-8", "replace"), token.encode()):
        raise Refused(404, "There is nothing here. Take the whole address that bnnhw printed.")
    return parts[2]


def length_of(headers: Message, limit: int) -> int:
    """Give the length of a JSON body.

    Raises
    ------
    Refused
        If there is none, it is no JSON, or it is longer than `limit` bytes.
    """
    if "Transfer-Encoding" in headers or len(headers.get_all("Content-Length", [])) != 1:
        raise Refused(411, "Say the length of the body.")
    text = headers["Content-Length"]
    if not (text.isascii() and text.isdigit()):
        raise Refused(400, "Content-Length must be a number.")
    if headers.get_content_type() != "application/json":
        raise Refused(415, "The body must be application/json.")
    if len(text) > _DEEPEST_NUMBER or int(text) > limit:
        raise Refused(413, f"The body must have at most {limit} bytes.")
    return int(text)


def value_of(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    Refused
        If it is none.
    """
    try:
        value = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is no JSON.") from error
    if not isinstance(value, dict):
        raise Refused(400, "The body must be a JSON object.")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def image_of(value: dict[str, Any], elements: int) -> tuple[npt.NDArray[np.int64], bool]:
    """Read a request for an answer.

    Returns
    -------
    image : array of int64, shape (1, elements)
    golden : bool
        The golden model is asked, not the board.

    Raises
    ------
    UsageError
        If it does not say what it must.
    """
    image, on = value.get("image"), value.get("on", "target")
    if set(value) - {"image", "on"} or on not in _ON:
        raise UsageError(
            "A request has 'image', and 'on' where it is not 'target'.",
            f"'on' is one of {', '.join(_ON)}.",
        )
    if not isinstance(image, list) or len(image) != elements:
        raise UsageError(
            f"'image' must be a list of {elements} numbers.", "Give one for each pixel."
        )
    if not all(type(pixel) is int and 0 <= pixel < 1 << 16 for pixel in image):
        raise UsageError("'image' must hold whole numbers.", "Give pixels from 0 to 255.")
    return np.array([image], np.int64), on == "model"
