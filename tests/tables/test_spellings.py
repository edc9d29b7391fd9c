"""How tables spell images: which names are one image, and which only look alike."""

from __future__ import annotations

import pytest

from interestingness.tables.spellings import Spelling, match_spellings, merge_spellings, spelling

ANN, BOB = "C:\\Users\\ann\\study\\", "/Users/bob/study/"


@pytest.mark.parametrize(
    ("name", "start", "parts"),
    [
        ("trip/a.jpg", "", ("trip", "a.jpg")),
        (".\\trip\\x\\..\\a.jpg", "", ("trip", "a.jpg")),
        ("C:\\photos\\a.jpg", "C:", ("photos", "a.jpg")),
        ("C:\\Users\\ann\\a.jpg", "C:/Users/ann", ("a.jpg",)),
        ("/mnt/c/Users/ann/s/a.jpg", "/mnt/c/Users/ann", ("s", "a.jpg")),
        ("/home/bob/s/a.jpg", "/home/bob", ("s", "a.jpg")),
        ("/data/s/a.jpg", "/", ("data", "s", "a.jpg")),
        ("\\\\nas\\share\\s\\a.jpg", "//nas/share", ("s", "a.jpg")),
        ("file:///home/bob/a%20b.jpg", "/home/bob", ("a b.jpg",)),
        ("file:///C:/s/a.jpg", "C:", ("s", "a.jpg")),
        ("s3://bucket/x/a.jpg", "s3://bucket", ("x", "a.jpg")),
        ("https://h.org/x/a%20b.jpg?size=1", "http://h.org", ("x", "a b.jpg")),
        ("https://h.org/get.php?id=1", "http://h.org", ("get.php?id=1",)),
        ("/data/local-files/?d=photos/a%20b.jpg", "", ("photos", "a b.jpg")),
        ("/data/upload/12/0a1b2c3d-Z%C3%BCrich.jpg", "/data/upload", ("12", "0a1b2c3d-Zürich.jpg")),
        ("Zu\u0308rich.jpg", "", ("Zürich.jpg",)),
        ("007", "", ("007",)),
    ],
)
def test_a_name_is_taken_apart(name: str, start: str, parts: tuple[str, ...]) -> None:
    assert spelling(name) == Spelling(start, parts)


@pytest.mark.parametrize(
    "same",
    [
        ["p0.jpg", "./p0.jpg", ".\\p0.jpg", "x/../p0.jpg"],
        ["p0.jpg", ANN + "p0.jpg", BOB + "p0.jpg", "/mnt/data/study/p0.jpg"],
        [ANN + "p0.jpg", BOB + "p0.jpg"],
        ["p0.jpg", "P0.JPG", "p0.JPG"],
        ["my photo.jpg", "my%20photo.jpg", "MY%20PHOTO.jpg"],
        ["https://h/p.jpg?sig=1", "https://h/p.jpg?sig=2", "http://h/p.jpg"],
        ["trip/a.jpg", "/data/local-files/?d=trip/a.jpg", "file:///home/cy/trip/a.jpg"],
    ],
)
def test_one_image_in_several_spellings(same: list[str]) -> None:
    assert len(set(merge_spellings([*same, "other.jpg"]).image.values())) == 2


@pytest.mark.parametrize(
    "names",
    [
        ["s3://b/day1/IMG_1.jpg", "s3://b/day2/IMG_1.jpg", "IMG_1.jpg"],
        ["https://a/IMG_1.jpg", "https://b/IMG_1.jpg"],
        ["https://h/get?id=1", "https://h/get?id=2"],
        ["/data/upload/1/11111111-a.jpg", "/data/upload/1/22222222-a.jpg"],
        ["day1/a.jpg", "day2/a.jpg", "a.jpg"],
        ["C:\\day1\\a.jpg", "C:\\day2\\a.jpg"],
        ["/home/ann/day1/a.jpg", "/home/bob/day2/a.jpg"],
        ["1.jpg", "01.jpg", "1.png"],
    ],
)
def test_different_images_stay_apart(names: list[str]) -> None:
    assert len(set(merge_spellings(names).image.values())) == len(names)


@pytest.mark.parametrize(
    "two", [("/home/a/I.jpg", "/home/b/I.jpg"), ("a.jpg", "A.jpg"), ("a b", "a%20b")]
)
def test_names_that_meet_in_a_row_are_different_images(two: tuple[str, str]) -> None:
    assert len(set(merge_spellings(two).image.values())) == 1
    found = merge_spellings(two, apart=[two])
    assert len(set(found.image.values())) == 2 and found.notes


