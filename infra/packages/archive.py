"""A zip that is the same, byte for byte, whenever and wherever it is made of the same files."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that the format knows."""
_MODE = 0o100644
_UNIX = 3
_LEVEL = 6
"""Level 9 takes three times as long for half a percent."""


@dataclass(frozen=True)
class Archive:
    """What was written."""

    sha256: str
    """Hexadecimal."""
    zipped: int
    unzipped: int
    """Bytes."""
    files: int

    @property
    def code_hash(self) -> str:
        """As Lambda says it (``CodeSha256``) and Terraform compares it (``source_code_hash``)."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()


def write_archive(folder: Path, path: Path) -> Archive:
    """Zip all files below ``folder``: sorted, of one date and one mode."""
    files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.as_posix())
    unzipped = 0
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            info = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _DATE)
            info.create_system = _UNIX
            info.external_attr = _MODE << 16
            content = file.read_bytes()
            unzipped += len(content)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, _LEVEL)
    written = path.read_bytes()
    return Archive(hashlib.sha256(written).hexdigest(), len(written), unzipped, len(files))
