"""An archive is unpacked below its target, whatever it says."""

from __future__ import annotations

import io
import tarfile

import pytest

from config.archives import unpack


def archive(**files):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as made:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("UP", ".."))
            member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))
    content.seek(0)
    return tarfile.open(fileobj=content)


def test_files_are_written_without_the_first_part_of_their_names(tmp_path):
    unpack(archive(package__dist__a="one", package__b="two"), tmp_path, strip=1)

    assert (tmp_path / "dist" / "a").read_text() == "one"
    assert (tmp_path / "b").read_text() == "two"


@pytest.mark.parametrize("name", ["UP__outside", "package__UP__UP__outside", "__outside"])
def test_a_name_that_leads_outside_is_refused(tmp_path, name):
    target = tmp_path / "target"

    with pytest.raises(ValueError, match="leads outside"):
        unpack(archive(**{name: "bad"}), target)

    assert not (tmp_path / "outside").exists()


def test_links_are_left_out(tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as made:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    content.seek(0)

    with tarfile.open(fileobj=content) as made:
        unpack(made, tmp_path)

    assert list(tmp_path.iterdir()) == []
