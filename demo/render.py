"""Renders characters into the cells that the demo model reads; demo/render.cc does the same in C++ for the demo program.

The geometry, in words (keep the two files equal):
  - a cell is 32x32 bytes, ink coverage: 0 is paper, 255 is ink;
  - the font's pixel size is the whole number that makes its 'H' as close to 17 pixels tall as it gets;
  - the baseline lies between rows 22 and 23, so an 'H' fills rows 6..22 and a 'g' hangs below;
  - the ink's bounding box is centred horizontally, rounding to the left; ink outside the cell is cut off.
Position against the baseline survives, so that 'o' and 'O', or ',' and an apostrophe, stay different pictures.
"""

import numpy as np
from PIL import ImageFont

CELL_PX = 32
CAP_HEIGHT_PX = 17
BASELINE_ROW = 23
CHARACTERS = [chr(code) for code in range(33, 127)]


def load_font(path, cap_height_px=CAP_HEIGHT_PX):
    """The font at the size whose 'H' is nearest to cap_height_px tall."""
    probe = ImageFont.truetype(path, 1000, layout_engine=ImageFont.Layout.BASIC)
    _, top, _, bottom = probe.getbbox("H", anchor="ls")
    size = int(1000.0 * cap_height_px / (bottom - top) + 0.5)
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def render_cell(font, character):
    """One character as a [32, 32] uint8 cell."""
    cell = np.zeros((CELL_PX, CELL_PX), np.uint8)
    mask = font.getmask(character, mode="L")
    width, height = mask.size
    ink = np.asarray(mask, np.uint8).reshape(height, width)
    columns = np.flatnonzero(ink.any(axis=0))
    if columns.size == 0:
        return cell
    ink = ink[:, columns[0] : columns[-1] + 1]
    top = BASELINE_ROW + font.getbbox(character, anchor="ls")[1]
    left = (CELL_PX - ink.shape[1]) // 2
    for row in range(ink.shape[0]):
        if 0 <= top + row < CELL_PX:
            first, last = max(left, 0), min(left + ink.shape[1], CELL_PX)
            cell[top + row, first:last] = ink[row, first - left : last - left]
    return cell
