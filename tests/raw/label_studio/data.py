"""Label Studio's JSON export of a pairwise project. SYNTHETIC: nobody compared these images.

    python tests/raw/label_studio/data.py FILE

Two raters compare images in a ring; one prefers the later name, the other the earlier one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ADDRESSES = (
    "/data/local-files/?d={}",
    "/data/upload/3/1a2b3c4d-{}",
    "s3://bucket/photos/{}",
    "https://photos.example.org/x/{}?size=large",
)


def tasks(names: Sequence[str]) -> list[dict[str, Any]]:
    """One task for each image and the next."""
    found = []
    for k, name in enumerate(names):
        other = names[(k + 1) % len(names)]
        address = ADDRESSES[k % len(ADDRESSES)]
        later = "left" if name > other else "right"
        earlier = "right" if later == "left" else "left"
        annotations = [
            _annotation(100 + k, 1, later, "the light"),
            _annotation(200 + k, {"id": 2, "email": "bob@example.org"}, earlier, None),
        ]
        if k == 0:
            annotations.append(_annotation(300, 3, "left", None) | {"was_cancelled": True})
            annotations.append(_annotation(301, 3, "none", None))
        one, two = (
            address.format(image.rpartition("/")[2] if "upload" in address else image)
            for image in (name, other)
        )
        data = {"image1": one, "image2": two, "title": "which?"}
        found.append({"id": k + 1, "data": data, "annotations": annotations, "predictions": []})
    return found


def _annotation(number: int, who: Any, selected: str, why: str | None) -> dict[str, Any]:
    result: list[dict[str, Any]] = [
        {
            "id": f"r{number}", "type": "pairwise", "from_name": "pw", "to_name": "pw",
            "value": {"selected": selected},
        }
    ]  # fmt: skip
    if why is not None:
        said = {"text": [why]}
        result.append({"type": "textarea", "from_name": "why", "to_name": "a", "value": said})
    return {
        "id": number, "completed_by": who, "result": result, "was_cancelled": False,
        "created_at": "2024-05-01T12:00:00.123456Z", "lead_time": 3.5,
    }  # fmt: skip


def write(path: Path, names: Sequence[str]) -> Path:
    """Write the export."""
    path.write_text(json.dumps(tasks(names)))
    return path


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]))
