# SPDX-License-Identifier: Apache-2.0
"""Draws labelled pictures of single characters: 32x32 pixels, RGB.

The classes are the 33 characters of vehicle identification numbers (ISO 3779):
the digits and the capital letters without I, O and Q, which that standard
leaves out because nobody can tell them from 1 and 0.

The fonts come from Debian packages; they are looked up by package name, so that
a picture never depends on what else is installed.  Training and test fonts are
different designs: re-drawings and clones of one typeface (Helvetica, Times,
Courier, Vera, Carlito/Lato, ...) are all on the training side.  Setup:

    apt-get install --no-install-recommends $(python3 draw.py)
"""

import pathlib
import re
import subprocess
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

CLASSES = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
SIDE = 32

TRAIN_PACKAGES = """
fonts-adf-baskervald fonts-adf-berenis fonts-adf-gillius fonts-adf-libris
fonts-adf-mekanus fonts-adf-romande fonts-adf-tribun fonts-adf-universalis
fonts-anonymous-pro fonts-averia-gwf fonts-beteckna fonts-cantarell
fonts-comfortaa fonts-comic-neue fonts-crosextra-caladea
fonts-crosextra-carlito fonts-dejavu-core fonts-dejavu-extra fonts-dosis
fonts-ebgaramond fonts-eurofurence fonts-firacode fonts-freefont-ttf
fonts-gfs-didot fonts-gfs-neohellenic fonts-hack fonts-inconsolata
fonts-jetbrains-mono fonts-junction fonts-jura fonts-lato fonts-league-mono
fonts-liberation fonts-linuxlibertine fonts-lmodern fonts-monofur
fonts-oldstandard fonts-open-sans fonts-paratype fonts-quattrocento
fonts-quicksand fonts-routed-gothic fonts-sil-andika fonts-sil-charis
fonts-sil-gentium-basic fonts-tiresias fonts-urw-base35
fonts-yanone-kaffeesatz
""".split()

TEST_PACKAGES = """
fonts-agave fonts-b612 fonts-cabin fonts-cardo fonts-clear-sans fonts-elstob
fonts-fantasque-sans fonts-go fonts-goudybookletter fonts-inter fonts-karla
fonts-lindenhill fonts-manrope fonts-national-park fonts-opendin fonts-oxygen
fonts-play fonts-roboto-slab fonts-roboto-unhinted fonts-sora fonts-tuffy
fonts-vollkorn fonts-yrsa-rasa
""".split()

# Not alphabets of ordinary capitals and digits: symbols, mathematics, outlines,
# key caps, initials, chancery and script hands.
ODD_FONTS = re.compile(
    r"D050000L|Symbols|Math|-math|Outline|LinBiolinum_K|LinLibertine_I\.|"
    r"Z003|Script|Style|dunh|tirekv|Tamil|Smallcaps|\[wght\]", re.ASCII)

GLYPH_SIZE = 64  # pixels per em when a glyph is drawn first


def font_files(package):
    """The font files of an installed package, one per file name, sorted."""
    listing = subprocess.run(["dpkg-query", "-L", package], check=True,
                             capture_output=True, text=True).stdout
    chosen = {}
    for line in sorted(listing.splitlines()):
        path = pathlib.Path(line)
        if path.suffix in (".otf", ".ttf") and not ODD_FONTS.search(path.name):
            chosen.setdefault(re.sub("[-_]", "", path.stem.lower()), path)
    return [chosen[name] for name in sorted(chosen)]


def has_all_classes(font):
    """Whether the font has every class and draws it as something of its own."""
    def picture(text):
        return font.getmask(text).getbbox(), bytes(font.getmask(text))
    missing = picture("\U0010fffe")
    drawn = [picture(c) for c in CLASSES]
    return (all(box is not None for box, _ in drawn) and missing not in drawn
            and len({data for _, data in drawn}) == len(drawn))


class Fonts:
    """The fonts of some packages; each package is as likely as any other."""

    def __init__(self, packages):
        self.packages = []
        self.glyphs = {}
        for package in packages:
            fonts = []
            for path in font_files(package):
                font = ImageFont.truetype(str(path), GLYPH_SIZE)
                if has_all_classes(font):
                    fonts.append((path.name, font))
            if not fonts:
                raise SystemExit(f"{package}: no usable font")
            self.packages.append(fonts)

    def count(self):
        return sum(len(fonts) for fonts in self.packages)

    def glyph(self, package, index, label):
        """A mask of the character, cut to its ink."""
        key = (package, index, label)
        if key not in self.glyphs:
            font = self.packages[package][index][1]
            box = font.getbbox(CLASSES[label])
            mask = Image.new("L", (box[2] - box[0] + 4, box[3] - box[1] + 4))
            ImageDraw.Draw(mask).text((2 - box[0], 2 - box[1]),
                                      CLASSES[label], fill=255, font=font)
            self.glyphs[key] = mask.crop(mask.getbbox())
        return self.glyphs[key]


