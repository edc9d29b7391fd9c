"""How tables spell images: paths of several machines, addresses, letter case, URL encoding."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qs, unquote, urlsplit

SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".ppm",
        ".heic",
        ".heif",
        ".avif",
    ]
)
"""What image files end with, in lower case."""

Parts = tuple[str, ...]

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_HOME = re.compile(r"^(.*?/(?:users|home|documents and settings)/[^/]+)/(.+)$", re.IGNORECASE)
_DRIVE = re.compile(r"^([A-Za-z]:)/*(.*)$")
_SHARE = re.compile(r"^//([^/]+/[^/]+)/(.+)$")
UPLOADS = "/data/upload"
"""Where Label Studio keeps uploaded files, each with a prefix of its own."""
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")


@dataclass(frozen=True)
class Spelling:
    """A name of an image, taken apart.

    Attributes:
        start: what a path begins with on one computer (a drive, a home folder, ``/``), or the
            server of an address; "" for a relative path.
        parts: folders and file name after it.
    """

    start: str
    parts: Parts

    @property
    def machine(self) -> str:
        """The start without letter case, in which paths of one machine may differ."""
        return self.start.casefold()

    @property
    def of_a_server(self) -> bool:
        """Whether it is an address; its folders are not known on any other machine."""
        return "://" in self.machine or self.machine == UPLOADS

    @cached_property
    def folded(self) -> Parts:
        """The parts without letter case and URL encoding."""
        return tuple(map(fold, self.parts))

    @property
    def readings(self) -> tuple[Spelling, ...]:
        """Return it, and an uploaded file as it may have been called before its upload."""
        if self.machine != UPLOADS:
            return (self,)
        file = self.parts[-1]
        return tuple(Spelling("", (name,)) for name in (file, _UPLOAD.sub("", file)))

    def folder(self, depth: int) -> str:
        """Write the start and the first folders as a path that ends with ``/``."""
        path = "/".join([self.start.rstrip("/"), *self.parts[:depth]])
        return f"{path}/" if self.start else f"{path[1:]}/"


def fold(part: str) -> str:
    """Return a part of a path without letter case and URL encoding."""
    return unicodedata.normalize("NFC", unquote(part)).casefold()


def spelling(name: str) -> Spelling:
    """Take a name apart: relative path, absolute path of any system, or address.

    Of ``/data/local-files/?d=photos/a.jpg`` and the like, which Label Studio writes, it is the path
    that follows. An address keeps its query unless its path ends like an image file.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if _SCHEME.match(name) or "/data/local-files/" in name or "/storage-data/" in name:
        address = urlsplit(name)
        query = parse_qs(address.query)
        local = query.get("d") or query.get("filepath")
        if local:
            return spelling(local[0])
        scheme = address.scheme.lower().replace("https", "http")
        path = unquote(address.path)
        if scheme != "file":
            is_file = posixpath.splitext(path)[1].lower() in SUFFIXES
            more = "" if is_file or not address.query else f"?{address.query}"
            if path.startswith(f"{UPLOADS}/"):
                return Spelling(UPLOADS, _parts(path[len(UPLOADS) :]))
            return Spelling(f"{scheme}://{address.netloc}", _parts(path + more))
        name = path[1:] if _DRIVE.match(path[1:]) else path
    path = name.replace("\\", "/")
    if path.startswith(f"{UPLOADS}/"):
        return Spelling(UPLOADS, _parts(unquote(path[len(UPLOADS) :])))
    drive = _DRIVE.match(path)
    if drive or path.startswith("/"):
        if home := _HOME.match(path):
            return Spelling(home[1], _parts(home[2]))
        if share := _SHARE.match(path):
            return Spelling(f"//{share[1]}", _parts(share[2]))
        return Spelling(drive[1] if drive else "/", _parts(drive[2] if drive else path))
    if path.startswith("~/"):
        return Spelling("~", _parts(path[2:]))
    return Spelling("", _parts(path))


def _parts(path: str) -> Parts:
    """Return folders and file name, without ``.``, empty ones, and what ``..`` takes back."""
    return tuple(posixpath.normpath(path.lstrip("/") or ".").split("/"))


def common_suffix(one: Parts, other: Parts) -> int:
    """Return how many last parts are equal."""
    length = min(len(one), len(other))
    return next((n for n in range(length) if one[-1 - n] != other[-1 - n]), length)


@dataclass(frozen=True)
class Merged:
    """Which names mean one image.

    Attributes:
        image: the image of each name, spelled as one of its names.
        notes: what was guessed, for the user.
    """

    image: Mapping[str, str]
    notes: tuple[str, ...]


