import json
import logging
import stat

import pytest

from orchestrator.logs import set_up


@pytest.fixture
def root():
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level
    yield logger
    for handler in logger.handlers:
        if handler not in before[0]:
            handler.close()
    logger.handlers[:], logger.level = before
    logging.captureWarnings(False)


def test_each_line_is_json_with_fields(tmp_path, root):
    file = tmp_path / "orchestrator.jsonl"
    set_up(file)
    logging.getLogger("quarterdeck").info("a client came", extra={"agent": "x\n\x1b[31m", "count": 3})
    logging.getLogger("elsewhere").info("libraries speak from warnings on")
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("quarterdeck").exception("it failed")
    first, second = [json.loads(line) for line in file.read_text().splitlines()]
    assert first["message"] == "a client came"
    assert (first["agent"], first["count"], first["level"]) == ("x\n\x1b[31m", 3, "info")
    assert "ValueError: inside" in second["traceback"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_rotates_and_stays_private(tmp_path, root):
    file = tmp_path / "orchestrator.jsonl"
    set_up(file)
    handler = root.handlers[0]
    handler.maxBytes = 2000
    for number in range(100):
        logging.getLogger("quarterdeck").info("line", extra={"number": number, "pad": "x" * 100})
    files = sorted(tmp_path.iterdir())
    assert [entry.name for entry in files] == [file.name, *(f"{file.name}.{n}" for n in (1, 2, 3))]
    assert all(stat.S_IMODE(entry.stat().st_mode) == 0o600 for entry in files)
    assert json.loads(file.read_text().splitlines()[-1])["number"] == 99


def test_a_full_disk_does_not_stop_what_is_logged(root):
    set_up(__import__("pathlib").Path("/dev/full"))
    logging.getLogger("quarterdeck").warning("cannot be written")