def placed(rng, glyph):
    """The glyph scaled, slanted, turned and moved, as a 32x32 mask of 0..1."""
    side = 2 * SIDE  # drawn twice as large, then averaged
    height = rng.uniform(0.55, 0.85) * side
    stretch = rng.uniform(0.85, 1.18)
    scale_y = glyph.height / height
    # wide characters shrink until they fit
    scale_x = max(scale_y / stretch, glyph.width / (0.88 * side))
    angle = np.deg2rad(rng.uniform(-15, 15))
    slant = rng.uniform(-0.15, 0.15)
    move = rng.uniform(-0.07, 0.07, 2) * side
    turn = np.array([[np.cos(angle), np.sin(angle)],
                     [-np.sin(angle), np.cos(angle)]])
    back = np.diag([scale_x, scale_y]) @ np.array([[1, slant], [0, 1]]) @ turn
    centre = np.array([glyph.width, glyph.height]) / 2
    offset = centre - back @ (np.array([side, side]) / 2 + move)
    matrix = (back[0, 0], back[0, 1], offset[0],
              back[1, 0], back[1, 1], offset[1])
    mask = glyph.transform((side, side), Image.Transform.AFFINE, matrix,
                           resample=Image.Resampling.BILINEAR).reduce(2)
    if rng.random() < 0.5:
        mask = mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    return np.asarray(mask, np.float32) / 255


def colours(rng):
    """Two background colours and an ink that stands out from both."""
    weights = np.array([0.299, 0.587, 0.114])
    while True:
        paper = rng.uniform(0, 1, 3)
        other = np.clip(paper + rng.normal(0, 0.15, 3), 0, 1)
        ink = rng.uniform(0, 1, 3)
        if (abs((paper - ink) @ weights) > 0.28
                and abs((other - ink) @ weights) > 0.28):
            return paper, other, ink


def blotches(rng, cells):
    """Smooth random patches, -1..1."""
    small = rng.integers(0, 256, (cells, cells)).astype(np.uint8)
    large = Image.fromarray(small).resize((SIDE, SIDE),
                                          Image.Resampling.BICUBIC)
    return np.asarray(large, np.float32) / 127.5 - 1


def picture(rng, glyph):
    """One picture: uint8 [32, 32, 3]."""
    mask = placed(rng, glyph)[:, :, None]
    paper, other, ink = colours(rng)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1) - 0.5
    direction = rng.uniform(0, 2 * np.pi)
    ramp = 0.5 + 0.7 * (x * np.cos(direction) + y * np.sin(direction))
    ramp = np.clip(ramp, 0, 1)[:, :, None]
    image = paper * (1 - ramp) + other * ramp
    image = image * (1 - mask) + ink * mask
    if rng.random() < 0.6:
        image += (rng.uniform(0, 0.12)
                  * blotches(rng, int(rng.integers(3, 9)))[:, :, None])
    noise = rng.uniform(0, 0.09) if rng.random() < 0.8 else 0
    if rng.random() < 0.5:
        image += rng.normal(0, noise, image.shape)
    else:
        image += rng.normal(0, noise, (SIDE, SIDE, 1))
    image = (image - 0.5) * rng.uniform(0.75, 1.15) + 0.5 + rng.normal(0, 0.04)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def draw(fonts, count, name):
    """`count` pictures, classes in turn: uint8 [count, 32, 32, 3], int32.

    `name` seeds the random numbers: the same name, fonts and libraries give the
    same pictures.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    labels = np.arange(count, dtype=np.int32) % len(CLASSES)
    for i, label in enumerate(labels):
        package = int(rng.integers(len(fonts.packages)))
        index = int(rng.integers(len(fonts.packages[package])))
        images[i] = picture(rng, fonts.glyph(package, index, int(label)))
    return images, labels


if __name__ == "__main__":
    print("\n".join(TRAIN_PACKAGES + TEST_PACKAGES))
