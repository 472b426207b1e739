"""Folders of images: what is a class, what is left out, and what is refused with which words."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from helpers.calling import called
from PIL import Image

import fedlens
from fedlens.core.errors import DataError
from fedlens.data.class_folders import class_folders
from fedlens.data.image_folder import ImageFolder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)
    return tmp_path


def fill(folder: str, count: int = 5, size: tuple[int, int] = (8, 8)) -> None:
    """Images of this many shades of grey: number k is k tenths of white."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("L", size, round(number * 25.5)).save(f"{folder}/{number}.png")


def refusal(**options: object) -> str:
    with pytest.raises(DataError) as caught:
        ImageFolder(**({"path": "pets", "size": 8} | options)).load()
    return str(caught.value)


def pasted(message: str, **options: object) -> ImageFolder:
    """The data as they are once the message's remedy is typed."""
    flags = shlex.split(re.search(r"-o .*", message)[0])  # type: ignore[index]
    changes = dict(flag.removeprefix("data.").split("=", 1) for flag in flags if "=" in flag)
    return ImageFolder(
        **({"path": "pets", "size": 8} | options | {name: yaml.safe_load(value) for name, value in changes.items()})
    )


def test_folders_are_classes(caplog: pytest.LogCaptureFixture) -> None:
    fill("pets/cat"), fill("pets/dog/of/hers", 10)
    dataset = ImageFolder(path="pets", size=8, colour="grey").load()
    assert dataset.classes == ("cat", "dog")
    assert dataset.shape == (1, 8, 8)
    assert dataset.train.x.dtype == torch.float32
    assert dataset.train.y.dtype == torch.int64
    assert dataset.test.y.bincount().tolist() == [1, 2]
    assert dataset.train.y.bincount().tolist() == [4, 8]
    assert caplog.messages == []


def test_every_image_is_a_sample_once_with_its_class() -> None:
    fill("pets/cat"), fill("pets/dog")
    for number in range(5):
        Image.new("L", (8, 8), 200 + number).save(f"pets/dog/{number}.png")
    dataset = ImageFolder(path="pets", size=8, colour="grey", test=0.4).load()
    shades = torch.cat([dataset.train.x, dataset.test.x])[:, 0, 0, 0] * 255
    labels = torch.cat([dataset.train.y, dataset.test.y])
    assert sorted(shades[labels == 0].round().int().tolist()) == [round(number * 25.5) for number in range(5)]
    assert sorted(shades[labels == 1].round().int().tolist()) == [200, 201, 202, 203, 204]
    assert len(dataset.test) == 4


def test_the_split_repeats_and_depends_on_nothing_else() -> None:
    fill("pets/cat", 9), fill("pets/dog", 9)
    first = ImageFolder(path="pets", size=8).load()
    torch.manual_seed(5)
    assert ImageFolder(path="pets", size=8).load().fingerprint() == first.fingerprint()


def test_numbers_are_in_their_order() -> None:
    for name in ("10", "9", "1"):
        fill(f"pets/{name}", 2)
    assert ImageFolder(path="pets", size=8).load().classes == ("1", "9", "10")


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_folders_train_and_test_are_understood(held_out: str, caplog: pytest.LogCaptureFixture) -> None:
    fill("pets/train/cat", 3), fill("pets/train/dog", 4), fill(f"pets/{held_out}/dog", 2)
    for test in (None, "folder"):
        dataset = ImageFolder(path="pets", size=8, test=test).load()
        assert (len(dataset.train), len(dataset.test)) == (7, 2)
        assert dataset.test.y.tolist() == [1, 1]
    assert caplog.messages == ["pets: no test sample is cat"]
    message = refusal(test=0.2)
    assert len(pasted(message, test=0.2).load().test) == 2


def test_without_such_folders_they_cannot_be_asked_for() -> None:
    fill("pets/cat"), fill("pets/dog")
    message = refusal(test="folder")
    assert "has no folders train and test" in message
    assert len(pasted(message, test="folder").load().test) == 2


def test_a_class_that_only_test_has_is_refused() -> None:
    fill("pets/train/cat"), fill("pets/train/dog"), fill("pets/test/dog"), fill("pets/test/a rat")
    message = refusal()
    assert message.startswith("pets/test/a rat: there is no such class in train; ")
    subprocess.run(message.partition("hide it: ")[2], shell=True, check=True)
    assert ImageFolder(path="pets", size=8).load().classes == ("cat", "dog")


def test_an_empty_class_is_refused_and_can_be_hidden() -> None:
    fill("pets/cat"), fill("pets/dog")
    Path("pets/the fox").mkdir()
    Path("pets/the fox/.DS_Store").touch()
    message = refusal()
    assert message.startswith("pets/the fox: is a class without an image; ")
    subprocess.run(message.partition("hide it: ")[2], shell=True, check=True)
    assert ImageFolder(path="pets", size=8).load().classes == ("cat", "dog")