def test_what_is_guessed_is_said_and_what_is_not_is_not() -> None:
    assert not merge_spellings(["a.jpg", "./a.jpg", "b.jpg"]).notes
    notes = merge_spellings(["a.jpg", ANN + "a.jpg", "b.JPG", "b.jpg"]).notes
    assert len(notes) == 2
    assert "C:/Users/ann/study/" in notes[0] and "b.JPG" in notes[1]


def test_an_upload_is_shown_without_its_prefix_where_no_other_image_has_the_name() -> None:
    uploads = [f"/data/upload/1/{n}1a2b3c4-{file}" for n, file in ((1, "a"), (1, "b"), (2, "b"))]
    assert list(merge_spellings(uploads).image.values()) == ["a", *uploads[1:]]
    assert merge_spellings([uploads[0], "x/a"]).image[uploads[0]] == uploads[0]


def test_images_of_data_sets_keep_their_ids() -> None:
    found = merge_spellings(["./a.jpg", BOB + "a.jpg"], fixed=["a.jpg", "b.jpg"])
    assert set(found.image.values()) == {"a.jpg", "b.jpg"}
    both = merge_spellings(["./a.jpg"], fixed=["a.jpg", "A.jpg"])
    assert both.image["./a.jpg"] == "a.jpg" != both.image["A.jpg"]


DAYS = ["s3://b/day1/IMG_1.jpg", "s3://b/day2/IMG_1.jpg"]


@pytest.mark.parametrize(
    ("names", "image_ids", "root", "rows"),
    [
        (DAYS, ["day1/IMG_1.jpg", "day2/IMG_1.jpg"], "/w/photos", [0, 1]),
        (DAYS, ["day1/IMG_1.jpg"], "/w/photos", [0, None]),
        (DAYS, ["IMG_1.jpg"], "/w/day1", [0, None]),
        (DAYS, ["IMG_1.jpg"], "/w/photos", [None, None]),
        (["https://a/1.jpg", "https://b/1.jpg"], ["1.jpg"], "/w", [None, None]),
        (["s3://b/x/1.jpg", "s3://b/y/2.jpg"], ["1.jpg", "2.jpg"], "/w", [0, 1]),
        ([ANN + "p0.jpg", BOB + "p0.jpg"], ["p0.jpg"], "/w", [0, 0]),
        ([ANN + "t\\p.jpg", ANN + "p.jpg"], ["p.jpg", "t/p.jpg"], "/w", [1, 0]),
        (["/mnt/x/A%20B.JPG"], ["a b.jpg"], "/w", [0]),
        (["A.jpg", "a.JPG"], ["A.jpg", "a.jpg"], "/w", [0, None]),
        (["study/p0.jpg", "study/p1.jpg"], ["p0.jpg", "p1.jpg"], "/w", [0, 1]),
        (["D.jpg"], ["trip/d.jpg", "e.jpg"], "/w", [0]),
        (["/data/upload/1/1a2b3c4d-a.jpg"], ["trip/a.jpg"], "/w", [0]),
        ([f"/data/upload/1/{n}1a2b3c4-a.jpg" for n in (1, 2)], ["a.jpg"], "/w", [0, 0]),
    ],
)
def test_the_longest_suffix_that_is_one_image_decides(
    names: list[str], image_ids: list[str], root: str, rows: list[int | None]
) -> None:
    found = match_spellings(names, image_ids, root)
    assert [found.row.get(name) for name in names] == rows
    assert not found.row.keys() & found.doubt.keys()


def test_beside_names_that_are_found_as_they_are_a_folder_is_another_one() -> None:
    found = match_spellings(["trip/a.jpg"], ["a.jpg", "b.jpg"], "/w", settled=["b.jpg"])
    assert not found.row and "a.jpg" in found.doubt["trip/a.jpg"]
    (note,) = match_spellings(["trip/a.jpg"], ["a.jpg", "b.jpg"], "/w").notes
    assert "trip/" in note and "/w/" in note


def test_of_two_folders_one_inside_the_other_the_one_of_more_names_counts() -> None:
    names = ["s3://b/a.jpg", *(f"s3://b/x/{k}.jpg" for k in range(3))]
    ids = ["a.jpg", *(f"{k}.jpg" for k in range(3))]
    found = match_spellings(names, ids, "/w")
    assert set(found.row.values()) == {1, 2, 3} and set(found.doubt) == {"s3://b/a.jpg"}


@pytest.mark.parametrize("name", ["s3://b/day2/IMG_1.jpg", "/home/ann/Day2/IMG_1.jpg"])
def test_a_folder_with_another_number_is_another_folder(name: str) -> None:
    matched = match_spellings([name], ["IMG_1.jpg"], "/data/imd/day1")
    assert not matched.row and "'day2'" in matched.doubt[name]
    assert match_spellings([name], ["IMG_1.jpg"], "/data/day2").row == {name: 0}
    assert match_spellings([name], ["IMG_1.jpg"], "/data/study").row == {name: 0}