def merge_spellings(
    names: Iterable[str], *, apart: Iterable[tuple[str, str]] = (), fixed: Collection[str] = ()
) -> Merged:
    """Find the names that mean one image, where no folder of images tells.

    ``./a.jpg`` is ``a.jpg``. An address is taken whole. Two guesses are made: names that differ in
    letter case or URL encoding only are one image, and so are files of different machines (drives,
    home folders) below folders that hold the same names, and that have the same name if there are
    no relative paths; within a machine every path is an image. A guess is dropped where it would
    make one image of two that must differ.

    Args:
        names: in any order.
        apart: names that differ, because a row compares them.
        fixed: images of prepared data sets, which all differ.
    """
    known = {name: spelling(name) for name in sorted({*names, *fixed})}
    plain = {name: (s.machine, *s.parts) for name, s in known.items()}
    differ = [(a, b) for a, b in set(apart) if plain[a] != plain[b]]
    for letters, folders in ((True, True), (True, False), (False, True), (False, False)):
        key, notes = _keys(known, letters=letters, folders=folders)
        lost = len({plain[name] for name in fixed}) - len({key[name] for name in fixed})
        if letters and folders:
            fewest = len(set(key.values()))
        if not lost and all(key[a] != key[b] for a, b in differ):
            break
    if len(set(key.values())) > fewest:
        notes.append(
            "Names that differ in letter case, URL encoding or machine only are different images: "
            "rows compare some of them."
        )
    members: dict[Parts, list[str]] = defaultdict(list)
    for name in known:
        members[key[name]].append(name)
    bare: dict[Parts, set[Parts]] = defaultdict(set)  # names without folders and upload prefixes
    for name, said in known.items():
        bare[said.readings[-1].parts[-1:]].add(key[name])
    image: dict[str, str] = {}
    respelled = []
    for same in members.values():
        best = min(same, key=lambda n: (n not in fixed, known[n].machine, len(n), n.swapcase()))
        shown = best if best in fixed or known[best].machine else "/".join(known[best].parts)
        if known[best].machine == UPLOADS and bare[known[best].readings[-1].parts] == {key[best]}:
            shown = known[best].readings[-1].parts[-1]
        image.update(dict.fromkeys(same, shown))
        file = known[best].parts[-1]
        respelled += [(name, shown) for name in same if known[name].parts[-1] != file]
    return Merged(image, (*notes, *_of_letters(respelled)))


def _of_letters(respelled: Sequence[tuple[str, str]]) -> list[str]:
    """Say which names differ from their images' in letter case or URL encoding."""
    if not respelled:
        return []
    one, other = respelled[0]
    return [
        f"{one!r} is taken for {other!r}, and likewise all names that differ in letter case or URL "
        f"encoding only ({len(respelled):,})."
    ]


def _keys(
    known: Mapping[str, Spelling], *, letters: bool, folders: bool
) -> tuple[dict[str, Parts], list[str]]:
    """Give names of one image one key; see ``merge_spellings``."""
    parts = {name: s.folded if letters else s.parts for name, s in known.items()}
    key = {name: (s.machine, *parts[name]) for name, s in known.items()}
    of_machine: dict[str, list[str]] = defaultdict(list)
    for name, s in known.items():
        if not s.of_a_server:
            of_machine[s.machine].append(name)
    if not folders or len(of_machine) < 2:
        return key, []
    # relative paths come first: those of machines are compared with them, then with each other
    index: dict[Parts, Parts | None] = {}
    seen: set[Parts] = set()
    notes = []
    for machine in sorted(of_machine, key=lambda m: (m != "", -len(of_machine[m]), m)):
        own, theirs = _shared_folder([parts[name] for name in of_machine[machine]], index)
        if theirs and (not theirs[0] or not own or not theirs[1:]):
            below = [name for name in of_machine[machine] if parts[name][: len(own)] == own]
            key.update((name, (*theirs, *parts[name][len(own) :])) for name in below)
            there = Spelling(theirs[0], theirs[1:]).folder(len(theirs) - 1)
            notes.append(
                f"{known[below[0]].folder(len(own))} is taken for "
                + ("the names without a folder." if there == "/" else f"{there}.")
            )
        for name in of_machine[machine]:
            if key[name] not in seen:
                seen.add(key[name])
                for start in range(len(key[name])):
                    end = key[name][start:]
                    index[end] = None if end in index else key[name]
    return key, notes


def _shared_folder(
    names: Iterable[Parts], index: Mapping[Parts, Parts | None]
) -> tuple[Parts, Parts]:
    """Find the folder of some names that holds what another machine's folder holds.

    Args:
        names: below one machine.
        index: names of others, each with its machine, by their last parts; None where several end
            so.

    Returns:
        The folder, and the other one with its machine; nothing if no name is in both.
    """
    count: Counter[tuple[Parts, Parts]] = Counter()
    for name in names:
        start = next((k for k in range(len(name)) if name[k:] in index), len(name))
        other = index.get(name[start:])
        if other is not None:
            count[name[:start], other[: len(other) - len(name) + start]] += 1
    if not count:
        return (), ()
    return max(count, key=lambda two: (count[two], -len(two[0]) - len(two[1]), two))


@dataclass(frozen=True)
class Matched:
    """Which image each of a table's names means.

    Attributes:
        row: rows of images by name, for the names that were found.
        doubt: why a name was not taken for the image that it ends like.
        notes: what was guessed, for the user.
    """

    row: Mapping[str, int]
    doubt: Mapping[str, str]
    notes: tuple[str, ...]


