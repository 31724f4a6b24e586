"""Certificates: files with CURVE keys, in pyzmq's format.                                        pyzmq, zmq.auth.certs

    public, secret = create_certificates("keys", "anna")       keys/anna.key         for the server
                                                               keys/anna.key_secret  for anna alone
    load_certificate("keys/anna.key_secret")                   (public key, secret key), both in Z85

A server gets the public files of its clients, in a folder (see `auth`). A client gets its own secret file, and the
server's public one. Each library reads what the other one wrote.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     public, secret = create_certificates(folder, "anna")
    ...     load_certificate(public) == (load_certificate(secret)[0], None)
    True

It can be read alone.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .errors import Secret
from .wire import z85
from .wire.curve import keypair

_KEY = r'^\s*{}-key\s*=\s*"(.{{40}})"\s*$'
_PUBLIC_KEY, _SECRET_KEY = (re.compile(_KEY.format(kind), re.MULTILINE) for kind in ("public", "secret"))


def create_certificates(key_dir: str | Path, name: str, metadata: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Make a new pair of keys, and write key_dir/name.key and key_dir/name.key_secret. Returns both paths.

    Existing files are replaced. Only the owner may read the secret file. metadata: lines for both files, for people.
    Raises OSError if the files can't be written, ZMQError(ENOTSUP) without PyNaCl.
    """
    public, secret = (z85.encode(key).decode() for key in keypair())
    about = "".join(f"    {key} = {value}\n" for key, value in (metadata or {}).items())
    head = f'metadata\n{about}curve\n    public-key = "{public}"\n'
    files = {
        "key": (0o666, "# A public CURVE certificate: may be given to anyone.\n" + head),
        "key_secret": (0o600, f'# A SECRET CURVE certificate: keep it.\n{head}    secret-key = "{secret}"\n'),
    }
    paths = []
    for suffix, (mode, text) in files.items():
        paths.append(os.path.join(key_dir, f"{name}.{suffix}"))
        # Removed first, because a file that exists keeps its permissions.
        Path(paths[-1]).unlink(missing_ok=True)
        with open(os.open(paths[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
    return paths[0], paths[1]


def load_certificate(path: str | Path) -> tuple[bytes, bytes | None]:
    """The public key and the secret key in a file, in Z85; None for a secret key that is not there.

    Raises OSError if the file can't be read, ValueError if it has no public key, or a key that isn't Z85.
    """
    text = Path(path).read_text("utf-8")
    public, secret = _PUBLIC_KEY.search(text), _SECRET_KEY.search(text)
    if public is None:
        raise ValueError(f'{path}: no line public-key = "40 characters of Z85" in this certificate')
    try:
        for found in (public, secret):
            if found is not None:
                z85.decode(found[1])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return public[1].encode(), None if secret is None else Secret(secret[1].encode())


def load_certificates(location: str | Path = ".") -> dict[bytes, str]:
    """The public keys in a folder's public certificates (`*.key`): {key of 32 octets: name of its file}.

    A file without a key raises ValueError, because otherwise its owner would be refused without an explanation.
    """
    if not Path(location).is_dir():
        raise NotADirectoryError(f"{location}: no such folder of certificates")
    return {z85.decode(load_certificate(path)[0]): path.stem for path in sorted(Path(location).glob("*.key"))}
