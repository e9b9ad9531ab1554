import os

import pytest

from cli.export import save
from quarterdeck.errors import Broken, NotFound, Refused


def test_a_file_is_complete_and_private(tmp_path):
    target = tmp_path / "x.cast"
    assert save(iter([b"one\n", b"two\n"]), target, force=False) == 8
    assert target.read_bytes() == b"one\ntwo\n"
    assert target.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["x.cast"]


def test_a_file_is_replaced_only_with_force(tmp_path):
    target = tmp_path / "x"
    target.write_text("mine")
    with pytest.raises(Refused):
        save(iter([b"other"]), target, force=False)
    assert target.read_text() == "mine"
    save(iter([b"other"]), target, force=True)
    assert target.read_text() == "other"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    target = tmp_path / "x"

    def lines():
        yield b"one"
        target.write_text("mine")
        yield b"two"

    with pytest.raises(Refused):
        save(lines(), target, force=False)
    assert target.read_text() == "mine"
    assert os.listdir(tmp_path) == ["x"]


def test_nothing_is_left_of_an_export_that_fails(tmp_path):
    def lines():
        yield b"one"
        raise Broken("the orchestrator is gone")

    with pytest.raises(Broken):
        save(lines(), tmp_path / "x", force=True)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(NotFound):
        save(iter([b"x"]), tmp_path / "no" / "x", force=False)


def test_a_dangling_link_is_not_followed(tmp_path):
    target = tmp_path / "x"
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        save(iter([b"x"]), target, force=False)
    assert not (tmp_path / "elsewhere").exists()
