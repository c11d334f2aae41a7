"""What lies in a folder of hand-ins: every form it comes in, names and files that want to do harm."""

import io
import os
import stat
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from srlib.grading import intake, roster, submissions
from srlib.grading.roster import Roster

NOTEBOOK = b'{"cells": []}'


def folder(tmp_path, *names: str):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(NOTEBOOK)
    return tmp_path


def who(tmp_path, people: Roster = Roster(), **more) -> dict[str, str]:  # noqa: B008
    """path -> student, of those that count."""
    found = submissions.submissions(intake.entries(tmp_path), people, **more)
    return {one.entry.path: one.student for one in found if one.counts}


def zipped(*members: tuple[str, bytes], **more) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def csv(tmp_path, text: str):
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_flat_folder(tmp_path):
    assert who(folder(tmp_path, "ada.ipynb", "b c.ipynb")) == {"ada.ipynb": "ada", "b c.ipynb": "b c"}


def test_folders_as_nbgrader_has_them(tmp_path):
    folder(tmp_path, "submitted/ada/pixels/pixels.ipynb", "submitted/bob/pixels/pixels.ipynb")
    folder(tmp_path, "submitted/ada/networks/networks.ipynb")
    assert set(who(tmp_path, others=["networks"])) == {
        "submitted/ada/pixels/pixels.ipynb",
        "submitted/bob/pixels/pixels.ipynb",
    }
    (tmp_path / "submitted/ada/networks/networks.ipynb").unlink()
    assert sorted(who(tmp_path).values()) == sorted(who(tmp_path / "submitted").values()) == ["ada", "bob"]


def test_names_as_canvas_gives_them(tmp_path):
    folder(tmp_path, "lovelaceada_12_345_pixels.ipynb", "hoppergrace_LATE_13_346_my_work-2.ipynb")
    (tmp_path / "lovelaceada_12_347_network.safetensors").write_bytes(b"x")
    found = submissions.submissions(intake.entries(tmp_path), Roster())
    assert [one.student for one in found] == ["hoppergrace_13", "lovelaceada_12"]
    assert list(found[1].weights) == ["network"]
    assert [bool(one.late) for one in found] == [True, False]
    early = submissions.submissions(intake.entries(tmp_path), Roster(), datetime(2000, 1, 1, tzinfo=UTC))
    assert early[0].late > 1e6 and early[1].late == 0  # a file's own time is that of the download
    table = csv(tmp_path, 'Student,ID,SIS User ID\n"Lovelace, Ada",12,a1\n"Hopper, Grace",13,g1\n"Student, Test",99,\n')
    people = roster.read(table)
    assert [student.id for student in people] == ["a1", "g1"]
    assert set(who(tmp_path, people).values()) == {"a1", "g1"}


def test_folders_as_gradescope_gives_them(tmp_path):
    folder(tmp_path, "submission_77/pixels.ipynb", "submission_78/a/b.ipynb")
    (tmp_path / "submission_metadata.yml").write_text(
        "---\nsubmission_77:\n  :submitters:\n  - :name: Ada L\n    :sid: '17'\n    :email: ada@example.org\n"
        "  :created_at: 2026-01-01 10:00:00.123456789 Z\n"
        "submission_78:\n  :submitters:\n  - :name: Grace H\n    :email: g@example.org\n"
    )
    assert set(who(tmp_path).values()) == {"17", "g@example.org"}
    found = submissions.submissions(intake.entries(tmp_path), Roster(), datetime(2026, 1, 1, 9, tzinfo=UTC))
    assert found[0].late == 3600
    people = roster.read(csv(tmp_path, "id,email\nA,ada@example.org\nG,g@example.org\n"))
    assert set(who(tmp_path, people).values()) == {"A", "G"}


def test_folders_as_moodle_gives_them(tmp_path):
    assert set(who(folder(tmp_path, "Ada Lovelace_123_assignsubmission_file/x.ipynb")).values()) == {"Ada Lovelace"}


def test_a_zip_of_everything_and_zips_of_single_students(tmp_path):
    inner = zipped(("pixels.ipynb", NOTEBOOK), ("network.safetensors", b"w"))
    everything = (("ada.zip", inner), ("bob.ipynb", NOTEBOOK), ("__MACOSX/._bob.ipynb", b""))
    (tmp_path / "all.zip").write_bytes(zipped(*everything))
    found = submissions.submissions(intake.entries(tmp_path / "all.zip"), Roster())
    assert [(one.student, list(one.weights)) for one in found] == [("ada", ["network"]), ("bob", [])]
    assert found[0].entry.read() == NOTEBOOK


def test_weights_find_their_notebook(tmp_path):
    folder(tmp_path, "ada.ipynb", "bob/b.ipynb")
    (tmp_path / "ada.network.safetensors").write_bytes(b"x")
    (tmp_path / "bob" / "network.safetensors").write_bytes(b"x")
    (tmp_path / "nobody.safetensors").write_bytes(b"x")
    found = {one.entry.path: one for one in submissions.submissions(intake.entries(tmp_path), Roster())}
    assert list(found["ada.ipynb"].weights) == list(found["bob/b.ipynb"].weights) == ["network"]
    assert found["nobody.safetensors"].note == "no notebook" and not found["nobody.safetensors"].counts