def test_what_is_hidden_or_left_by_file_managers_does_not_count(caplog: pytest.LogCaptureFixture) -> None:
    fill("pets/cat"), fill("pets/dog"), fill("pets/.hidden"), fill("pets/dog/.thumbnails")
    for name in ("pets/.DS_Store", "pets/cat/._0.png", "pets/cat/Thumbs.db", "pets/desktop.ini"):
        Path(name).write_bytes(b"?")
    dataset = ImageFolder(path="pets", size=8).load()
    assert len(dataset.train) + len(dataset.test) == 10
    assert caplog.messages == []
    Path("pets/readme.txt").write_text("about them")
    ImageFolder(path="pets", size=8).load()
    assert caplog.messages == ["pets: 1 files are in no class's folder and left out, such as 'readme.txt'"]


def test_a_damaged_file_is_named_and_can_be_skipped(caplog: pytest.LogCaptureFixture) -> None:
    fill("pets/cat"), fill("pets/dog")
    Path("pets/dog/3.png").write_bytes(Path("pets/dog/3.png").read_bytes()[:50])
    Path("pets/dog/notes.txt").write_text("bites")
    message = refusal()
    assert message.startswith("pets/dog/3.png: is damaged or truncated (")
    dataset = pasted(message).load()
    assert len(dataset.train) + len(dataset.test) == 9
    assert caplog.messages[0].startswith("pets: 2 of 11 files are skipped, such as pets/dog/3.png: is damaged")


def test_nothing_waits_for_a_pipe_or_follows_a_link_to_nothing() -> None:
    fill("pets/cat"), fill("pets/dog")
    os.mkfifo("pets/cat/x.png")
    assert refusal() == "pets/cat/x.png: is no regular file; skip such files: -o data.unreadable=skip"
    Path("pets/cat/x.png").unlink()
    Path("pets/cat/x.png").symlink_to("nowhere.png")
    assert refusal() == "pets/cat/x.png: is a link to nothing; skip such files: -o data.unreadable=skip"


def test_a_class_of_which_nothing_can_be_read_is_refused() -> None:
    fill("pets/cat")
    Path("pets/dog").mkdir()
    Path("pets/dog/a.png").write_bytes(b"?")
    assert refusal(unreadable="skip").startswith("pets: no training sample is dog; ")


def test_mixed_sizes_are_remarked_on(caplog: pytest.LogCaptureFixture) -> None:
    fill("pets/cat", 3), fill("pets/dog", 4, (20, 10)), fill("pets/rat", 2, (16, 16))
    assert ImageFolder(path="pets", size=8).load().shape == (3, 8, 8)
    assert caplog.messages == [
        "pets: 6 of 9 images are scaled to 8×8, and 4 that are no squares are cut to their middle"
    ]


def test_one_image_a_class_leaves_none_for_testing() -> None:
    fill("pets/cat", 1), fill("pets/dog", 1)
    assert "no image is left for testing; give every class two" in refusal()


def test_a_single_class_and_no_class() -> None:
    fill("pets/cat")
    assert "pets: has one class, 'cat'; name the folder" in refusal()
    assert "pets/cat: has no folders; put the images" in refusal(path="pets/cat")


def test_a_folder_that_is_not_there() -> None:
    fill("pets/cat"), fill("pets/dog")
    message = refusal(path="pet")
    assert message.startswith("pet: there is no such folder in the working directory; did you mean pets?")
    assert pasted(message, path="pet").load().classes == ("cat", "dog")
    message = refusal(path="pets/cat/0.png")
    assert message.startswith("pets/cat/0.png: is a file; name its folder: -o data.path=pets/cat")


def test_the_data_directory_is_looked_into_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill("pets/cat"), fill("pets/dog"), fill("there/pets/ant"), fill("there/pets/bee")
    assert ImageFolder(path="pets", size=8).load(tmp_path / "there").classes == ("ant", "bee")


def test_names_that_are_no_words_are_refused() -> None:
    fill("pets/cat"), fill("pets/dog\ncow")
    assert "pets: 'dog\\ncow' is no name of a class" in refusal()


def test_a_folder_that_may_not_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    fill("pets/cat")

    def closed(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(DataError, match=r"pets: cannot be listed \(Permission denied\)"):
        class_folders(Path("pets"), apart=None)


def test_links_in_a_circle_end(here: Path) -> None:
    fill("pets/cat"), fill("pets/dog")
    Path("pets/dog/again").symlink_to(here / "pets")
    dataset = ImageFolder(path="pets", size=8).load()
    assert len(dataset.train) + len(dataset.test) == 10


def test_an_experiment_on_images(tmp_path: Path) -> None:
    fill("pets/cat", 10), fill("pets/dog", 10, (12, 9))
    experiment = fedlens.Experiment(
        data=ImageFolder(path="pets", size=20), model="tiny", clients=2, rounds=1, control=False, goal="backdoor",
        attack={"name": "explicit-boosting", "step_cap": 10},
    )  # fmt: skip
    [result] = fedlens.simulate(experiment, engine="serial")
    assert result.record.quality.accuracy >= 0


def test_the_command_line_ends_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    fill("pets/cat"), fill("pets/dog")
    Path("pets/dog/3.png").write_bytes(b"?")
    description = "data={name: image-folder, path: pets, size: 20}"
    code, _, err = called(capsys, "run", "quickstart", "-o", description, "-o", "model=tiny")
    assert code == 2
    assert "pets/dog/3.png: is no image; skip such files: -o data.unreadable=skip" in err