def match_spellings(
    names: Iterable[str], image_ids: Sequence[str], root: str, settled: Collection[str] = ()
) -> Matched:
    """Find images of a folder by names that come from another machine or server.

    The longest image id that a name ends with decides; letter case and URL encoding are ignored
    where one image only is left. What stands before the id is then taken for the folder of the
    images. On one machine, or among addresses of one scheme, this holds for no folder if other
    names are found as they are; for none whose name differs from the images' own folder in a number
    only (``day1``, ``day2``); for none beside one that ends as the images' own folder does; of
    two, one inside the other, for the one with more names; and for neither of two folders that hold
    files of the same name, because these would be different images.

    Args:
        names: those not found as they are.
        image_ids: paths below the root.
        root: absolute path of the folder of images.
        settled: the table's other names.
    """
    ids = [tuple(image_id.split("/")) for image_id in image_ids]
    folded_ids = [tuple(map(fold, parts)) for parts in ids]
    exact = {parts: row for row, parts in enumerate(ids)}
    whole = _unique((parts, row) for row, parts in enumerate(folded_ids))
    tails = _unique((p[k:], row) for row, p in enumerate(folded_ids) for k in range(len(p)))
    found: dict[str, int] = {}
    before: dict[str, dict[Parts, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        said = spelling(name)
        for read in said.readings:
            folded = read.folded
            start = next((k for k in range(len(folded)) if folded[k:] in whole), None)
            if start is not None:
                row = exact.get(read.parts[start:], whole[folded[start:]])
            else:
                row = tails.get(folded, -1) if not read.machine else -1
            if row >= 0:
                found[name] = row
                if said.machine or start:
                    end = len(said.parts) if said.machine == UPLOADS else start
                    before[_owner(said)][(said.machine, *said.folded[:end])].append(name)
                break
    doubt: dict[str, str] = {}
    notes = []
    taken = {_owner(spelling(name)) for name in settled}
    for owner, folders in before.items():
        if owner in taken:
            refused = dict.fromkeys(folders, "other names are found as they are")
        else:
            refused = _refused(folders, found, spelling(root).folded)
        for folder, why in refused.items():
            for name in folders[folder]:
                doubt[name] = f"ends like {image_ids[found.pop(name)]!r}, but {why}"
        kept = [
            spelling(members[0]).folder(len(folder) - 1)
            for folder, members in folders.items()
            if folder not in refused and folder[0] != UPLOADS
        ]
        if kept:
            more = f" and {len(kept) - 3:,} more" if len(kept) > 3 else ""
            verb = "is" if len(kept) == 1 else "are"
            notes.append(f"{', '.join(kept[:3])}{more} {verb} taken for {root}/.")
    respelled = [
        (name, image_ids[row])
        for name, row in found.items()
        if all(read.parts[-1] != ids[row][-1] for read in spelling(name).readings)
    ]
    return Matched(found, doubt, (*notes, *_of_letters(respelled)))


def _owner(said: Spelling) -> str:
    """Return the machine; servers that are spoken to in one way count as one."""
    return said.machine.partition("://")[0]


def _unique(items: Iterable[tuple[Parts, int]]) -> dict[Parts, int]:
    """Map to rows; -1 where several have one key."""
    found: dict[Parts, int] = {}
    for key, row in items:
        found[key] = -1 if found.setdefault(key, row) != row else row
    return found


def _other_number(one: str, other: str) -> bool:
    """Whether two folders differ in a number only, as ``day1`` and ``day2``."""
    return one != other and re.sub(r"[0-9]+", "0", one) == re.sub(r"[0-9]+", "0", other)


def _refused(
    folders: Mapping[Parts, Sequence[str]], row: Mapping[str, int], own_root: Parts
) -> dict[Parts, str]:
    """Find folders of one machine that are not the folder of images; see ``match_spellings``."""
    refused: dict[Parts, str] = {}
    near = {folder: common_suffix(folder, own_root) for folder in folders}
    nearest: dict[str, int] = defaultdict(int)
    for folder in folders:
        nearest[folder[0]] = max(nearest[folder[0]], near[folder])
    for folder in folders:
        if own_root and len(folder) > 1 and _other_number(folder[-1], own_root[-1]):
            refused[folder] = f"its folder is {folder[-1]!r}, that of the images {own_root[-1]!r}"
    for folder in folders:
        if near[folder] < nearest[folder[0]]:
            refused[folder] = "another folder is called as that of the images"
    for folder in folders:
        for end in range(1, len(folder)):
            outer = folder[:end]
            if outer in folders and folder not in refused and outer not in refused:
                fewer = len(folders[folder]) > len(folders[outer])
                refused[outer if fewer else folder] = "more names begin otherwise"
    claimed: dict[int, dict[Parts, str]] = defaultdict(dict)
    for folder, members in folders.items():
        for name in members:
            if folder not in refused and folder[0] != UPLOADS:  # uploads keep no folder
                claimed[row[name]][folder] = name
    for claims in claimed.values():
        if len(claims) > 1:
            one, other = list(claims.values())[:2]
            for folder, name in claims.items():
                refused[folder] = f"so does {(other if name == one else one)!r}"
    return refused