def test_the_newest_in_time_counts_and_the_others_say_so(tmp_path):
    folder(tmp_path, "ada/1.ipynb", "ada/2.ipynb", "ada/3.ipynb")
    start = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for hours, name in enumerate(("1", "2", "3")):
        when = (start + timedelta(hours=hours)).timestamp()
        os.utime(tmp_path / "ada" / f"{name}.ipynb", (when, when))
    assert list(who(tmp_path)) == ["ada/3.ipynb"]
    assert list(who(tmp_path, deadline=start + timedelta(minutes=90))) == ["ada/2.ipynb"]
    all_late = submissions.submissions(intake.entries(tmp_path), Roster(), start - timedelta(hours=1))
    assert [(one.counts, one.late) for one in all_late] == [(False, 3600), (False, 7200), (True, 10800)]
    assert "ada/3.ipynb counts" in all_late[0].note


def test_an_extension_in_the_roster_counts(tmp_path):
    folder(tmp_path, "ada.ipynb", "bob.ipynb")
    people = roster.read(csv(tmp_path, "id,deadline\nada,2200-01-01T00:00\nbob,\n"))
    found = submissions.submissions(intake.entries(tmp_path), people, datetime(2000, 1, 1, tzinfo=UTC))
    assert [bool(one.late) for one in found if one.counts] == [False, True]


def test_students_are_found_by_any_of_their_names(tmp_path):
    text = "id,name,also\nm17,Ada Lovelace,ada; countess\nm18,Émile Ünal,\nm19,Ada Byron,\n"
    people = roster.read(csv(tmp_path, text))
    assert people.find("ADA").id == people.find("Lovelace, Ada").id == people.find("lovelaceada").id == "m17"
    assert people.find("adalovelace").id == "m17" and people.find("émileünal").id == "m18"
    assert people.find("pixels_M17").id == "m17" and people.find("pixels-m17-m19") is None
    assert people.find("ada byron!").id == "m19" and people.find("ada-who") is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("name\nAda\n", "needs a heading with a column id; it has name"),
        ("", "needs a heading with a column id; it has nothing"),
        ("id\n1\n1\n", "'1' stands there twice"),
        ("id,deadline\n1,tomorrow\n", "'tomorrow' is no time"),
    ],
)
def test_a_wrong_roster_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        roster.read(csv(tmp_path, text))


def test_links_pipes_and_folders_are_named_and_not_opened(tmp_path):
    (tmp_path / "secret").write_text("secret")
    hand = tmp_path / "hand"
    hand.mkdir()
    os.symlink(tmp_path / "secret", hand / "link.ipynb")
    os.symlink(tmp_path, hand / "folder")
    os.mkfifo(hand / "pipe.ipynb")
    (hand / "deep.ipynb").mkdir()
    (hand / "deep.ipynb" / "x.ipynb").write_bytes(NOTEBOOK)
    found = {one.entry.path: one for one in submissions.submissions(intake.entries(hand), Roster())}
    assert {path: one.note for path, one in found.items() if not one.counts} == {
        "folder": "a link is not followed",
        "link.ipynb": "a link is not followed",
        "pipe.ipynb": "this is no regular file",
    }
    assert found["deep.ipynb/x.ipynb"].student == "deep.ipynb"


def test_a_file_that_becomes_a_link_is_not_read(tmp_path):
    folder(tmp_path, "ada.ipynb")
    entry = intake.entries(tmp_path)[0]
    (tmp_path / "ada.ipynb").unlink()
    os.symlink("/etc/hostname", tmp_path / "ada.ipynb")
    with pytest.raises(intake.Unreadable, match="cannot be opened"):
        entry.read()


def test_odd_names_become_one_clean_line(tmp_path):
    for name in ("=1+1.ipynb", "\u202egnp.ipynb", "a\nb.ipynb", "--help.ipynb", "x" * 240 + ".ipynb", "e\u0301.ipynb"):
        (tmp_path / name).write_bytes(NOTEBOOK)
    (tmp_path / os.fsdecode(b"\xff\xfe.ipynb")).write_bytes(NOTEBOOK)
    found = submissions.submissions(intake.entries(tmp_path), Roster())
    assert len(found) == 7 and all(one.counts for one in found)
    assert all(name.isprintable() and len(name) <= 120 for one in found for name in one.entry.parts)
    assert "é" in [one.student for one in found]


