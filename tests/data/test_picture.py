"""Pictures of every kind, with pixels worked out by hand."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedlens.data.picture import MOST_PIXELS, UnreadableError, read_picture

RED, GREEN = (255, 0, 0), (0, 255, 0)


def saved(image: Image.Image, file: Path, **options: object) -> Path:
    image.save(file, **options)  # type: ignore[arg-type]
    return file


def halves(first: tuple[int, ...], second: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    """Four by four pixels: two rows of one colour above two of another."""
    image = Image.new(mode, (4, 4), first)
    image.paste(second, (0, 2, 4, 4))
    return image


def test_pixels_are_where_they_were(tmp_path: Path) -> None:
    file = saved(halves(RED, GREEN), tmp_path / "a.png")
    picture = read_picture(file, 4, "rgb")
    assert picture.pixels.shape == (3, 4, 4)
    assert picture.pixels.dtype == np.float32
    assert picture.pixels[:, 0, 0].tolist() == [1, 0, 0]
    assert picture.pixels[:, 3, 0].tolist() == [0, 1, 0]
    assert (picture.resized, picture.cropped, picture.frames) == (False, False, 1)


def test_grey_is_luma(tmp_path: Path) -> None:
    picture = read_picture(saved(halves(RED, GREEN), tmp_path / "a.png"), 4, "grey")
    assert picture.pixels.shape == (1, 4, 4)
    assert picture.pixels[0, [0, 3], 0].tolist() == pytest.approx([76 / 255, 150 / 255], abs=1 / 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "LAB"])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_white_is_one_in_every_mode(mode: str, colour: str, tmp_path: Path) -> None:
    from PIL import ImageCms

    if mode == "LAB":
        image = ImageCms.profileToProfile(
            Image.new("RGB", (4, 4), "white"),
            ImageCms.createProfile("sRGB"),
            ImageCms.createProfile("LAB"),
            outputMode="LAB",
        )
        assert image is not None
    else:
        image = Image.new("RGB", (4, 4), "white").convert(mode)
    suffix = "tif" if mode in {"CMYK", "YCbCr", "LAB"} else "png"
    file = saved(image.convert("RGB") if mode == "HSV" else image, tmp_path / f"a.{suffix}")
    picture = read_picture(file, 4, colour)  # type: ignore[arg-type]
    assert picture.pixels.min() == pytest.approx(1, abs=2 / 255)


def test_cmyk_of_a_jpeg_is_its_colour(tmp_path: Path) -> None:
    file = saved(Image.new("RGB", (8, 8), RED).convert("CMYK"), tmp_path / "a.jpg", quality=100)
    assert read_picture(file, 8, "rgb").pixels[:, 4, 4].tolist() == pytest.approx([1, 0, 0], abs=0.03)


def test_what_is_transparent_is_white_whatever_lies_beneath(tmp_path: Path) -> None:
    clear = halves((*RED, 0), (*RED, 255), "RGBA")
    for name, image in {
        "rgba.png": clear,
        "la.png": halves((0, 0), (76, 255), "LA"),
        "palette.png": clear.quantize(),
    }.items():
        pixels = read_picture(saved(image, tmp_path / name), 4, "grey").pixels
        assert pixels[0, 0, 0] == 1, name
        assert pixels[0, 3, 0] == pytest.approx(76 / 255, abs=2 / 255), name
    half = saved(Image.new("RGBA", (4, 4), (0, 0, 0, 51)), tmp_path / "half.png")
    assert read_picture(half, 4, "rgb").pixels[0, 0, 0] == pytest.approx(0.8)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.ppm"])
def test_sixteen_bits_of_grey_are_kept(name: str, tmp_path: Path) -> None:
    values = np.arange(16, dtype=np.uint16).reshape(4, 4) * 3000 + 1
    file = saved(Image.fromarray(values), tmp_path / name)
    assert read_picture(file, 4, "grey").pixels[0] == pytest.approx(values / 65535)
    assert read_picture(file, 4, "rgb").pixels[2] == pytest.approx(values / 65535)
    assert read_picture(file, 2, "grey").pixels[0].mean() == pytest.approx(values.mean() / 65535, rel=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_without_a_known_white_are_refused(dtype: type, tmp_path: Path) -> None:
    file = saved(Image.fromarray(np.ones((4, 4), dtype)), tmp_path / "a.tif")
    with pytest.raises(UnreadableError, match="whose white is not known; save it with 8 or 16 bits"):
        read_picture(file, 4, "grey")


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter: what is on the left becomes what is above
    sideways = halves(RED, GREEN).rotate(90)  # anticlockwise: red is on the left
    file = saved(sideways, tmp_path / "a.png", exif=exif)
    assert read_picture(file, 4, "rgb").pixels.tolist() == (
        read_picture(saved(halves(RED, GREEN), tmp_path / "b.png"), 4, "rgb").pixels.tolist()
    )


def test_the_middle_is_kept_with_its_proportions(tmp_path: Path) -> None:
    wide = Image.new("RGB", (40, 10), RED)
    wide.paste(GREEN, (12, 0, 28, 10))  # wider than the middle: the filter reaches beyond the edge
    picture = read_picture(saved(wide, tmp_path / "a.png"), 5, "rgb")
    assert (picture.pixels[1] == 1).all()
    assert (picture.resized, picture.cropped) == (True, True)


def test_of_moving_pictures_the_first_is_taken(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN))
    file = saved(first, tmp_path / "a.gif", save_all=True, append_images=[second])
    picture = read_picture(file, 4, "rgb")
    assert picture.pixels[:, 0, 0].tolist() == [1, 0, 0]
    assert picture.frames == 2


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims to be so large, and holds nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def whole() -> bytes:
    content = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello", "is no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "is no image"),
        (whole()[:1000], "is damaged or truncated"),
        (png_of(4, 4), "is damaged or truncated"),
        (png_of(MOST_PIXELS // 1000 + 1, 1000), "more than 100,000,000"),
        (png_of(60_000, 60_000), "has more than 100,000,000 pixels"),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableError, match=said):
        read_picture(tmp_path / "a.png", 4, "rgb")


def test_no_damage_gets_through_as_another_error(tmp_path: Path) -> None:
    """A file cut off or with a changed byte, anywhere, is read or refused."""
    images = {"PNG": {}, "JPEG": {}, "GIF": {}, "TIFF": {}, "BMP": {}, "WEBP": {}}
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    refused = 0
    for kind in images:
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, kind)
        good = content.getvalue()
        for _ in range(60):
            bad, place = bytearray(good), int(generator.integers(len(good)))
            bad[place] ^= int(generator.integers(1, 256))
            for variant in (bytes(bad), good[:place]):
                (tmp_path / "a").write_bytes(variant)
                try:
                    picture = read_picture(tmp_path / "a", 8, "rgb")
                except UnreadableError:
                    refused += 1
                else:
                    assert picture.pixels.shape == (3, 8, 8)
                    assert 0 <= picture.pixels.min() <= picture.pixels.max() <= 1
    assert refused > 200