def test_a_zip_that_climbs_explodes_or_lies(tmp_path):
    bomb = zipped(("x.ipynb", bytes(60_000_000)))
    climbing = zipped(("../../up.ipynb", NOTEBOOK), ("/abs.ipynb", NOTEBOOK), ("..\\win.ipynb", NOTEBOOK))
    many = zipped(*((f"{n}.txt", b"") for n in range(600)))
    odd = io.BytesIO()
    with zipfile.ZipFile(odd, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.ipynb", bytes(20_000))
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        member = zipfile.ZipInfo("link.ipynb")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    for name, content in {
        "bomb": bomb,
        "climb": climbing,
        "many": many,
        "link": link.getvalue(),
        "none": b"PK",
        "odd": odd.getvalue(),
    }.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
    found = intake.entries(tmp_path)
    notes = {entry.path: entry.problem for entry in found if entry.problem}
    assert "at most" in notes["bomb.zip/x.ipynb"] and "600 files" in notes["many.zip"]
    assert "cannot be read" in notes["none.zip"] and "unusual way" in notes["odd.zip/x.ipynb"]
    assert notes["link.zip/link.ipynb"] == "a link is not followed"
    assert [entry.path for entry in found if not entry.problem] == [
        "climb.zip/abs.ipynb",
        "climb.zip/up.ipynb",
        "climb.zip/win.ipynb",
    ]
    assert not (tmp_path.parent / "up.ipynb").exists()


def test_a_zip_that_holds_more_than_it_says(tmp_path):
    data = bytearray(zipped(("x.ipynb", bytes(5_000_000))))
    size = (5_000_000).to_bytes(4, "little")
    for _ in range(2):
        at = data.find(size)
        data[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "lie.zip").write_bytes(data)
    (entry,) = intake.entries(tmp_path)
    with pytest.raises(intake.Unreadable):
        entry.read()


def test_zips_damaged_in_every_way_are_named(tmp_path):
    whole = bytearray(zipped(("ada.ipynb", NOTEBOOK), ("b/net.safetensors", b"x" * 50)))
    path = tmp_path / "x.zip"
    for at in range(len(whole)):
        for value in (0, 255):
            damaged = bytearray(whole)
            damaged[at] = value
            path.write_bytes(damaged)
            for entry in intake.entries(tmp_path):
                try:
                    assert len(entry.read()) <= 50
                except intake.Unreadable as error:
                    assert str(error)


def test_a_students_own_list_steals_nobodys_work(tmp_path):
    folder(tmp_path, "submission_77/x.ipynb", "submission_78/x.ipynb")
    listed = "submission_77:\n  :submitters:\n  - :sid: ada\nsubmission_78:\n  :submitters:\n  - :sid: bob\n"
    (tmp_path / "submission_metadata.yml").write_text(listed)
    (tmp_path / "submission_77" / "submission_metadata.yml").write_text(
        listed.replace("bob", "ada").replace("ada", "eve", 1)
    )
    (tmp_path / "zoe.zip").write_bytes(zipped(("submission_78/x.ipynb", NOTEBOOK), ("submission_metadata.yml", b"")))
    assert {one: student for one, student in who(tmp_path).items()} == {
        "submission_77/x.ipynb": "ada",
        "submission_78/x.ipynb": "bob",
        "zoe.zip/submission_78/x.ipynb": "zoe",
    }


def test_the_time_in_a_students_zip_is_not_believed(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x.ipynb", (2000, 1, 1, 0, 0, 0)), NOTEBOOK)
    (tmp_path / "ada.zip").write_bytes(buffer.getvalue())
    (one,) = submissions.submissions(intake.entries(tmp_path), Roster(), datetime(2001, 1, 1, tzinfo=UTC))
    assert one.late > 1e8


def test_notebooks_of_several_people_in_one_folder_are_for_a_person(tmp_path):
    folder(tmp_path, "all/ada.ipynb", "all/bob.ipynb")
    notes = {
        one.entry.path: (one.counts, one.note) for one in submissions.submissions(intake.entries(tmp_path), Roster())
    }
    assert sorted(counts for counts, _ in notes.values()) == [False, True]
    assert any("several notebooks with other names" in note for counts, note in notes.values() if counts)


def test_two_of_one_name_stay_two(tmp_path):
    folder(tmp_path, "lovelaceada_12_1_x.ipynb", "lovelaceada_13_2_x.ipynb")
    for user, content in (("12", b"a"), ("13", b"b")):
        (tmp_path / f"lovelaceada_{user}_{user}_net.safetensors").write_bytes(content)
    (tmp_path / os.fsdecode(b"\xfe.ipynb")).write_bytes(NOTEBOOK)
    (tmp_path / os.fsdecode(b"\xff.ipynb")).write_bytes(NOTEBOOK)
    found = submissions.submissions(intake.entries(tmp_path), Roster())
    assert len({one.student for one in found}) == 4 and all(one.counts for one in found)
    assert [one.weights["net"].read() for one in found if one.weights] == [b"a", b"b"]


def test_empty_places_have_a_row(tmp_path):
    (tmp_path / "ada").mkdir()
    (tmp_path / "bob.zip").write_bytes(zipped())
    notes = {one.entry.path: one.note for one in submissions.submissions(intake.entries(tmp_path), Roster())}
    assert notes == {"ada/": "the folder is empty", "bob.zip": "the zip is empty"}


def test_a_roster_in_another_normal_form_fits(tmp_path):
    people = roster.read(csv(tmp_path, "id,name\n1,Andre\u0301\n"))
    assert people.find("Andr\u00e9").id == "1"


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(ValueError, match="no such folder of hand-ins"):
        intake.entries(tmp_path / "nowhere")
